// What the server offers to MCP clients: the resources and tools of the service.
#pragma once
#include <functional>
#include <string>

#include "session.hpp"
#include "steward/mcp/server.hpp"

namespace steward::host {

// Registers everything, in words that name the service. `to_mcp` runs a task on the mcp thread. The
// handlers ask the session's loop and answer back there.
void register_tools(mcp::Server& server, Session& session, const std::string& service,
                    std::function<void(std::function<void()>)> to_mcp);

mcp::ServerInfo server_info(const std::string& service);

// "the client NAME", or "the client" when it has not said its name: for causes, the status and the
// log, whatever the name is made of.
std::string the_client(const mcp::Client& client);

}  // namespace steward::host
