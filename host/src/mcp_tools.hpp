// What the server offers to MCP clients: the resources and tools of the service.
#pragma once
#include <functional>
#include <string>

#include "mcp_bridge.hpp"
#include "options.hpp"
#include "session.hpp"
#include "steward/mcp/server.hpp"

namespace steward::host {

// Registers everything, in words that name the service. `to_mcp` runs a task on the mcp thread. The
// handlers ask the session's loop and answer back there.
void register_tools(mcp::Server& server, Session& session, const Options& options, ToMcp to_mcp);

mcp::ServerInfo server_info(const Options& options);

}  // namespace steward::host
