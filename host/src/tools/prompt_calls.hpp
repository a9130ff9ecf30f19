// How MCP calls reach the prompt store: on the worker's thread, and back with the answer.
#pragma once
#include <functional>
#include <string>

#include "mcp_bridge.hpp"
#include "prompt_worker.hpp"

namespace steward::host {

// Runs `work` on the worker's thread and answers a tool's call with what it returns; a call that
// was cancelled meanwhile is not begun.
void answer_tool(PromptWorker& worker, const CallPtr& call,
                 std::function<mcp::ToolResult(prompts::PromptStore&)> work);

// The same for a call of any kind; what `work` returns answers it, on the mcp thread.
void answer_call(PromptWorker& worker, const CallPtr& call,
                 std::function<PromptWorker::Answer(prompts::PromptStore&)> work,
                 const std::function<void(const std::string& why)>& refused);

// ---- on the worker's thread

// The prompt with this id, slug or title; if there is none, the error names those that are alike.
prompts::Result<prompts::PromptPtr> named(prompts::PromptStore& store, const std::string& name);

// The same for changing it: refused when several prompts have the name.
prompts::Result<prompts::PromptPtr> only_one_named(prompts::PromptStore& store,
                                                   const std::string& name);

mcp::ToolResult refusal(const prompts::StoreError& error);

}  // namespace steward::host
