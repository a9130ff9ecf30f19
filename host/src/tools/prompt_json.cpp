#include "prompt_json.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "mcp_bridge.hpp"
#include "mcp_schema.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Object;
using prompts::Prompt;

constexpr std::size_t kExcerptBytes = 200;
// The store writes nothing larger, but a file of another program may hold it: one prompt must not
// push all others out of a list.
constexpr std::size_t kTitleBytes = 2000;
constexpr std::size_t kDescriptionBytes = 40'000;
constexpr std::size_t kTagBytes = 400;
constexpr std::size_t kNames = 100;
constexpr std::array<std::string_view, 4> kDerived{"slug", "words", "tokens", "variables"};

void append_text(std::string& out, const char* name, std::string_view value) {
    out += out.back() == '{' ? "\"" : ",\"";
    out += name;
    out += "\":";
    mcp::append_json_string(out, value);
}

// At most `count` values, each shortened.
void append_texts(std::string& out, const char* name, const std::vector<std::string>& values,
                  std::size_t count = SIZE_MAX, std::size_t bytes = SIZE_MAX) {
    out += out.back() == '{' ? "\"" : ",\"";
    out += name;
    out += "\":[";
    for (std::size_t i = 0; i < std::min(count, values.size()); ++i) {
        out += i == 0 ? "" : ",";
        mcp::append_json_string(out, mcp::excerpt(values[i], bytes));
    }
    out += "]";
}

void append_number(std::string& out, const char* name, std::size_t value) {
    out += out.back() == '{' ? "\"" : ",\"";
    out += name;
    out += "\":";
    mcp::append_json_integer(out, static_cast<std::int64_t>(value));
}

void append_derived(std::string& out, const Prompt& prompt, std::size_t count = SIZE_MAX,
                    std::size_t bytes = SIZE_MAX) {
    append_text(out, "slug", mcp::excerpt(prompt.slug, bytes));
    append_number(out, "words", prompt.words);
    append_number(out, "tokens", prompt.tokens());
    append_texts(out, "variables", prompt.variables, count, bytes);
}

bool is_derived(const Prompt::Member& member) {
    return std::find(kDerived.begin(), kDerived.end(), member.name) != kDerived.end();
}

Object::Ptr common_members() {
    auto p = mcp::ordered_object();
    p->set("id", property("string", "Names the prompt in every tool"));
    p->set("title", property("string", "One line"));
    p->set("description", property("string", "May be empty"));
    p->set("category", property("string", "The folder it is in"));
    p->set("tags", list_of("string", "Its tags"));
    p->set("created_at", property("string", "Local time"));
    p->set("updated_at", property("string", "Local time; what `expected` is compared with"));
    p->set("slug", property("string", "The title as part of an address; names it too"));
    p->set("words", property("integer", "Words of the content"));
    p->set("tokens", property("integer", "Estimate: words x 1.3"));
    p->set("variables", list_of("string", "The names of its {{variables}}"));
    return p;
}

std::vector<std::string> common_names() {
    return common_members()->getNames();
}

}  // namespace

std::string prompt_json(const Prompt& prompt) {
    std::string out;
    if (std::any_of(prompt.members.begin(), prompt.members.end(), is_derived)) {
        Prompt copy = prompt;  // a member of the file that has one of our names gives way
        std::erase_if(copy.members, is_derived);
        out = prompts::to_json(copy);
    } else {
        out = prompts::to_json(prompt);
    }
    out.pop_back();
    append_derived(out, prompt);
    return out + "}";
}

std::string prompt_summary(const Prompt& prompt, bool excerpt) {
    std::string out = "{";
    append_text(out, "id", prompt.id);
    append_text(out, "title", mcp::excerpt(prompt.title, kTitleBytes));
    append_text(out, "description", mcp::excerpt(prompt.description, kDescriptionBytes));
    append_text(out, "category", prompt.category);
    append_texts(out, "tags", prompt.tags, kNames, kTagBytes);
    append_text(out, "created_at", prompt.created_at);
    append_text(out, "updated_at", prompt.updated_at);
    append_derived(out, prompt, kNames, kTitleBytes);
    if (excerpt) {
        append_text(out, "excerpt", mcp::excerpt(prompt.content, kExcerptBytes));
    }
    return out + "}";
}

std::string listing_json(const std::string& member, const prompts::Listing& listing,
                         Carrier carrier) {
    CappedList list(carrier, kMaxListBytes);
    for (const auto& prompt : listing.prompts) {
        if (!list.add(prompt_summary(*prompt, carrier == Carrier::kTool))) {
            break;
        }
    }
    std::string out = "{\"" + member + "\":" + list.json();
    append_number(out, "total", listing.total);
    out += list.is_cut() ? R"(,"truncated":true})" : R"(,"truncated":false})";
    return out;
}

std::string conflict_json(const prompts::StoreError& error) {
    std::string out = "{";
    append_text(out, "error", prompts::name_of(error.code));
    if (error.current) {
        out += ",\"current\":" + prompt_json(*error.current);
    }
    if (error.yours) {
        out += ",\"yours\":" + mcp::to_json(*error.yours);
    }
    return out + "}";
}

Object::Ptr prompt_schema() {
    auto p = common_members();
    p->set("content", property("string", "The prompt itself"));
    auto required = common_names();
    required.emplace_back("content");
    return object_schema(p, required, /*closed=*/false);
}

Object::Ptr summary_schema() {
    auto p = common_members();
    p->set("excerpt", property("string", "The beginning of the content, at most 200 bytes"));
    return object_schema(p, common_names(), /*closed=*/false);
}

}  // namespace steward::host
