#include "prompt_resources.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "prompt_calls.hpp"
#include "prompt_json.hpp"
#include "resource_uris.hpp"
#include "steward/mcp/errors.hpp"
#include "steward/mcp/uri_template.hpp"

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
    resource.uri = kListUri;
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

// A list of those that `query` takes; null when there is no such thing to ask for.
using Listed = std::optional<prompts::Listing> (*)(PromptStore&, const std::string&);

std::optional<prompts::Listing> in_category(PromptStore& store, const std::string& category) {
    const auto all = store.categories();
    if (!std::binary_search(all.begin(), all.end(), category)) {
        return std::nullopt;
    }
    prompts::Query query;
    query.category = category;
    return store.search(query);
}

std::optional<prompts::Listing> with_tag(PromptStore& store, const std::string& tag) {
    auto listing = store.search({});
    std::erase_if(listing.prompts, [&tag](const PromptPtr& prompt) {
        return std::find(prompt->tags.begin(), prompt->tags.end(), tag) == prompt->tags.end();
    });
    listing.total = listing.prompts.size();
    return listing.prompts.empty() ? std::nullopt : std::optional(std::move(listing));
}

template <Listed list>
Result<std::string> list_json(PromptStore& store, const std::string& value) {
    const auto listing = list(store, value);
    if (!listing) {
        prompts::StoreError error;
        error.code = ErrorCode::kNotFound;
        return error;
    }
    return listing_json("prompts", *listing, Carrier::kResource);
}

Result<std::string> by_id(PromptStore& store, const std::string& id) {
    return as_json(store.get(id));
}

Result<std::string> by_name(PromptStore& store, const std::string& name) {
    return as_json(named(store, name));
}

bool holds(const std::vector<std::string>& sorted, const std::string& value) {
    return std::binary_search(sorted.begin(), sorted.end(), value);
}

bool changes_all(const prompts::Change& /*change*/, const std::string& /*value*/) {
    return true;
}

bool changes_id(const prompts::Change& change, const std::string& id) {
    return holds(change.ids, id);
}

bool changes_name(const prompts::Change& change, const std::string& name) {
    return holds(change.ids, name) || holds(change.slugs, name) ||
           holds(change.slugs, prompts::slug_of(name));
}

// One template: promptbin://NAME/{VARIABLE}.
struct Kind {
    const char* name;
    const char* variable;
    const char* title;
    const char* description;
    Result<std::string> (*read)(PromptStore&, const std::string&);
    bool (*changes)(const prompts::Change&, const std::string&);

    [[nodiscard]] std::string text() const {
        return std::string("promptbin://") + name + "/{" + variable + "}";
    }
};

constexpr Kind kKinds[] = {
    {"get-prompt", "prompt_id", "Prompt", "One prompt by its id", by_id, changes_id},
    {"get-prompt-by-name", "name", "Prompt by name",
     "One prompt by its title or slug; the newest of several", by_name, changes_name},
    {"list-prompts-by-category", "category", "Prompts of a category",
     "The prompts of one category without their content, the newest first", list_json<in_category>,
     changes_all},
    {"list-prompts-by-tag", "tag", "Prompts with a tag",
     "The prompts with one tag without their content, the newest first", list_json<with_tag>,
     changes_all},
};

struct Asked {
    const Kind* kind;
    std::string value;
};

// Each change of a prompt asks this for each address that is watched: parsed once. Never destroyed,
// since threads may outlive main().
const std::vector<mcp::UriTemplate>& parsed_templates() {
    static const auto* const parsed = [] {
        auto* const made = new std::vector<mcp::UriTemplate>;
        for (const auto& kind : kKinds) {
            made->push_back(mcp::UriTemplate::parse(kind.text()).value());
        }
        return made;
    }();
    return *parsed;
}

std::optional<Asked> asked_for(std::string_view uri) {
    for (std::size_t i = 0; i < std::size(kKinds); ++i) {
        if (const auto variables = parsed_templates()[i].match(uri)) {
            return Asked{&kKinds[i], variables->at(kKinds[i].variable)};
        }
    }
    return std::nullopt;
}

void add_kind(mcp::Server& server, PromptWorker& worker, const Kind& kind) {
    mcp::ResourceTemplate resource;
    resource.uri_template = kind.text();
    resource.name = kind.name;
    resource.title = kind.title;
    resource.description = kind.description;
    resource.mime_type = kJson;
    resource.handler = [&worker, &kind](const CallPtr& call) {
        answer_read(worker, call,
                    [read = kind.read, value = call->variable(kind.variable)](PromptStore& store) {
                        return read(store, value);
                    });
    };
    server.add_resource_template(std::move(resource));
}

}  // namespace

void register_prompt_resources(mcp::Server& server, PromptWorker& worker) {
    add_list(server, worker);
    for (const auto& kind : kKinds) {
        add_kind(server, worker, kind);
    }
}

const std::vector<PromptTemplate>& prompt_templates() {
    static const auto* const templates = [] {
        auto* const made = new std::vector<PromptTemplate>;
        for (const auto& kind : kKinds) {
            made->push_back({kind.text(), kind.variable});
        }
        return made;
    }();
    return *templates;
}

bool is_about_prompts(std::string_view uri) {
    return uri == kListUri || asked_for(uri).has_value();
}

bool is_affected(std::string_view uri, const prompts::Change& change) {
    const auto asked = asked_for(uri);
    return uri == kListUri || (asked && asked->kind->changes(change, asked->value));
}

}  // namespace steward::host
