// Text of others on a terminal, in a question or in the log.
//
// Any thread.
#pragma once
#include <string>
#include <string_view>

namespace steward::host {

// The text (UTF-8) without what moves a cursor, breaks a line or turns the direction of writing: such
// characters are shown as \x1b or \u202e. Tabs stay.
std::string printable(std::string_view text);

}  // namespace steward::host
