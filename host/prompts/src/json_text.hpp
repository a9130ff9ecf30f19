// JSON as text: an object's members without a tree, so that a rewritten file keeps the order of its
// members and every number as it was. The texts have passed mcp::check_json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steward::prompts {

struct RawMember {
    std::string name;
    std::string_view value;  // part of the text
};

// The members of the object that `text` is; of equal names the last value, at the first's place.
// Nothing if it is no object.
[[nodiscard]] std::optional<std::vector<RawMember>> split_object(std::string_view text);

// What a value is, or nothing when it is something else.
[[nodiscard]] std::optional<std::string> string_of(std::string_view value);
[[nodiscard]] std::optional<bool> bool_of(std::string_view value);
[[nodiscard]] std::optional<std::vector<std::string>> strings_of(std::string_view value);

// How a value is laid out.
struct Layout {
    bool lines = false;     // one line for each member and element, indented by two
    std::size_t depth = 0;  // of the value
    std::size_t max_bytes =
        SIZE_MAX;  // of the whole text: indentation may be far longer than the value
};

// Appends the value, texts unescaped as far as JSON allows. Beyond max_bytes it stops.
void append_value(std::string& out, std::string_view value, Layout layout);
void append_line(std::string& out, const Layout& layout, std::size_t depth);

}  // namespace steward::prompts
