// What the server offers to MCP clients: the resources and tools of the service.
#pragma once
#include <functional>

#include "session.hpp"
#include "steward/mcp/server.hpp"

namespace steward::host {

// Registers everything. `to_mcp` runs a task on the mcp thread. The handlers ask the session's loop
// and answer back there.
void register_tools(mcp::Server& server, Session& session,
                    std::function<void(std::function<void()>)> to_mcp);

mcp::ServerInfo server_info();

}  // namespace steward::host
