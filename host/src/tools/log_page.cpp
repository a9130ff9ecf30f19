#include "log_page.hpp"

#include <algorithm>
#include <ctime>
#include <string_view>

#include <fmt/core.h>

#include "mcp_bridge.hpp"
#include "status_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using core::OutputLine;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool contains(std::string_view text, std::string_view wanted) {
    return wanted.empty() ||
           std::search(text.begin(), text.end(), wanted.begin(), wanted.end(),
                       [](char a, char b) { return lower(a) == lower(b); }) != text.end();
}

// Python writes what it logs to standard error whatever its level, with the level in the line's
// beginning.
bool is_warning(const OutputLine& line) {
    constexpr std::size_t kBeginning = 80;
    const auto beginning = std::string_view(line.text).substr(0, kBeginning);
    return line.stream == core::OutputStream::kErr && beginning.find("INFO") == beginning.npos &&
           beginning.find("DEBUG") == beginning.npos;
}

bool fits(const OutputLine& line, const LogQuery& query) {
    return line.sequence > query.after && (!query.before || line.sequence < *query.before) &&
           (!query.since || line.wall >= *query.since) && (!query.warnings || is_warning(line)) &&
           contains(line.text, query.contains);
}

std::string line_json(const OutputLine& line) {
    std::string json = fmt::format(R"({{"seq":{},"ts":"{}","generation":{},"stream":"{}","text":)",
                                   line.sequence, iso_time(line.wall), line.generation,
                                   line.stream == core::OutputStream::kErr ? "stderr" : "stdout");
    mcp::append_json_string(json, line.text);
    return json + "}";
}

// Takes exactly `digits` digits off the front.
std::optional<int> number(std::string_view& text, std::size_t digits) {
    int value = 0;
    if (text.size() < digits) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < digits; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return std::nullopt;
        }
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(digits);
    return value;
}

bool skip(std::string_view& text, char c) {
    const bool there = !text.empty() && text.front() == c;
    text.remove_prefix(there ? 1 : 0);
    return there;
}

// Digits of a second: microseconds.
std::int64_t fraction(std::string_view& text) {
    std::int64_t value = 0;
    std::int64_t unit = 100'000;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        value += (text.front() - '0') * unit;
        unit /= 10;
        text.remove_prefix(1);
    }
    return value;
}

// Seconds east of UTC.
std::optional<std::int64_t> zone(std::string_view& text) {
    if (text.empty() || skip(text, 'Z')) {
        return 0;
    }
    const int sign = skip(text, '+') ? 1 : skip(text, '-') ? -1 : 0;
    const auto hours = number(text, 2);
    skip(text, ':');
    const auto minutes = number(text, 2);
    if (sign == 0 || !hours || !minutes || *hours > 23 || *minutes > 59) {
        return std::nullopt;
    }
    return std::int64_t{sign} * (*hours * 3600 + *minutes * 60);
}

}  // namespace

std::optional<core::WallTime> parse_iso_time(const std::string& text) {
    std::string_view rest = text;
    std::tm tm{};
    struct Part {
        int* field;
        std::size_t digits;
        char end;
        int least;
        int most;
    };
    for (const Part& part : {Part{&tm.tm_year, 4, '-', 1970, 9999}, Part{&tm.tm_mon, 2, '-', 1, 12},
                             Part{&tm.tm_mday, 2, 'T', 1, 31}, Part{&tm.tm_hour, 2, ':', 0, 23},
                             Part{&tm.tm_min, 2, ':', 0, 59}, Part{&tm.tm_sec, 2, '.', 0, 60}}) {
        const auto value = number(rest, part.digits);
        if (!value || *value < part.least || *value > part.most ||
            (part.end != '.' && !skip(rest, part.end))) {
            return std::nullopt;
        }
        *part.field = *value;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const std::int64_t us = skip(rest, '.') ? fraction(rest) : 0;
    const auto east = zone(rest);
    if (!east || !rest.empty()) {
        return std::nullopt;
    }
    return core::WallTime(
        std::chrono::microseconds((std::int64_t{timegm(&tm)} - *east) * 1'000'000 + us));
}

core::Result<LogQuery> log_query(const Poco::JSON::Object& arguments) {
    LogQuery query;
    const auto integer = [&arguments](const char* name) {
        return mcp::as_integer(mcp::find_member(arguments, name));
    };
    query.lines = static_cast<std::size_t>(
        integer("lines").value_or(static_cast<std::int64_t>(LogQuery::kDefaultLines)));
    if (const auto before = integer("before")) {
        query.before = static_cast<std::uint64_t>(*before);
    }
    query.after = static_cast<std::uint64_t>(integer("since").value_or(0));
    if (const auto* const since = mcp::as_string(mcp::find_member(arguments, "since"))) {
        query.since = parse_iso_time(*since);
        if (!query.since) {
            return core::Error{fmt::format(
                "since: must be the seq of a line or a time such as 2026-11-22T10:22:33Z (got "
                "\"{}\")",
                mcp::excerpt(*since, 64))};
        }
    }
    if (const auto* const wanted = mcp::as_string(mcp::find_member(arguments, "contains"))) {
        query.contains = *wanted;
    }
    const auto* const level = mcp::as_string(mcp::find_member(arguments, "level"));
    query.warnings = level != nullptr && *level == "warning";
    return query;
}

std::string log_page(const std::vector<OutputLine>& all, const LogQuery& query, Carrier carrier) {
    CappedList page(carrier, kMaxListBytes);
    bool more = false;
    std::uint64_t first = 0;
    for (auto line = all.rbegin(); line != all.rend() && !more; ++line) {
        if (fits(*line, query)) {
            more = page.size() == query.lines || !page.add(line_json(*line));
            first = more ? first : line->sequence;
        }
    }
    return fmt::format(R"({{"lines":{},"truncated":{},"next_before":{}}})", page.json_reversed(),
                       page.is_cut(), more ? std::to_string(first) : "null");
}

}  // namespace steward::host
