#include "prompt_file.hpp"

#include <Poco/JSON/Array.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <utility>

#include "json_text.hpp"
#include "steward/mcp/json.hpp"
#include "text.hpp"

namespace steward::prompts {
namespace {

constexpr std::size_t kMaxTitle = 500;
constexpr std::size_t kMaxDescription = 10'000;
constexpr std::size_t kMaxTag = 100;
constexpr std::size_t kMaxTags = 100;
constexpr std::size_t kMaxCategory = 64;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_ascii_alnum(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// ---- dates

struct Date {
    std::tm wall{};
    std::int64_t microseconds = 0;
    std::optional<int> offset;  // seconds east of UTC
};

// Reads `shape` where '0' stands for a digit; the digits of each run go to `numbers`.
bool take_shape(std::string_view& text, std::string_view shape, int* numbers) {
    if (text.size() < shape.size()) {
        return false;
    }
    bool in_run = false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == '0') {
            if (!is_digit(text[i])) {
                return false;
            }
            *numbers = (in_run ? *numbers * 10 : 0) + (text[i] - '0');
            in_run = true;
            continue;
        }
        if (text[i] != shape[i]) {
            return false;
        }
        numbers += in_run ? 1 : 0;
        in_run = false;
    }
    text.remove_prefix(shape.size());
    return true;
}

bool take_fraction(std::string_view& text, std::int64_t& microseconds) {
    if (text.empty() || text.front() != '.') {
        return true;
    }
    text.remove_prefix(1);
    std::int64_t unit = 100'000;
    while (!text.empty() && is_digit(text.front()) && unit > 0) {
        microseconds += (text.front() - '0') * unit;
        unit /= 10;
        text.remove_prefix(1);
    }
    return unit < 100'000;
}

bool take_zone(std::string_view& text, std::optional<int>& offset) {
    if (text.empty()) {
        return true;
    }
    if (text == "Z") {
        offset = 0;
        text = {};
        return true;
    }
    const bool west = text.front() == '-';
    std::array<int, 2> zone{};
    if ((!west && text.front() != '+') ||
        !take_shape(text, west ? "-00:00" : "+00:00", zone.data())) {
        return false;
    }
    const int seconds = zone[0] * 3600 + zone[1] * 60;
    offset = west ? -seconds : seconds;
    return seconds < 86'400;
}

int days_in(int year, int month) noexcept {
    constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return kDays.at(static_cast<std::size_t>(month - 1)) + (leap && month == 2 ? 1 : 0);
}

std::optional<Date> parse_date(std::string_view text) {
    std::array<int, 6> n{};
    Date date;
    if (!take_shape(text, "0000-00-00T00:00:00", n.data()) ||
        !take_fraction(text, date.microseconds) || !take_zone(text, date.offset) || !text.empty()) {
        return std::nullopt;
    }
    if (n[0] < 1 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > days_in(n[0], n[1]) || n[3] > 23 ||
        n[4] > 59 || n[5] > 59) {
        return std::nullopt;
    }
    date.wall.tm_year = n[0] - 1900;
    date.wall.tm_mon = n[1] - 1;
    date.wall.tm_mday = n[2];
    date.wall.tm_hour = n[3];
    date.wall.tm_min = n[4];
    date.wall.tm_sec = n[5];
    return date;
}

// An hour that comes twice when summer time ends is the first of the two.
std::time_t local_seconds(const std::tm& wall) {
    std::tm summer = wall;
    summer.tm_isdst = 1;
    const std::time_t seconds = std::mktime(&summer);
    if (summer.tm_isdst == 1 && summer.tm_hour == wall.tm_hour && summer.tm_min == wall.tm_min) {
        return seconds;
    }
    std::tm any = wall;
    any.tm_isdst = -1;
    return std::mktime(&any);
}

// ---- members

bool is_known(std::string_view name) noexcept {
    constexpr std::array<std::string_view, 9> kKnown{"id",         "title",      "content",
                                                     "tags",       "category",   "description",
                                                     "created_at", "updated_at", "favourite"};
    return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

// Why a known member's value is none; empty when it is one.
std::string take_member(Prompt& prompt, const std::string& name, std::string_view value) {
    const auto take_text = [&](std::string& field, const char* fault) -> std::string {
        auto text = string_of(value);
        if (!text) {
            return fault;
        }
        field = std::move(*text);
        return {};
    };
    if (name == "title") {
        return take_text(prompt.title, "has no text title");
    }
    if (name == "content") {
        return take_text(prompt.content, "has no text content");
    }
    if (name == "description") {
        return take_text(prompt.description, "description is not a text");
    }
    if (name == "created_at") {
        return take_text(prompt.created_at, "created_at is not a text");
    }
    if (name == "updated_at") {
        return take_text(prompt.updated_at, "updated_at is not a text");
    }
    if (name == "tags") {
        auto tags = strings_of(value);
        if (!tags) {
            return "tags is not a list of texts";
        }
        prompt.tags = std::move(*tags);
    }
    if (name == "favourite") {
        prompt.favourite = bool_of(value);
        return prompt.favourite ? "" : "favourite is neither true nor false";
    }
    return {};
}

bool has_member(const Prompt& prompt, std::string_view name) {
    return std::any_of(prompt.members.begin(), prompt.members.end(),
                       [name](const Prompt::Member& member) { return member.name == name; });
}

const char* fault_of(mcp::JsonStatus status) noexcept {
    switch (status) {
        case mcp::JsonStatus::kOk:
            return "";
        case mcp::JsonStatus::kSyntax:
            return "is not JSON";
        case mcp::JsonStatus::kScalar:
            return "is not a JSON object";
        case mcp::JsonStatus::kTooDeep:
            return "is nested too deeply";
        case mcp::JsonStatus::kTooManyValues:
            return "has more than 250000 values";
        case mcp::JsonStatus::kUnusable:
            return "has a number that is out of range or a member name with U+0000";
    }
    return "";
}

void append_list(std::string& out, const std::vector<std::string>& texts, const Layout& layout) {
    out += '[';
    const char* comma = "";
    for (const auto& text : texts) {
        out += comma;
        append_line(out, layout, layout.depth + 1);
        mcp::append_json_string(out, text);
        comma = ",";
    }
    if (!texts.empty()) {
        append_line(out, layout, layout.depth);
    }
    out += ']';
}

void append_known(std::string& out, const Prompt& prompt, std::string_view name,
                  const Layout& layout) {
    if (name == "tags") {
        append_list(out, prompt.tags, layout);
    } else if (name == "favourite") {
        out += prompt.favourite.value_or(false) ? "true" : "false";
    } else {
        const std::string* field = name == "id"            ? &prompt.id
                                   : name == "category"    ? &prompt.category
                                   : name == "title"       ? &prompt.title
                                   : name == "content"     ? &prompt.content
                                   : name == "description" ? &prompt.description
                                   : name == "created_at"  ? &prompt.created_at
                                                           : &prompt.updated_at;
        mcp::append_json_string(out, *field);
    }
}

std::string object_text(const Prompt& prompt, const std::vector<std::string_view>& more,
                        const Layout& layout) {
    std::string out = "{";
    const auto append_name = [&](std::string_view name) {
        if (out.size() > 1) {
            out += ',';
        }
        append_line(out, layout, layout.depth);
        mcp::append_json_string(out, name);
        out += layout.lines ? ": " : ":";
    };
    for (const auto& member : prompt.members) {
        append_name(member.name);
        if (member.json.empty()) {
            append_known(out, prompt, member.name, layout);
        } else {
            append_value(out, member.json, layout);
        }
    }
    for (const std::string_view name : more) {
        append_name(name);
        append_known(out, prompt, name, layout);
    }
    append_line(out, layout, 0);
    out += '}';
    return out;
}

void want_member(Prompt& prompt, std::string_view name) {
    if (!has_member(prompt, name)) {
        prompt.members.push_back({std::string(name), {}});
    }
}

// ---- values

const char* kind_of(const Poco::Dynamic::Var& value) {
    if (value.isEmpty()) {
        return "null";
    }
    if (value.isBoolean()) {
        return "true or false";
    }
    if (value.isNumeric()) {
        return "a number";
    }
    if (value.isString()) {
        return "a text";
    }
    return value.type() == typeid(Poco::JSON::Array::Ptr) ? "a list" : "an object";
}

StoreError invalid(std::string text) {
    return {ErrorCode::kInvalid, std::move(text), nullptr, nullptr};
}

Result<std::string> text_of(const std::string& name, const Poco::Dynamic::Var& value) {
    const std::string* text = mcp::as_string(&value);
    if (text == nullptr) {
        return invalid(name + ": must be a text (got " + kind_of(value) + ")");
    }
    if (!mcp::is_valid_utf8(*text)) {
        return invalid(name + ": is not valid UTF-8 (send it in UTF-8)");
    }
    return *text;
}

Result<std::string> checked_title(const std::string& given) {
    std::string title(trimmed(given));
    if (title.empty() || count_characters(title) > kMaxTitle || has_control(title)) {
        return invalid("title: must be one line of 1 to " + std::to_string(kMaxTitle) +
                       " characters (got " + quoted(title) + ")");
    }
    return title;
}

Result<std::string> checked_content(const std::string& content) {
    if (trimmed(content).empty()) {
        return invalid("content: must not be empty (give the text of the prompt)");
    }
    if (content.size() > kMaxContentBytes) {
        return StoreError{ErrorCode::kTooLarge,
                          "content: must be at most " + std::to_string(kMaxContentBytes) +
                              " bytes (got " + std::to_string(content.size()) + ")",
                          nullptr, nullptr};
    }
    return content;
}

Result<std::string> checked_category(const std::string& given) {
    std::string category(trimmed(given));
    if (!is_category(category)) {
        return invalid("category: must be a folder name of 1 to " + std::to_string(kMaxCategory) +
                       " characters without / or \\ that does not begin with a dot (got " +
                       quoted(category) + ")");
    }
    return category;
}

Result<std::string> checked_description(const std::string& description) {
    const std::size_t length = count_characters(description);
    if (length > kMaxDescription) {
        return invalid("description: must be at most " + std::to_string(kMaxDescription) +
                       " characters (got " + std::to_string(length) + ")");
    }
    return description;
}

Result<std::vector<std::string>> checked_tags(const Poco::Dynamic::Var& value) {
    if (value.type() != typeid(Poco::JSON::Array::Ptr)) {
        return invalid(std::string("tags: must be a list of texts (got ") + kind_of(value) + ")");
    }
    std::vector<std::string> tags;
    for (const auto& item : *value.extract<Poco::JSON::Array::Ptr>()) {
        auto text = text_of("tags", item);
        if (!text) {
            return text.error();
        }
        std::string tag(trimmed(*text));
        if (count_characters(tag) > kMaxTag) {
            return invalid("tags: each must be at most " + std::to_string(kMaxTag) +
                           " characters (got " + quoted(tag) + ")");
        }
        if (tag.empty() || std::find(tags.begin(), tags.end(), tag) != tags.end()) {
            continue;
        }
        tags.push_back(std::move(tag));
        // Looking for repeated ones must not become quadratic in what a caller sends.
        if (tags.size() > kMaxTags) {
            return invalid("tags: must be at most " + std::to_string(kMaxTags) + " (got more)");
        }
    }
    return tags;
}

// Puts one value into `changes`; the error when it may not be stored.
std::optional<StoreError> check_value(Changes& changes, const std::string& name,
                                      const Poco::Dynamic::Var& value) {
    if (name == "tags") {
        auto tags = checked_tags(value);
        if (!tags) {
            return tags.error();
        }
        changes.tags = std::move(*tags);
        return std::nullopt;
    }
    if (name == "favourite") {
        if (value.type() != typeid(bool)) {
            return invalid(std::string("favourite: must be true or false (got ") + kind_of(value) +
                           ")");
        }
        changes.favourite = value.extract<bool>();
        return std::nullopt;
    }
    auto text = text_of(name, value);
    if (!text) {
        return text.error();
    }
    const auto put = [](std::optional<std::string>& field,
                        Result<std::string> checked) -> std::optional<StoreError> {
        if (!checked) {
            return checked.error();
        }
        field = std::move(*checked);
        return std::nullopt;
    };
    if (name == "title") {
        return put(changes.title, checked_title(*text));
    }
    if (name == "content") {
        return put(changes.content, checked_content(*text));
    }
    if (name == "category") {
        return put(changes.category, checked_category(*text));
    }
    return put(changes.description, checked_description(*text));
}

}  // namespace

bool is_prompt_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 128 && is_ascii_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_ascii_alnum(c) || c == '_' || c == '-'; });
}

