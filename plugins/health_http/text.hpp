// Text that came from outside, made fit for a line that people read: valid UTF-8, printable, short.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace steward::health_http {

// `bytes` in double quotes; quotes and backslashes escaped, control characters as \n, \t or \xNN,
// bytes that are not UTF-8 as \xNN. After `limit` bytes of the source it is cut, which an ellipsis
// behind the closing quote says.
[[nodiscard]] std::string quoted(std::string_view bytes, std::size_t limit = 80);

}  // namespace steward::health_http
