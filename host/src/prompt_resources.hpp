// The prompt library as resources: promptbin://list-prompts, promptbin://get-prompt/{prompt_id} and
// promptbin://get-prompt-by-name/{name}.
#pragma once
#include "mcp_bridge.hpp"
#include "prompt_worker.hpp"

namespace steward::host {

// The worker outlives the server's last call.
void register_prompt_resources(mcp::Server& server, PromptWorker& worker);

}  // namespace steward::host
