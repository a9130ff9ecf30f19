// Runs the store vectors that every program with a prompt store has to pass.
#include <Poco/JSON/Array.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <regex>
#include <set>

#include "catch.hpp"
#include "prompt_bed.hpp"

using namespace steward::prompts;
using namespace steward::prompts::test;
using Poco::Dynamic::Var;
using Poco::JSON::Array;
using Poco::JSON::Object;

namespace {

const std::regex kPlaceholder(R"(\$(?:ID|NOW)\d*)");

bool is_object(const Var& value) {
    return value.type() == typeid(Object::Ptr);
}

bool is_array(const Var& value) {
    return value.type() == typeid(Array::Ptr);
}

bool is_text(const Var& value) {
    return value.type() == typeid(std::string);
}

// JSON with the members of all objects in one order: equal values have equal texts.
std::string canonical(const Var& value) {
    std::string out;
    if (is_object(value)) {
        std::map<std::string, std::string> members;
        for (const auto& member : *value.extract<Object::Ptr>()) {
            members[member.first] = canonical(member.second);
        }
        for (const auto& [name, text] : members) {
            out += out.empty() ? "{" : ",";
            steward::mcp::append_json_string(out, name);
            out += ":" + text;
        }
        return (out.empty() ? "{" : out) + "}";
    }
    if (is_array(value)) {
        for (const auto& item : *value.extract<Array::Ptr>()) {
            out += (out.empty() ? "[" : ",") + canonical(item);
        }
        return (out.empty() ? "[" : out) + "]";
    }
    steward::mcp::append_json(out, value);
    return out;
}

std::string now_text() {
    const std::time_t now = std::time(nullptr);
    std::tm wall{};
    gmtime_r(&now, &wall);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &wall);
    return text;
}

// What the placeholders of one case stand for.
class Bindings {
  public:
    std::string fill(const std::string& text) const {
        std::string out;
        std::string::const_iterator copied = text.begin();
        for (std::sregex_iterator found(text.begin(), text.end(), kPlaceholder), end; found != end;
             ++found) {
            out.append(copied, text.begin() + found->position());
            const auto value = values_.find(found->str());
            REQUIRE(value != values_.end());
            out += value->second;
            copied = text.begin() + found->position() + found->length();
        }
        return out.append(copied, text.end());
    }

    Var fill(const Var& value) const {
        if (is_text(value)) {
            return fill(value.extract<std::string>());
        }
        if (is_array(value)) {
            Array::Ptr out = new Array;
            for (const auto& item : *value.extract<Array::Ptr>()) {
                out->add(fill(item));
            }
            return out;
        }
        if (!is_object(value)) {
            return value;
        }
        const auto& given = *value.extract<Object::Ptr>();
        if (given.has("$repeat")) {
            return repeated(given);
        }
        Object::Ptr out = new Object;
        for (const auto& member : given) {
            out->set(fill(member.first), fill(member.second));
        }
        return out;
    }

    // Binds the placeholders of an expected result by walking it beside the real one.
    void learn(const Var& expected, const Var& got) {
        if (is_object(expected) && is_object(got)) {
            for (const auto& member : *expected.extract<Object::Ptr>()) {
                learn(member.second, got.extract<Object::Ptr>()->get(member.first));
            }
        } else if (is_text(expected) && is_text(got) &&
                   std::regex_match(expected.extract<std::string>(), kPlaceholder)) {
            bind(expected.extract<std::string>(), got.extract<std::string>());
        }
    }

  private:
    static Var repeated(const Object& given) {
        const auto repeat = given.getArray("$repeat");
        std::string out;
        for (int i = 0; i < repeat->getElement<int>(1); ++i) {
            out += repeat->getElement<std::string>(0);
        }
        return out;
    }

    void bind(const std::string& name, const std::string& value) {
        if (values_.count(name) > 0) {
            return;
        }
        if (name.rfind("$ID", 0) == 0) {
            REQUIRE(std::regex_match(value, std::regex(R"(\d{8}_\d{6}_[0-9a-f]{8})")));
        } else {
            REQUIRE(
                std::regex_match(value, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})")));
            REQUIRE(value.substr(0, begun_.size()) >= begun_);
            REQUIRE(value.substr(0, begun_.size()) <= now_text());
        }
        for (const auto& [other, known] : values_) {
            REQUIRE(known != value);
        }
        values_[name] = value;
    }

    std::map<std::string, std::string> values_;
    std::string begun_ = now_text();
};

std::string decode_base64(const std::string& text) {
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    unsigned bits = 0;
    int count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        bits = bits << 6U | static_cast<unsigned>(digits.find(c));
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> static_cast<unsigned>(count) & 0xFFU);
        }
    }
    return out;
}

std::string bytes_of(const Object& content, const Bindings& bindings) {
    if (content.has("json")) {
        return canonical(bindings.fill(content.get("json")));
    }
    if (content.has("text")) {
        return bindings.fill(content.get("text")).extract<std::string>();
    }
    return decode_base64(content.getValue<std::string>("base64"));
}

Var list_of(const std::vector<std::string>& texts) {
    Array::Ptr out = new Array;
    for (const auto& text : texts) {
        out->add(text);
    }
    return out;
}

Object::Ptr with(const char* name, const Var& value) {
    Object::Ptr out = new Object;
    out->set(name, value);
    return out;
}

