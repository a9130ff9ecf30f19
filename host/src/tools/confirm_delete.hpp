// Whether a prompt may be deleted: the one place where the person at the client is asked.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "mcp_bridge.hpp"
#include "steward/prompts/prompt.hpp"

namespace steward::host {

// How long a person may take.
inline constexpr std::chrono::minutes kConfirmTime{5};

struct Confirmation {
    bool given = false;
    std::string why_not;              // if it was not given
    std::optional<std::string> seen;  // version_of() what the person saw; none: nobody was asked
};

// Asks a client that has declared elicitation with forms, in its revision's way; of others it is
// taken as given. Calls `then` once, now or later, on the mcp thread; or not at all when the call has ended:
// the client has cancelled it, or will send it again with the answer (2026-07-28).
void confirm_delete(const CallPtr& call, const prompts::PromptPtr& prompt, const Timers& timers,
                    std::function<void(const Confirmation&)> then);

}  // namespace steward::host
