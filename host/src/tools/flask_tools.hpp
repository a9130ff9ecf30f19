// The status of the service, and the tools that start, stop and restart it.
#pragma once
#include <string>

#include "mcp_bridge.hpp"

namespace steward::host {

void register_flask_tools(mcp::Server& server, const Bridge& bridge, const Words& words);

// "the client NAME", or "the client" when it has not said its name: for causes, the status and the
// log, whatever the name is made of.
std::string the_client(const mcp::Client& client);

}  // namespace steward::host
