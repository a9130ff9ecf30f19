#include "steward/mcp/prompts.hpp"

#include "steward/mcp/json.hpp"

namespace steward::mcp {

void PromptResult::open_message(Role role) {
    if (!messages_.empty()) {
        messages_ += ',';
    }
    messages_ +=
        role == Role::kUser ? R"({"role":"user","content":)" : R"({"role":"assistant","content":)";
}

PromptResult& PromptResult::set_description(std::string_view description) {
    description_ = description;
    return *this;
}

PromptResult& PromptResult::add_text(Role role, std::string_view text) {
    open_message(role);
    messages_ += R"({"type":"text","text":)";
    append_json_string(messages_, text);
    messages_ += "}}";
    return *this;
}

PromptResult& PromptResult::add_block(Role role, const Poco::JSON::Object& block) {
    open_message(role);
    append_json(messages_, block);
    messages_ += '}';
    return *this;
}

}  // namespace steward::mcp
