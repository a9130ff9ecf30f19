#include "prompt_source.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "prompt_calls.hpp"
#include "steward/mcp/errors.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using prompts::ErrorCode;
using prompts::Prompt;
using prompts::PromptPtr;
using prompts::PromptStore;

constexpr std::size_t kPageSize = 1000;  // prompts, and at most kMaxListBytes
constexpr std::size_t kMaxNameBytes = 128;
constexpr std::size_t kMaxArguments = 100;
constexpr std::size_t kArgumentBytes = 128;
constexpr std::size_t kTitleBytes = 500;
constexpr std::size_t kDescriptionBytes = 2000;
constexpr std::size_t kMaxFilledBytes = 4U * 1024 * 1024;
// The same as JSON, which may be six times as long. A line of the server has 8 MiB.
constexpr std::size_t kMaxAnswerBytes = 7U * 1024 * 1024;

// What a page of the list begins behind.
struct Position {
    std::int64_t instant = 0;
    std::string id;

    [[nodiscard]] bool is_before(const Prompt& prompt) const {
        return prompt.instant != instant ? prompt.instant < instant : prompt.id < id;
    }
};

std::string text_of(const Prompt& prompt) {
    return fmt::format("{}:{}", prompt.instant, prompt.id);
}

std::optional<Position> read_position(const std::string& text) {
    Position position;
    const char* const end = text.data() + text.size();
    const auto [rest, wrong] = std::from_chars(text.data(), end, position.instant);
    if (wrong != std::errc() || rest == end || *rest != ':' || rest + 1 == end) {
        return std::nullopt;
    }
    position.id.assign(rest + 1, end);
    return position;
}

mcp::PromptInfo info_of(const Prompt& prompt, std::string name) {
    mcp::PromptInfo info;
    info.name = std::move(name);
    info.title = mcp::excerpt(prompt.title, kTitleBytes);
    info.description = mcp::excerpt(prompt.description, kDescriptionBytes);
    for (auto& variable : prompt_arguments(prompt)) {
        mcp::PromptArgument argument;
        argument.name = std::move(variable);
        argument.required = true;
        info.arguments.push_back(std::move(argument));
    }
    return info;
}

// About how many bytes of the list it takes.
std::size_t weight_of(const mcp::PromptInfo& info) {
    std::size_t bytes = 64 + info.name.size() + info.title.size() + info.description.size();
    for (const auto& argument : info.arguments) {
        bytes += 32 + argument.name.size();
    }
    return bytes;
}

struct Page {
    std::vector<mcp::PromptInfo> prompts;
    std::optional<std::string> next;
};

Page page_behind(PromptStore& store, const std::optional<Position>& position) {
    const auto all = store.search({}).prompts;
    std::unordered_set<std::string_view> ids;
    std::unordered_set<std::string_view> slugs;
    for (const auto& prompt : all) {
        ids.insert(prompt->id);
    }
    Page page;
    std::size_t bytes = 0;
    const Prompt* last = nullptr;
    for (const auto& prompt : all) {
        const bool own = slugs.insert(prompt->slug).second &&
                         prompt->slug.size() <= kMaxNameBytes &&
                         (prompt->slug == prompt->id || ids.count(prompt->slug) == 0);
        if (position && !position->is_before(*prompt)) {
            continue;
        }
        auto info = info_of(*prompt, own ? prompt->slug : prompt->id);
        bytes += weight_of(info);
        if (last != nullptr && (page.prompts.size() == kPageSize || bytes > kMaxListBytes)) {
            page.next = text_of(*last);
            break;
        }
        page.prompts.push_back(std::move(info));
        last = prompt.get();
    }
    return page;
}

void list_prompts(PromptWorker& worker, const CallPtr& call) {
    std::optional<Position> position;
    if (!call->position().empty()) {
        position = read_position(call->position());
        if (!position) {
            call->fail(mcp::kInvalidParams, "cursor: not one of this server (it says \"" +
                                                mcp::excerpt(call->position()) + "\")");
            return;
        }
    }
    answer_call(
        worker, call,
        [call, position](PromptStore& store) -> PromptWorker::Answer {
            auto page = std::make_shared<Page>(page_behind(store, position));
            return [call, page] { call->reply_prompts(page->prompts, page->next); };
        },
        [&call](const std::string& why) { call->fail(mcp::kInternalError, why); });
}

using Values = std::map<std::string, std::string>;

// Of the prompt's arguments; or what is missing, for people.
prompts::Result<Values, std::string> values_for(const Prompt& prompt, const Values& given) {
    Values values;
    std::vector<std::string> missing;
    for (const auto& name : prompt_arguments(prompt)) {
        const auto value = given.find(name);
        if (value != given.end()) {
            values.insert(*value);
        } else {
            missing.push_back("\"" + name + "\"");
        }
    }
    if (missing.empty()) {
        return values;
    }
    return fmt::format("prompt \"{}\": {} {} required", mcp::excerpt(prompt.slug),
                       fmt::join(missing, ", "), missing.size() == 1 ? "is" : "are");
}

PromptWorker::Answer failure(const CallPtr& call, int code, const std::string& text) {
    return [call, code, text] { call->fail(code, text); };
}

PromptWorker::Answer filled_in(PromptStore& store, const CallPtr& call, const std::string& name,
                               const Values& given) {
    const auto found = named(store, name);
    if (!found) {
        const bool unknown = found.error().code == ErrorCode::kNotFound;
        return failure(call, unknown ? mcp::kInvalidParams : mcp::kInternalError,
                       found.error().text);
    }
    const Prompt& prompt = **found;
    const auto values = values_for(prompt, given);
    if (!values) {
        return failure(call, mcp::kInvalidParams, values.error());
    }
    const auto text = prompts::render(prompt.content, *values, kMaxFilledBytes);
    auto result = std::make_shared<mcp::PromptResult>();
    result->set_description(mcp::excerpt(
        prompt.description.empty() ? prompt.title : prompt.description, kDescriptionBytes));
    result->add_text(mcp::Role::kUser, text.value_or(""));
    if (!text || result->messages_json().size() > kMaxAnswerBytes) {
        return failure(call, mcp::kInvalidParams,
                       fmt::format("prompt \"{}\": more than {} MiB when it is filled in (give "
                                   "shorter arguments)",
                                   mcp::excerpt(prompt.slug), kMaxFilledBytes >> 20U));
    }
    return [call, result] { call->reply_prompt(*result); };
}

void get_prompt(PromptWorker& worker, const CallPtr& call) {
    Values given;
    for (const auto& [name, value] : call->arguments()) {
        given.emplace(name, *mcp::as_string(&value));
    }
    answer_call(
        worker, call,
        [call, name = call->target(), given = std::move(given)](PromptStore& store) {
            return filled_in(store, call, name, given);
        },
        [&call](const std::string& why) { call->fail(mcp::kInternalError, why); });
}

}  // namespace

std::vector<std::string> prompt_arguments(const Prompt& prompt) {
    std::vector<std::string> names;
    for (const auto& variable : prompt.variables) {
        if (names.size() == kMaxArguments) {
            break;
        }
        if (variable.size() <= kArgumentBytes) {
            names.push_back(variable);
        }
    }
    return names;
}

void register_prompt_source(mcp::Server& server, PromptWorker& worker) {
    mcp::PromptSource source;
    source.list = [&worker](const CallPtr& call) { list_prompts(worker, call); };
    source.get = [&worker](const CallPtr& call) { get_prompt(worker, call); };
    server.set_prompt_source(std::move(source));
}

}  // namespace steward::host