bool is_category(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 255 && text.front() != '.' &&
           text.find_first_of("/\\") == std::string_view::npos && !has_control(text) &&
           mcp::is_valid_utf8(text) && count_characters(text) <= kMaxCategory &&
           trimmed(text) == text;
}

bool is_prompt_file(std::string_view name) noexcept {
    return !name.empty() && name.front() != '.' && name.ends_with(kFileEnding);
}

std::string file_of(std::string_view id) {
    return std::string(id).append(kFileEnding);
}

std::string format_date(std::chrono::system_clock::time_point moment) {
    const auto since = std::chrono::floor<std::chrono::microseconds>(moment.time_since_epoch());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const auto time = static_cast<std::time_t>(seconds.count());
    std::tm wall{};
    localtime_r(&time, &wall);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06d",
                  wall.tm_year + 1900, wall.tm_mon + 1, wall.tm_mday, wall.tm_hour, wall.tm_min,
                  wall.tm_sec, static_cast<int>((since - seconds).count()));
    return text.data();
}

std::int64_t instant_of(std::string_view text) {
    const auto date = parse_date(text);
    if (!date) {
        return kNoDate;
    }
    std::tm wall = date->wall;
    const std::int64_t seconds =
        date->offset ? std::int64_t{timegm(&wall)} - *date->offset : local_seconds(wall);
    return seconds * 1'000'000 + date->microseconds;
}

