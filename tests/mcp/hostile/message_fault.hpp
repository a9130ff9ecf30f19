// What every line that an MCP server writes has to be.
#pragma once

#include <string>
#include <string_view>

#include <Poco/Dynamic/Var.h>

namespace steward::tests {

// What is wrong with a line as JSON-RPC 2.0: a strict JSON text in UTF-8 that is one message, or a
// batch of them. Empty: nothing.
[[nodiscard]] std::string fault_of_line(std::string_view line);

// The same for one message that has been read.
[[nodiscard]] std::string fault_of_message(const Poco::Dynamic::Var& message);

}  // namespace steward::tests
