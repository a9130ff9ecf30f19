#include "prompt_tools.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "confirm_delete.hpp"
#include "mcp_schema.hpp"
#include "prompt_calls.hpp"
#include "prompt_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Object;
using prompts::PromptPtr;
using prompts::PromptStore;

constexpr int kDefaultResults = 20;
constexpr int kMaxResults = 100;

constexpr mcp::ToolAnnotations kAdds{/*read_only=*/false, /*destructive=*/false,
                                     /*idempotent=*/false, /*open_world=*/false};
constexpr mcp::ToolAnnotations kChanges{/*read_only=*/false, /*destructive=*/true,
                                        /*idempotent=*/true, /*open_world=*/false};

Object::Ptr name_property() {
    return property("string", "The id, the title, or the title as part of an address (slug)");
}

std::optional<std::string> text_argument(const CallPtr& call, const char* name) {
    const auto* const text = mcp::as_string(mcp::find_member(call->arguments(), name));
    return text == nullptr ? std::nullopt : std::optional(*text);
}

// The arguments that are members of a prompt.
Object::Ptr values_of(const CallPtr& call) {
    Object::Ptr values = new Object;
    for (const char* name : {"title", "content", "category", "description", "tags"}) {
        if (const auto* const value = mcp::find_member(call->arguments(), name)) {
            values->set(name, *value);
        }
    }
    return values;
}

mcp::ToolResult whole_prompt(const prompts::Result<PromptPtr>& prompt) {
    return prompt ? mcp::ToolResult::object_json(prompt_json(**prompt)) : refusal(prompt.error());
}

void add_tool(mcp::Server& server, const char* name, const char* title, const char* description,
              const Object::Ptr& arguments, const std::vector<std::string>& required,
              const Object::Ptr& result, mcp::ToolAnnotations annotations, mcp::Handler handler) {
    mcp::Tool tool;
    tool.name = name;
    tool.title = title;
    tool.description = description;
    tool.input_schema = object_schema(arguments, required, /*closed=*/true);
    tool.output_schema = result;
    tool.annotations = annotations;
    tool.handler = std::move(handler);
    server.add_tool(std::move(tool));
}

mcp::ToolResult search(PromptStore& store, const std::string& text,
                       const std::optional<std::string>& category, std::size_t limit) {
    if (category) {
        const auto all = store.categories();
        if (!std::binary_search(all.begin(), all.end(), *category)) {
            return mcp::ToolResult::error(
                fmt::format("category: there is no \"{}\" (categories are {})",
                            mcp::excerpt(*category), fmt::join(all, ", ")));
        }
    }
    prompts::Query query;
    query.text = text;
    query.limit = limit;
    if (category) {
        query.category = *category;
    }
    return mcp::ToolResult::object_json(
        listing_json("results", store.search(query), Carrier::kTool));
}

void add_search(mcp::Server& server, PromptWorker& worker) {
    auto limit = integer_between(1, kMaxResults, "How many at most");
    limit->set("default", kDefaultResults);
    auto arguments = mcp::ordered_object();
    arguments->set("query", property("string",
                                     "What the title, description, content or a tag contains, in "
                                     "any case; * matches all"));
    arguments->set("category", property("string", "Only prompts of this category"));
    arguments->set("limit", limit);
    auto result = mcp::ordered_object();
    result->set("results", list_of(summary_schema(), "The newest first"));
    result->set("total", property("integer", "How many match"));
    result->set("truncated", property("boolean", "Some were left out for their size"));
    add_tool(
        server, "search_prompts", "Search prompts",
        "Finds prompts by a part of their title, description, content or tags. Each result "
        "has its word count, a token estimate, its {{variables}} and the beginning of its "
        "content; get_prompt returns the whole content.",
        arguments, {"query"},
        object_schema(result, {"results", "total", "truncated"}, /*closed=*/false), kReadOnly,
        [&worker](const CallPtr& call) {
            const auto limit_given = mcp::as_integer(mcp::find_member(call->arguments(), "limit"));
            answer_tool(worker, call,
                        [text = text_argument(call, "query").value_or(""),
                         category = text_argument(call, "category"),
                         limit = static_cast<std::size_t>(limit_given.value_or(kDefaultResults))](
                            PromptStore& store) { return search(store, text, category, limit); });
        });
}

void add_get(mcp::Server& server, PromptWorker& worker) {
    auto arguments = mcp::ordered_object();
    arguments->set("prompt_id", name_property());
    add_tool(server, "get_prompt", "Get a prompt", "Returns one prompt with its whole content.",
             arguments, {"prompt_id"}, prompt_schema(), kReadOnly, [&worker](const CallPtr& call) {
                 answer_tool(worker, call,
                             [name = text_argument(call, "prompt_id").value_or("")](
                                 PromptStore& store) { return whole_prompt(named(store, name)); });
             });
}

// The members that can be given when a prompt is made or changed.
Object::Ptr editable(Object::Ptr arguments) {
    arguments->set("title", property("string", "One line, at most 500 characters"));
    arguments->set("content",
                   property("string", "The prompt, at most 1 MiB; {{name}} is a variable"));
    arguments->set("category", property("string", "A folder; a new one is made"));
    arguments->set("description", property("string", "At most 10,000 characters"));
    arguments->set("tags", list_of("string", "At most 100"));
    return arguments;
}