Result<Prompt, Fault> parse_prompt(std::string_view data, std::string_view id,
                                   std::string_view category) {
    if (data.size() > kMaxFileBytes) {
        return Fault{"is larger than " + std::to_string(kMaxFileBytes) + " bytes"};
    }
    if (data.starts_with("\xEF\xBB\xBF")) {
        data.remove_prefix(3);
    }
    if (!mcp::is_valid_utf8(data)) {
        return Fault{"is not UTF-8"};
    }
    if (const auto status = mcp::check_json(data); status != mcp::JsonStatus::kOk) {
        return Fault{fault_of(status)};
    }
    const auto members = split_object(data);
    if (!members) {
        return Fault{"is not a JSON object"};
    }
    Prompt prompt;
    prompt.id = id;
    prompt.category = category;
    prompt.members.reserve(members->size());
    for (const auto& member : *members) {
        const bool known = is_known(member.name);
        prompt.members.push_back({member.name, known ? std::string() : std::string(member.value)});
        if (std::string fault = take_member(prompt, member.name, member.value); !fault.empty()) {
            return Fault{std::move(fault)};
        }
    }
    for (const char* name : {"title", "content"}) {
        if (!has_member(prompt, name)) {
            return Fault{std::string("has no text ") + name};
        }
    }
    prompt.slug = slug_of(prompt.title);
    if (prompt.slug.empty()) {
        prompt.slug = prompt.id;
    }
    prompt.words = count_words(prompt.content);
    prompt.variables = variables_of(prompt.content);
    prompt.instant = instant_of(prompt.updated_at);
    return prompt;
}