Object::Ptr outcome_of(const StoreError& error) {
    REQUIRE(!error.text.empty());
    auto out = with("error", std::string(name_of(error.code)));
    if (error.current != nullptr) {
        out->set("current", as_object(*error.current));
    }
    if (!error.yours.isNull()) {
        out->set("yours", error.yours);
    }
    return out;
}

Object::Ptr outcome_of(const Result<PromptPtr>& result) {
    return result ? with("prompt", as_object(**result)) : outcome_of(result.error());
}

std::optional<std::string> text_in(const Object& step, const char* name) {
    return step.has(name) ? std::optional(step.getValue<std::string>(name)) : std::nullopt;
}

Object::Ptr run_search(PromptStore& store, const Object& step) {
    const auto text = text_in(step, "query").value_or("");
    const auto category = text_in(step, "category");
    Query query{text, std::nullopt};
    if (category) {
        query.category = *category;
    }
    const Listing listing = store.search(query);
    std::vector<std::string> ids;
    std::vector<std::string> broken;
    for (const auto& prompt : listing.prompts) {
        ids.push_back(prompt->id);
    }
    for (const auto& file : *listing.broken) {
        REQUIRE(!file.reason.empty());
        broken.push_back(file.file);
    }
    REQUIRE(listing.total == ids.size());
    auto out = with("ids", list_of(ids));
    out->set("broken", list_of(broken));
    return out;
}

Object::Ptr run(PromptStore& store, const Object& step) {
    const auto op = step.getValue<std::string>("op");
    const auto id = text_in(step, "id").value_or("");
    if (op == "ensure") {
        const auto names = store.ensure();
        return names ? with("categories", list_of(*names)) : outcome_of(names.error());
    }
    if (op == "categories") {
        return with("categories", list_of(store.categories()));
    }
    if (op == "count") {
        return with("count", Poco::Int64(store.count()));
    }
    if (op == "search") {
        return run_search(store, step);
    }
    if (op == "get") {
        return outcome_of(store.get(id));
    }
    if (op == "create") {
        return outcome_of(store.create(*step.getObject("values")));
    }
    if (op == "update") {
        return outcome_of(store.update(id, *step.getObject("changes"), text_in(step, "expected")));
    }
    REQUIRE(op == "delete");
    return outcome_of(store.remove(id, text_in(step, "expected")));
}

std::map<std::string, std::string> files_in(const fs::path& root) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        if (entry.is_regular_file() && entry.path() != root / ".lock") {
            files[fs::relative(entry.path(), root).string()] = read_text(entry.path());
        }
    }
    return files;
}

void compare_files(const Object& wanted, const fs::path& root, const Bindings& bindings) {
    const auto found = files_in(root);
    std::map<std::string, Object::Ptr> contents;
    std::set<std::string> names;
    for (const auto& member : wanted) {
        const std::string name = bindings.fill(member.first);
        contents[name] = member.second.extract<Object::Ptr>();
        names.insert(name);
    }
    std::set<std::string> found_names;
    for (const auto& [name, text] : found) {
        found_names.insert(name);
    }
    REQUIRE(found_names == names);
    for (const auto& [name, content] : contents) {
        INFO(name);
        const std::string& text = found.at(name);
        REQUIRE((content->has("json") ? canonical(parse(text)) : text) ==
                bytes_of(*content, bindings));
    }
}

void run_case(const Object& given_case) {
    const Folder folder;
    const fs::path root = folder.data();
    fs::create_directory(root);
    Bindings bindings;
    if (given_case.has("folders")) {
        for (const auto& name : *given_case.getArray("folders")) {
            fs::create_directory(root / name.extract<std::string>());
        }
    }
    const auto given = given_case.getObject("given");
    for (const auto& member : *given) {
        fs::create_directories((root / member.first).parent_path());
        std::ofstream(root / member.first, std::ios::binary)
            << bytes_of(*member.second.extract<Object::Ptr>(), bindings);
    }
    PromptStore store(root.string());
    for (const auto& item : *given_case.getArray("steps")) {
        const Object& step = *item.extract<Object::Ptr>();
        Object::Ptr expected = new Object(*step.getObject("expect"));
        if (expected->has("ids") && !expected->has("broken")) {
            expected->set("broken", list_of({}));
        }
        Object::Ptr arguments = new Object(step);
        arguments->remove("expect");
        INFO(canonical(arguments).substr(0, 1000));
        arguments = bindings.fill(Var(arguments)).extract<Object::Ptr>();
        const Var got = run(store, *arguments);
        bindings.learn(expected, got);
        REQUIRE(canonical(got) == canonical(bindings.fill(Var(expected))));
    }
    compare_files(given_case.has("files") ? *given_case.getObject("files") : *given, root,
                  bindings);
}

}  // namespace

TEST_CASE("every store vector passes", "[prompts]") {
    setenv("TZ", "UTC", 1);
    tzset();
    const fs::path vectors = fs::path(STEWARD_SOURCE_DIR) / "tests/data/prompt_store";
    int cases = 0;
    for (const auto& entry : fs::directory_iterator(vectors)) {
        if (entry.path().extension() != ".json") {
            continue;
        }
        const auto all = object(read_text(entry.path()))->getArray("cases");
        for (const auto& item : *all) {
            const Object& one = *item.extract<Object::Ptr>();
            ++cases;
            DYNAMIC_SECTION(entry.path().stem().string()
                            << ": " << one.getValue<std::string>("name")) {
                run_case(one);
            }
        }
    }
    CHECK(cases >= 90);
}
