// The prompt library as resources: promptbin://list-prompts, the same for one category or tag,
// promptbin://get-prompt/{prompt_id} and promptbin://get-prompt-by-name/{name}.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "mcp_bridge.hpp"
#include "prompt_worker.hpp"

namespace steward::host {

// The worker outlives the server's last call.
void register_prompt_resources(mcp::Server& server, PromptWorker& worker);

// The templates, each with its variable.
struct PromptTemplate {
    std::string text;
    std::string variable;
};
const std::vector<PromptTemplate>& prompt_templates();

// Whether it is one of these. Any thread.
bool is_about_prompts(std::string_view uri);

// Whether reading this resource may give something else after the change. Any thread.
bool is_affected(std::string_view uri, const prompts::Change& change);

}  // namespace steward::host
