#include "steward/mcp/types.hpp"

#include <utility>

#include "steward/mcp/json.hpp"

namespace steward::mcp {

ToolResult ToolResult::text(std::string_view text) {
    return ToolResult().add_text(text);
}

ToolResult ToolResult::error(std::string_view text) {
    return ToolResult().add_text(text).set_error(true);
}

ToolResult ToolResult::object(const Poco::JSON::Object& object) {
    return object_json(to_json(object));
}

ToolResult ToolResult::object_json(std::string json) {
    ToolResult result;
    result.add_text(json);
    result.structured_ = std::move(json);
    return result;
}

ToolResult& ToolResult::add_text(std::string_view text) {
    content_.reserve(content_.size() + text.size() + text.size() / 8 + 32);
    if (!content_.empty()) {
        content_ += ',';
    }
    content_ += R"({"type":"text","text":)";
    append_json_string(content_, text);
    content_ += '}';
    return *this;
}

ToolResult& ToolResult::add_block(const Poco::JSON::Object& block) {
    if (!content_.empty()) {
        content_ += ',';
    }
    append_json(content_, block);
    return *this;
}

ToolResult& ToolResult::set_error(bool is_error) noexcept {
    is_error_ = is_error;
    return *this;
}

}  // namespace steward::mcp
