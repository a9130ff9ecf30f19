// Text of unknown origin made fit for logs, JSON and HTML.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace steward::core {

// The length of the well-formed UTF-8 sequence at `at`, 0 if there is none (overlong forms,
// surrogates and values above U+10FFFF are none). Precondition: at < text.size().
std::size_t utf8_sequence(std::string_view text, std::size_t at);

// How many bytes at the end are the beginning of a sequence that is not complete yet: 0 to 3.
std::size_t utf8_unfinished(std::string_view text);

// Appends the text; each byte that is no part of well-formed UTF-8, and each control character but
// the tab, becomes \xNN. A backslash stays as it is.
void append_escaped(std::string& out, std::string_view text);
// The same, to memory that has room for kMaxEscaped times as much. Returns the end.
constexpr std::size_t kMaxEscaped = 4;
char* escape_to(char* out, std::string_view text);

// At most `limit` bytes of it, never ending within a sequence. Precondition: the text is
// well-formed.
std::string_view utf8_cut(std::string_view text, std::size_t limit);

}  // namespace steward::core
