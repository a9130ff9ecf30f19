// completion/complete: the ids, names, categories and tags of prompts, where they are variables of a
// resource template or, by their name, arguments of a prompt.
#pragma once
#include <string>
#include <vector>

#include "mcp_bridge.hpp"
#include "prompt_worker.hpp"

namespace steward::host {

// The worker outlives the server's last call.
void register_prompt_completion(mcp::Server& server, PromptWorker& worker);

// Those of `values` that begin with `typed`, in any case, then those that contain it; each part in
// the order of `values`.
std::vector<std::string> matching(const std::vector<std::string>& values, const std::string& typed);

}  // namespace steward::host
