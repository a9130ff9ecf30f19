// The tools of the prompt library: search_prompts, get_prompt, create_prompt, update_prompt and
// delete_prompt. What a call of them does is done by the worker.
#pragma once
#include "mcp_bridge.hpp"
#include "prompt_worker.hpp"

namespace steward::host {

// The worker outlives the server's last call.
void register_prompt_tools(mcp::Server& server, PromptWorker& worker, Timers timers);

}  // namespace steward::host