void add_create(mcp::Server& server, PromptWorker& worker) {
    add_tool(server, "create_prompt", "Create a prompt",
             "Stores a new prompt and returns it with its id.", editable(mcp::ordered_object()),
             {"title", "content", "category"}, prompt_schema(), kAdds,
             [&worker](const CallPtr& call) {
                 answer_tool(worker, call, [values = values_of(call)](PromptStore& store) {
                     return whole_prompt(store.create(*values));
                 });
             });
}

Object::Ptr expected_property() {
    return property("string",
                    "The updated_at that was read: refused if the prompt has been changed since");
}

void add_update(mcp::Server& server, PromptWorker& worker) {
    auto arguments = mcp::ordered_object();
    arguments->set("prompt_id", name_property());
    editable(arguments);
    arguments->set("expected", expected_property());
    add_tool(server, "update_prompt", "Change a prompt",
             "Changes the given members of a prompt, keeps all others and returns it. The old "
             "version stays in the history.",
             arguments, {"prompt_id"}, prompt_schema(), kChanges, [&worker](const CallPtr& call) {
                 const auto values = values_of(call);
                 if (values->size() == 0) {
                     call->reply(mcp::ToolResult::error(
                         "nothing to change (give title, content, category, description or tags)"));
                     return;
                 }
                 answer_tool(
                     worker, call,
                     [values, name = text_argument(call, "prompt_id").value_or(""),
                      expected = text_argument(call, "expected")](PromptStore& store) {
                         const auto prompt = only_one_named(store, name);
                         return whole_prompt(prompt ? store.update((*prompt)->id, *values, expected)
                                                    : prompt);
                     });
             });
}

// `why_not`: why it is still there; empty: it is gone.
mcp::ToolResult deletion(const prompts::Prompt& prompt, const std::string& why_not) {
    std::string out =
        fmt::format(R"({{"deleted":{},"prompt":{})", why_not.empty(), prompt_json(prompt));
    if (!why_not.empty()) {
        out += ",\"cause\":";
        mcp::append_json_string(out, why_not);
    }
    return mcp::ToolResult::object_json(out + "}");
}

void delete_confirmed(PromptWorker& worker, const CallPtr& call, const PromptPtr& prompt,
                      const std::optional<std::string>& expected,
                      const std::optional<std::string>& seen) {
    answer_tool(worker, call, [id = prompt->id, expected, seen](PromptStore& store) {
        const auto removed = store.remove(id, expected, seen);
        return removed ? deletion(**removed, {}) : refusal(removed.error());
    });
}

// Finds it on the worker's thread, asks on the mcp thread, deletes on the worker's.
void delete_prompt(PromptWorker& worker, const Timers& timers, const CallPtr& call) {
    answer_call(
        worker, call,
        [&worker, timers, call, name = text_argument(call, "prompt_id").value_or(""),
         expected = text_argument(call, "expected")](PromptStore& store) -> PromptWorker::Answer {
            const auto prompt = only_one_named(store, name);
            const auto conflict = prompt ? prompts::conflict_with(*prompt, expected) : std::nullopt;
            if (!prompt || conflict) {
                auto result = std::make_shared<mcp::ToolResult>(
                    refusal(conflict ? *conflict : prompt.error()));
                return [call, result] { call->reply(*result); };
            }
            return [&worker, timers, call, expected, found = *prompt] {
                confirm_delete(call, found, timers,
                               [&worker, call, expected, found](const Confirmation& confirmation) {
                                   if (confirmation.given) {
                                       delete_confirmed(worker, call, found, expected,
                                                        confirmation.seen);
                                   } else {
                                       call->reply(deletion(*found, confirmation.why_not));
                                   }
                               });
            };
        },
        [&call](const std::string& why) { call->reply(mcp::ToolResult::error(why)); });
}

void add_delete(mcp::Server& server, PromptWorker& worker, Timers timers) {
    auto arguments = mcp::ordered_object();
    arguments->set("prompt_id", name_property());
    arguments->set("expected", expected_property());
    auto result = mcp::ordered_object();
    result->set("deleted", property("boolean", "Whether it is gone"));
    result->set("prompt", prompt_schema());
    result->set("cause", property("string", "Why it is still there: it was not confirmed"));
    add_tool(
        server, "delete_prompt", "Delete a prompt",
        "Deletes a prompt and returns it as it was. It stays in the history. The user is asked "
        "first if the client can do that.",
        arguments, {"prompt_id"}, object_schema(result, {"deleted", "prompt"}, /*closed=*/false),
        kChanges, [&worker, timers = std::move(timers)](const CallPtr& call) {
            delete_prompt(worker, timers, call);
        });
}

}  // namespace

void register_prompt_tools(mcp::Server& server, PromptWorker& worker, Timers timers) {
    add_search(server, worker);
    add_get(server, worker);
    add_create(server, worker);
    add_update(server, worker);
    add_delete(server, worker, std::move(timers));
}

}  // namespace steward::host
