// What the server offers to MCP clients: the resources and tools of the service and, if it has one,
// those and the prompts of the prompt library.
#pragma once
#include <functional>
#include <string>

#include "mcp_bridge.hpp"
#include "options.hpp"
#include "prompt_worker.hpp"
#include "session.hpp"
#include "steward/mcp/server.hpp"

namespace steward::host {

// Registers everything, in words that name the service. `to_mcp` runs a task on the mcp thread. The
// handlers ask the session's loop, or the worker, and answer back there. `worker` is null when the
// service uses no data folder: then there is no prompt library.
void register_tools(mcp::Server& server, Session& session, PromptWorker* worker,
                    const Options& options, ToMcp to_mcp, Timers timers);

mcp::ServerInfo server_info(const Options& options);

}  // namespace steward::host
