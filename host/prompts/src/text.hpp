// UTF-8 in units that the rules of the store are written in. All texts are valid UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace steward::prompts {

// The code point at `at`, which moves behind it. A byte that begins none is taken for itself.
[[nodiscard]] char32_t next_code_point(std::string_view text, std::size_t& at) noexcept;
void append_utf8(std::string& out, char32_t code_point);

[[nodiscard]] std::size_t count_characters(std::string_view text) noexcept;
[[nodiscard]] std::size_t count_words(std::string_view text) noexcept;
[[nodiscard]] bool is_space(char32_t c) noexcept;
// Without the white space at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text) noexcept;
// A control character of ASCII.
[[nodiscard]] bool has_control(std::string_view text) noexcept;

// As lower() of prompt.hpp.
void append_lower(std::string& out, std::string_view text);

// The first `max` characters as a JSON string, for messages.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t max = 40);

}  // namespace steward::prompts
