#include "prompt_completion.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "prompt_calls.hpp"
#include "prompt_resources.hpp"
#include "prompt_source.hpp"
#include "steward/mcp/errors.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using mcp::CompletionRequest;
using prompts::ErrorCode;
using prompts::PromptStore;

enum class Kind { kId, kName, kCategory, kTag };

struct Variable {
    std::string_view name;
    Kind kind;
};

// What a variable of a template or an argument of a prompt means, by its name.
constexpr Variable kVariables[] = {
    {"prompt_id", Kind::kId}, {"id", Kind::kId},      {"name", Kind::kName},
    {"prompt", Kind::kName},  {"title", Kind::kName}, {"category", Kind::kCategory},
    {"tag", Kind::kTag},      {"tags", Kind::kTag},
};

std::optional<Kind> kind_of(const std::string& variable) {
    const auto* const found = std::find_if(std::begin(kVariables), std::end(kVariables),
                                           [&](const Variable& v) { return v.name == variable; });
    return found == std::end(kVariables) ? std::nullopt : std::optional(found->kind);
}

// Longer ones are nothing that anybody completes; files of other programs may hold them.
constexpr std::size_t kMaxValueBytes = 1024;

// Of all prompts, newest first, each once.
template <class Name>
std::vector<std::string> names_of(PromptStore& store, const Name& name) {
    std::vector<std::string> values;
    const auto all = store.search({}).prompts;
    std::unordered_set<std::string_view> seen;
    for (const auto& prompt : all) {
        const std::string& value = name(*prompt);
        if (seen.insert(value).second) {
            values.push_back(value);
        }
    }
    return values;
}

std::vector<std::string> values_of(PromptStore& store, Kind kind) {
    switch (kind) {
        case Kind::kId:
            return names_of(store, [](const auto& p) -> const std::string& { return p.id; });
        case Kind::kName:
            return names_of(store, [](const auto& p) -> const std::string& {
                return p.slug.size() <= kMaxValueBytes ? p.slug : p.id;
            });
        case Kind::kCategory:
            return store.categories();
        case Kind::kTag:
            break;
    }
    auto tags = store.tags();
    std::erase_if(tags, [](const std::string& tag) { return tag.size() > kMaxValueBytes; });
    return tags;
}

std::vector<std::string> completed(PromptStore& store, Kind kind, const std::string& typed) {
    // A name may be typed as the title is written.
    const auto slug = kind == Kind::kName ? prompts::slug_of(typed) : std::string();
    return matching(values_of(store, kind), slug.empty() ? typed : slug);
}

struct Outcome {
    std::vector<std::string> values;
    int code = 0;  // of an error, which `text` describes
    std::string text;
};

Outcome unknown_argument(const CompletionRequest& asked, const std::vector<std::string>& known) {
    return {{},
            mcp::kInvalidParams,
            fmt::format(
                "argument.name: {} has no argument \"{}\" ({})", mcp::excerpt(asked.ref),
                mcp::excerpt(asked.argument),
                known.empty() ? "it has none" : fmt::format("it has {}", fmt::join(known, ", ")))};
}

Outcome for_template(PromptStore& store, const CompletionRequest& asked) {
    for (const auto& known : prompt_templates()) {
        if (known.text != asked.ref) {
            continue;
        }
        if (known.variable != asked.argument) {
            return unknown_argument(asked, {known.variable});
        }
        const auto kind = kind_of(asked.argument);
        return {kind ? completed(store, *kind, asked.value) : std::vector<std::string>(), 0, {}};
    }
    std::vector<std::string> names;
    for (const auto& known : prompt_templates()) {
        names.push_back(known.text);
    }
    return {{},
            mcp::kInvalidParams,
            fmt::format("ref.uri: there is no resource template \"{}\" (there are {})",
                        mcp::excerpt(asked.ref), fmt::join(names, ", "))};
}

Outcome for_prompt(PromptStore& store, const CompletionRequest& asked) {
    const auto prompt = named(store, asked.ref);
    if (!prompt) {
        const bool unknown = prompt.error().code == ErrorCode::kNotFound;
        return {{}, unknown ? mcp::kInvalidParams : mcp::kInternalError, prompt.error().text};
    }
    const auto known = prompt_arguments(**prompt);
    if (std::find(known.begin(), known.end(), asked.argument) == known.end()) {
        return unknown_argument(asked, known);
    }
    // Of other arguments nobody knows the values.
    const auto kind = kind_of(asked.argument);
    return {kind ? completed(store, *kind, asked.value) : std::vector<std::string>(), 0, {}};
}

}  // namespace

std::vector<std::string> matching(const std::vector<std::string>& values,
                                  const std::string& typed) {
    const std::string wanted = prompts::lower(typed);
    std::vector<std::string> begins;
    std::vector<std::string> contains;
    for (const auto& value : values) {
        const auto at = prompts::lower(value).find(wanted);
        if (at != std::string::npos) {
            (at == 0 ? begins : contains).push_back(value);
        }
    }
    begins.insert(begins.end(), std::make_move_iterator(contains.begin()),
                  std::make_move_iterator(contains.end()));
    return begins;
}

void register_prompt_completion(mcp::Server& server, PromptWorker& worker) {
    server.set_completer([&worker](const CallPtr& call) {
        answer_call(
            worker, call,
            [call, asked = call->completion()](PromptStore& store) -> PromptWorker::Answer {
                auto made = std::make_shared<Outcome>(asked.of == CompletionRequest::Of::kPrompt
                                                          ? for_prompt(store, asked)
                                                          : for_template(store, asked));
                return [call, made] {
                    if (made->code != 0) {
                        call->fail(made->code, made->text);
                    } else {
                        call->reply_completion(made->values, made->values.size());
                    }
                };
            },
            [&call](const std::string& why) { call->fail(mcp::kInternalError, why); });
    });
}

}  // namespace steward::host
