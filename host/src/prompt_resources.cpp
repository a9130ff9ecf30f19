#include "prompt_resources.hpp"

#include <utility>

#include "prompt_calls.hpp"
#include "prompt_json.hpp"
#include "steward/mcp/errors.hpp"

namespace steward::host {
namespace {

using prompts::ErrorCode;
using prompts::PromptPtr;
using prompts::PromptStore;
using prompts::Result;

// Answers resources/read with what `work` makes on the worker's thread: JSON, or an error.
void answer_read(PromptWorker& worker, const CallPtr& call,
                 std::function<Result<std::string>(PromptStore&)> work) {
    answer_call(
        worker, call,
        [call, work = std::move(work)](PromptStore& store) -> PromptWorker::Answer {
            return [call, made = work(store)] {
                if (made) {
                    reply_json(call, *made);
                } else if (made.error().code == ErrorCode::kNotFound) {
                    call->not_found();
                } else {
                    call->fail(mcp::kInternalError, made.error().text);
                }
            };
        },
        [&call](const std::string& why) { call->fail(mcp::kInternalError, why); });
}

Result<std::string> as_json(const Result<PromptPtr>& prompt) {
    if (!prompt) {
        return prompt.error();
    }
    return prompt_json(**prompt);
}

void add_list(mcp::Server& server, PromptWorker& worker) {
    mcp::Resource resource;
    resource.uri = "promptbin://list-prompts";
    resource.name = "list-prompts";
    resource.title = "All prompts";
    resource.description = "Every prompt without its content, the newest first";
    resource.mime_type = kJson;
    resource.handler = [&worker](const CallPtr& call) {
        answer_read(worker, call, [](PromptStore& store) -> Result<std::string> {
            return listing_json("prompts", store.search({}), Carrier::kResource);
        });
    };
    server.add_resource(std::move(resource));
}

void add_one(mcp::Server& server, PromptWorker& worker, const char* name, const char* variable,
             const char* title, const char* description,
             Result<PromptPtr> (*find)(PromptStore&, const std::string&)) {
    mcp::ResourceTemplate resource;
    resource.uri_template = std::string("promptbin://") + name + "/{" + variable + "}";
    resource.name = name;
    resource.title = title;
    resource.description = description;
    resource.mime_type = kJson;
    resource.handler = [&worker, variable, find](const CallPtr& call) {
        answer_read(worker, call, [find, value = call->variable(variable)](PromptStore& store) {
            return as_json(find(store, value));
        });
    };
    server.add_resource_template(std::move(resource));
}

}  // namespace

void register_prompt_resources(mcp::Server& server, PromptWorker& worker) {
    add_list(server, worker);
    add_one(server, worker, "get-prompt", "prompt_id", "Prompt", "One prompt by its id",
            [](PromptStore& store, const std::string& id) { return store.get(id); });
    add_one(server, worker, "get-prompt-by-name", "name", "Prompt by name",
            "One prompt by its title or slug; the newest of several", named);
}

}  // namespace steward::host
