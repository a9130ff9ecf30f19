// Every stored prompt as an MCP prompt: prompts/list, prompts/get and the completion of arguments.
//
// A prompt's name is its slug; its id when a newer prompt has the same slug, when another prompt has
// that id, or when the slug is longer than 128 bytes. Any id, slug or title is understood. Its
// {{variables}} are the arguments, all required: the first 100 whose names have at most 128 bytes.
#pragma once
#include <string>
#include <vector>

#include "mcp_bridge.hpp"
#include "prompt_worker.hpp"

namespace steward::host {

// The worker outlives the server's last call.
void register_prompt_source(mcp::Server& server, PromptWorker& worker);

// The arguments of a prompt, in order.
std::vector<std::string> prompt_arguments(const prompts::Prompt& prompt);

}  // namespace steward::host
