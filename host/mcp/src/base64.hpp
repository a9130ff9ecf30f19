// Base64 as of RFC 4648 section 4.
//
// Thread rule: no state, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace steward::mcp {

void append_base64(std::string& out, std::string_view bytes);

// Nothing unless `text` is exactly what append_base64 would write: no two texts give the same
// bytes, so a changed text never passes for the original.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace steward::mcp