std::string serialise(const Prompt& prompt) {
    return object_text(prompt, {}, {/*lines=*/true, /*depth=*/1, kMaxFileBytes});
}

Result<Changes> checked_changes(const Poco::JSON::Object& values) {
    constexpr std::array<std::string_view, 6> kEditable{"title",       "content", "category",
                                                        "description", "tags",    "favourite"};
    Changes changes;
    changes.names = values.getNames();
    for (const auto& name : changes.names) {
        if (std::find(kEditable.begin(), kEditable.end(), name) == kEditable.end()) {
            return invalid(quoted(name) +
                           ": can't be set (members are title, content, category, description, "
                           "tags, favourite)");
        }
    }
    for (const auto& name : changes.names) {
        if (auto error = check_value(changes, name, *mcp::find_member(values, name))) {
            return *std::move(error);
        }
    }
    return changes;
}

void apply(const Changes& changes, Prompt& prompt) {
    const auto put = [](auto& field, const auto& value) {
        if (value) {
            field = *value;
        }
    };
    put(prompt.title, changes.title);
    put(prompt.content, changes.content);
    put(prompt.category, changes.category);
    put(prompt.description, changes.description);
    put(prompt.tags, changes.tags);
    if (changes.favourite) {
        prompt.favourite = changes.favourite;
    }
    for (const auto& name : changes.names) {
        want_member(prompt, name);
    }
    want_member(prompt, "id");
    want_member(prompt, "category");
}

void set_updated_at(Prompt& prompt, std::string date) {
    prompt.updated_at = std::move(date);
    want_member(prompt, "updated_at");
}

Prompt new_prompt(std::string id, const Changes& changes, const std::string& now) {
    Prompt prompt;
    prompt.id = std::move(id);
    for (const char* name : {"id", "title", "content", "category", "description", "tags",
                             "created_at", "updated_at"}) {
        want_member(prompt, name);
    }
    apply(changes, prompt);
    prompt.created_at = now;
    prompt.updated_at = now;
    return prompt;
}

std::string to_json(const Prompt& prompt) {
    std::vector<std::string_view> missing;
    for (const std::string_view name :
         {"description", "tags", "created_at", "updated_at", "id", "category"}) {
        if (!has_member(prompt, name)) {
            missing.push_back(name);
        }
    }
    return object_text(prompt, missing, {});
}

Poco::JSON::Object::Ptr as_object(const Prompt& prompt) {
    mcp::JsonReader reader({/*max_depth=*/512, /*max_values=*/1'000'000});
    Poco::Dynamic::Var value;
    if (reader.parse(to_json(prompt), value) != mcp::JsonStatus::kOk) {
        return new Poco::JSON::Object;  // not reached: a prompt was read from good JSON
    }
    return value.extract<Poco::JSON::Object::Ptr>();
}

}  // namespace steward::prompts
