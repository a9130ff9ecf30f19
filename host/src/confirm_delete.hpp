// Whether a prompt may be deleted: the one place where the person at the client is asked.
#pragma once
#include <functional>

#include "mcp_bridge.hpp"
#include "steward/prompts/prompt.hpp"

namespace steward::host {

// Calls `then` once, now or later, on the mcp thread; or answers the call itself and forgets
// `then`, when the client is to send the call again with its answer. Nobody is asked yet.
void confirm_delete(const CallPtr& call, const prompts::PromptPtr& prompt,
                    const std::function<void(bool confirmed)>& then);

}  // namespace steward::host
