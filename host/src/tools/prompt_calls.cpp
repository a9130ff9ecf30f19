#include "prompt_calls.hpp"

#include <memory>
#include <utility>
#include <vector>

#include <Poco/JSON/Array.h>
#include <fmt/format.h>

#include "prompt_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using prompts::ErrorCode;
using prompts::PromptPtr;
using prompts::PromptStore;
using prompts::StoreError;

constexpr std::size_t kMaxName = 4096;
constexpr std::size_t kMostNames = 10;

// About how many bytes the arguments hold.
std::size_t weight_of(const Poco::JSON::Object& arguments) {
    const auto text_size = [](const Poco::Dynamic::Var& value) {
        const auto* const text = mcp::as_string(&value);
        return text == nullptr ? sizeof value : sizeof value + text->size();
    };
    std::size_t bytes = 0;
    for (const auto& [name, value] : arguments) {
        bytes += name.size() + text_size(value);
        if (value.type() == typeid(Poco::JSON::Array::Ptr)) {
            for (const auto& element : *value.extract<Poco::JSON::Array::Ptr>()) {
                bytes += text_size(element);
            }
        }
    }
    return bytes;
}

}  // namespace

void answer_call(PromptWorker& worker, const CallPtr& call,
                 std::function<PromptWorker::Answer(PromptStore&)> work,
                 const std::function<void(const std::string&)>& refused) {
    const auto why = worker.ask(
        [call, work = std::move(work)](PromptStore& store) {
            return call->cancelled() ? PromptWorker::Answer() : work(store);
        },
        weight_of(call->arguments()));
    if (!why.empty()) {
        refused(why);
    }
}

void answer_tool(PromptWorker& worker, const CallPtr& call,
                 std::function<mcp::ToolResult(PromptStore&)> work) {
    answer_call(
        worker, call,
        [call, work = std::move(work)](PromptStore& store) -> PromptWorker::Answer {
            auto result = std::make_shared<mcp::ToolResult>(work(store));
            return [call, result] { call->reply(*result); };
        },
        [&call](const std::string& why) { call->reply(mcp::ToolResult::error(why)); });
}

prompts::Result<PromptPtr> named(PromptStore& store, const std::string& name) {
    if (name.empty()) {
        StoreError error;
        error.code = ErrorCode::kNotFound;
        error.text = "the name of a prompt must not be empty (give an id, a title or a slug)";
        return error;
    }
    auto found = store.find(name);
    if (found || found.error().code != ErrorCode::kNotFound || name.size() > kMaxName) {
        return found;
    }
    if (const auto slug = prompts::slug_of(name); !slug.empty() && slug != name) {
        if (auto titled = store.find(slug)) {
            return titled;
        }
    }
    if (const auto near = store.suggestions(name); !near.empty()) {
        found.error().text += fmt::format("; there is {}", fmt::join(near, ", "));
    } else {
        found.error().text += "; search_prompts finds the ids";
    }
    return found;
}

prompts::Result<PromptPtr> only_one_named(PromptStore& store, const std::string& name) {
    auto found = named(store, name);
    if (!found || (*found)->id == name) {
        return found;
    }
    std::vector<std::string> ids;
    for (const auto& prompt : store.search({}).prompts) {
        if (prompt->slug == (*found)->slug) {
            ids.push_back(prompt->id);
        }
    }
    if (ids.size() <= 1) {
        return found;
    }
    const std::size_t count = ids.size();
    if (count > kMostNames) {
        ids.resize(kMostNames);
        ids.emplace_back("...");
    }
    StoreError error;
    error.code = ErrorCode::kInvalid;
    error.text = fmt::format("prompt_id: {} prompts are called \"{}\" (give an id: {})", count,
                             mcp::excerpt(name), fmt::join(ids, ", "));
    return error;
}

mcp::ToolResult refusal(const StoreError& error) {
    auto result = mcp::ToolResult::error(error.text);
    if (error.code == ErrorCode::kConflict) {
        result.add_text(conflict_json(error));
    }
    return result;
}

}  // namespace steward::host
