// Prompts and completion.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base64.hpp"
#include "engine.hpp"
#include "steward/mcp/errors.hpp"

namespace steward::mcp {
namespace {

constexpr std::size_t kMaxCompletions = 100;
// What a cursor says once it is decoded; another number when its meaning changes.
constexpr std::string_view kCursorHead = "1:prompts:";

std::string quoted(std::string_view text) {
    return "\"" + excerpt(text) + "\"";
}

std::string make_cursor(std::string_view position) {
    std::string cursor;
    append_base64(cursor, std::string(kCursorHead).append(position));
    return cursor;
}

std::optional<std::string> read_cursor(const Poco::Dynamic::Var& value) {
    const auto* text = as_string(&value);
    auto position = text != nullptr ? decode_base64(*text) : std::nullopt;
    if (!position || position->size() == kCursorHead.size() ||
        position->compare(0, kCursorHead.size(), kCursorHead) != 0 || !is_valid_utf8(*position)) {
        return std::nullopt;
    }
    position->erase(0, kCursorHead.size());
    return position;
}

// An object whose members are all strings, as prompts and completion take it.
bool is_text_map(const Poco::JSON::Object& object) {
    return std::all_of(object.begin(), object.end(),
                       [](const auto& member) { return as_string(&member.second) != nullptr; });
}

// Reads the parameters of completion/complete; the text says what is wrong with them.
std::string_view read_completion(const Poco::JSON::Object& params, const Rules& rules,
                                 CompletionRequest& out) {
    const auto ref = as_object(find_member(params, "ref"));
    const auto* type = ref.isNull() ? nullptr : as_string(find_member(*ref, "type"));
    if (type == nullptr || (*type != "ref/prompt" && *type != "ref/resource")) {
        return R"(params.ref.type must be "ref/prompt" or "ref/resource")";
    }
    const bool prompt = *type == "ref/prompt";
    const auto* name = as_string(find_member(*ref, prompt ? "name" : "uri"));
    if (name == nullptr) {
        return prompt ? "params.ref.name must be a string" : "params.ref.uri must be a string";
    }
    out.of = prompt ? CompletionRequest::Of::kPrompt : CompletionRequest::Of::kResource;
    out.ref = *name;
    const auto argument = as_object(find_member(params, "argument"));
    const auto* key = argument.isNull() ? nullptr : as_string(find_member(*argument, "name"));
    const auto* value = argument.isNull() ? nullptr : as_string(find_member(*argument, "value"));
    if (key == nullptr || value == nullptr) {
        return "params.argument must have a name and a value, both strings";
    }
    out.argument = *key;
    out.value = *value;
    const auto* context_value = find_member(params, "context");
    if (context_value == nullptr || !rules.completion_context) {
        return {};
    }
    const auto context = as_object(context_value);
    const auto* settled_value = context.isNull() ? nullptr : find_member(*context, "arguments");
    const auto settled = as_object(settled_value);
    if (context.isNull() ||
        (settled_value != nullptr && (settled.isNull() || !is_text_map(*settled)))) {
        return "params.context.arguments must be an object of strings";
    }
    if (!settled.isNull()) {
        for (const auto& [settled_name, text] : *settled) {
            out.context.emplace(settled_name, *as_string(&text));
        }
    }
    return {};
}

}  // namespace

void Engine::on_prompts_list(const RequestPtr& request) {
    const auto* cursor =
        request->params.isNull() ? nullptr : find_member(*request->params, "cursor");
    if (cursor != nullptr) {
        auto position = prompt_source_.list ? read_cursor(*cursor) : std::nullopt;
        if (!position) {
            fail_cursor(*request, *cursor);
            return;
        }
        request->position = std::move(*position);
    }
    serving(*request);
    request->target = request->method;
    request->arguments = new Poco::JSON::Object;
    if (prompt_source_.list) {
        run_handler(request, prompt_source_.list);
    } else {
        answer_prompts(*request, {}, std::nullopt);
    }
}

void Engine::answer_prompts(Request& request, const std::vector<PromptInfo>& prompts,
                            const std::optional<std::string>& next) {
    assert(request.method == "prompts/list" && "reply_prompts() answers prompts/list");
    ResultWriter writer(request.id, *request.rules, 256 + 256 * prompts.size());
    std::string& out = writer.member("prompts");
    out += '[';
    if (request.position.empty()) {
        catalog_.append_prompts(out, *request.rules);
    }
    for (const PromptInfo& prompt : prompts) {
        out += out.back() == '[' ? "" : ",";
        append_prompt(out, prompt, *request.rules);
    }
    out += ']';
    if (next && !next->empty()) {
        writer.string_member("nextCursor", make_cursor(*next));
    }
    finish_result(request, std::move(writer), options_.list_cache);
}

void Engine::on_prompts_get(const RequestPtr& request) {
    const auto* name =
        request->params.isNull() ? nullptr : as_string(find_member(*request->params, "name"));
    if (name == nullptr) {
        fail(*request, kInvalidParams, "params.name must be a string");
        return;
    }
    request->target = *name;
    const auto* arguments = find_member(*request->params, "arguments");
    request->arguments = arguments == nullptr ? Poco::JSON::Object::Ptr(new Poco::JSON::Object)
                                              : as_object(arguments);
    if (request->arguments.isNull() || !is_text_map(*request->arguments)) {
        fail(*request, kInvalidParams, "params.arguments must be an object of strings");
        return;
    }
    const Prompt* const prompt = catalog_.find_prompt(*name);
    if (prompt == nullptr) {
        if (prompt_source_.get) {
            serving(*request);
            run_handler(request, prompt_source_.get);
        } else {
            answer_not_found(*request);
        }
        return;
    }
    for (const PromptArgument& argument : prompt->arguments) {
        if (argument.required && find_member(*request->arguments, argument.name) == nullptr) {
            fail(*request, kInvalidParams,
                 "prompt " + quoted(*name) + ": the argument " + quoted(argument.name) +
                     " is required");
            return;
        }
    }
    serving(*request);
    run_handler(request, prompt->handler);
}

void Engine::answer_prompt(Request& request, const PromptResult& result) {
    assert(request.method == "prompts/get" && "reply_prompt() answers prompts/get");
    ResultWriter writer(request.id, *request.rules, result.messages_json().size());
    if (!result.description().empty()) {
        writer.string_member("description", result.description());
    }
    std::string& out = writer.member("messages");
    out += '[';
    out += result.messages_json();
    out += ']';
    finish_result(request, std::move(writer));
}

void Engine::on_complete(const RequestPtr& request) {
    std::string_view fault = "params must be an object";
    if (!request->params.isNull()) {
        fault = read_completion(*request->params, *request->rules, request->completion);
    }
    if (!fault.empty()) {
        fail(*request, kInvalidParams, fault);
        return;
    }
    serving(*request);
    request->target = request->completion.ref;
    request->arguments = new Poco::JSON::Object;
    run_handler(request, completer_);
}

void Engine::answer_completion(Request& request, const std::vector<std::string>& values,
                               std::optional<std::size_t> total, bool has_more) {
    assert(request.method == "completion/complete" && "reply_completion() answers completion");
    ResultWriter writer(request.id, *request.rules, 1024);
    std::string& out = writer.member("completion");
    out += R"({"values":[)";
    const std::size_t count = std::min(values.size(), kMaxCompletions);
    for (std::size_t i = 0; i < count; ++i) {
        out += i == 0 ? "" : ",";
        append_json_string(out, values[i]);
    }
    out += ']';
    const bool cut = count < values.size();
    if (total || cut) {
        out += R"(,"total":)";
        append_json_integer(out, static_cast<std::int64_t>(total.value_or(values.size())));
    }
    out += has_more || cut ? R"(,"hasMore":true})" : R"(,"hasMore":false})";
    finish_result(request, std::move(writer));
}

}  // namespace steward::mcp
