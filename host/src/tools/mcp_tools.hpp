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

// Registers everything, in words that name the service. The handlers ask the session's loop
// over the bridge, or the worker, and answer on the mcp thread. `worker` is null when the
// service uses no data folder: then there is no prompt library.
void register_tools(mcp::Server& server, const Bridge& bridge, PromptWorker* worker,
                    const Options& options, Timers timers);

mcp::ServerInfo server_info(const Options& options);

}  // namespace steward::host
