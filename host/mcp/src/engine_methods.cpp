#include <cassert>
#include <utility>

#include "base64.hpp"
#include "engine.hpp"
#include "steward/mcp/errors.hpp"

namespace steward::mcp {
namespace {

std::string quoted(std::string_view text) {
    return "\"" + excerpt(text) + "\"";
}

// What a client says about itself in `initialize`.
struct Introduction {
    std::string version;
    Client client;
    std::string_view error;  // empty: none
};

Introduction read_introduction(const Poco::JSON::Object::Ptr& params) {
    Introduction result;
    result.client.capabilities = new Poco::JSON::Object;
    const auto* version =
        params.isNull() ? nullptr : as_string(find_member(*params, "protocolVersion"));
    if (version == nullptr) {
        result.error = "params.protocolVersion must be a string";
        return result;
    }
    result.version = *version;
    // Both are required, but what is missing can be done without.
    if (const auto* capabilities = find_member(*params, "capabilities")) {
        result.client.capabilities = as_object(capabilities);
        if (result.client.capabilities.isNull()) {
            result.error = "params.capabilities must be an object";
            return result;
        }
    }
    if (const auto* info = find_member(*params, "clientInfo")) {
        const auto object = as_object(info);
        if (object.isNull()) {
            result.error = "params.clientInfo must be an object";
            return result;
        }
        const auto* name = as_string(find_member(*object, "name"));
        const auto* release = as_string(find_member(*object, "version"));
        result.client.name = name != nullptr ? *name : "";
        result.client.version = release != nullptr ? *release : "";
    }
    return result;
}

void append_contents(std::string& out, const ResourceContents& contents, const std::string& uri,
                     const std::string& mime_type) {
    out += R"({"uri":)";
    append_json_string(out, contents.uri.empty() ? uri : contents.uri);
    const std::string& type = contents.mime_type.empty() ? mime_type : contents.mime_type;
    if (!type.empty()) {
        out += R"(,"mimeType":)";
        append_json_string(out, type);
    }
    if (contents.binary) {
        out += R"(,"blob":")";
        append_base64(out, contents.data);
        out += '"';
    } else {
        out += R"(,"text":)";
        append_json_string(out, contents.data);
    }
    out += '}';
}

}  // namespace

std::span<const Engine::Method> Engine::methods() noexcept {
    static constexpr Method kMethods[] = {
        {"tools/call", true, &Engine::has_tools, &Engine::on_tools_call},
        {"resources/read", true, &Engine::has_resources, &Engine::on_resources_read},
        {"ping", false, &Engine::always, &Engine::on_ping},
        {"tools/list", true, &Engine::has_tools, &Engine::on_tools_list},
        {"resources/list", true, &Engine::has_resources, &Engine::on_resources_list},
        {"resources/templates/list", true, &Engine::has_resources, &Engine::on_templates_list},
        {"prompts/list", true, &Engine::has_prompts, &Engine::on_prompts_list},
        {"prompts/get", true, &Engine::has_prompts, &Engine::on_prompts_get},
        {"completion/complete", true, &Engine::has_completer, &Engine::on_complete},
        {"resources/subscribe", true, &Engine::has_subscriptions, &Engine::on_subscribe},
        {"resources/unsubscribe", true, &Engine::has_subscriptions, &Engine::on_unsubscribe},
        {"subscriptions/listen", false, &Engine::has_listen, &Engine::on_listen},
        {"logging/setLevel", true, &Engine::has_logging, &Engine::on_set_level},
        {"initialize", false, &Engine::always, &Engine::on_initialize},
        {"server/discover", false, &Engine::always, &Engine::on_discover},
    };
    return kMethods;
}

std::string Engine::server_info(const Rules& rules) const {
    std::string out = R"({"name":)";
    append_json_string(out, info_.name);
    if (rules.titles && !info_.title.empty()) {
        out += R"(,"title":)";
        append_json_string(out, info_.title);
    }
    out += R"(,"version":)";
    append_json_string(out, info_.version);
    out += '}';
    return out;
}

ListFlags Engine::changing_lists() const noexcept {
    const bool changing = options_.list_changed;
    return {changing && has_tools(), changing && has_prompts(), changing && has_resources()};
}

std::string Engine::capabilities(const Rules& rules) const {
    std::string out = "{";
    const auto add = [&](std::string_view name, std::string_view members) {
        out += out.size() > 1 ? ",\"" : "\"";
        out += name;
        out += "\":{";
        out += members;
        out += '}';
    };
    const std::string_view changing = options_.list_changed ? R"("listChanged":true)" : "";
    if (has_tools()) {
        add("tools", changing);
    }
    if (has_resources()) {
        std::string members(has_subscriptions() ? R"("subscribe":true)" : "");
        members += members.empty() || changing.empty() ? "" : ",";
        members += changing;
        add("resources", members);
    }
    if (has_prompts()) {
        add("prompts", changing);
    }
    if (has_completer() && rules.completions) {
        add("completions", "");
    }
    if (has_logging()) {
        add("logging", "");
    }
    out += '}';
    return out;
}

void Engine::on_initialize(const RequestPtr& request) {
    if (request->batch) {
        fail(*request, kInvalidRequest, "initialize must not be part of a batch");
        return;
    }
    if (session_) {
        fail(*request, kInvalidRequest, "initialize has been answered already");
        return;
    }
    Introduction introduction = read_introduction(request->params);
    if (!introduction.error.empty()) {
        fail(*request, kInvalidParams, introduction.error);
        return;
    }
    introduction.client.revision = negotiate(introduction.version);
    session_ = std::make_shared<const Client>(std::move(introduction.client));
    subscriptions_.open_session(changing_lists());
    const Rules& rules = rules_of(session_->revision);
    ResultWriter writer(request->id, rules, 512 + info_.instructions.size());
    writer.string_member("protocolVersion", rules.name);
    writer.member("capabilities") += capabilities(rules);
    writer.member("serverInfo") += server_info(rules);
    if (!info_.instructions.empty()) {
        writer.string_member("instructions", info_.instructions);
    }
    finish_result(*request, std::move(writer));
    if (hooks_.on_legacy_initialize) {
        hooks_.on_legacy_initialize(*session_);
    }
}

void Engine::on_discover(const RequestPtr& request) {
    ResultWriter writer(request->id, *request->rules, 512 + info_.instructions.size());
    std::string& versions = writer.member("supportedVersions");
    versions += '[';
    for (const std::string_view name : modern_names()) {
        versions += versions.back() == '[' ? "" : ",";
        append_json_string(versions, name);
    }
    versions += ']';
    writer.member("capabilities") += capabilities(*request->rules);
    if (!info_.instructions.empty()) {
        writer.string_member("instructions", info_.instructions);
    }
    finish_result(*request, std::move(writer), options_.list_cache);
}

void Engine::on_ping(const RequestPtr& request) {
    finish_result(*request, ResultWriter(request->id, *request->rules, 0));
}

void Engine::fail_cursor(Request& request, const Poco::Dynamic::Var& cursor) {
    std::string text;
    append_json(text, cursor);
    fail(request, kInvalidParams, "cursor: not one of this server (got " + excerpt(text) + ")");
}

bool Engine::refuse_cursor(Request& request) {
    // Each list is one page: no cursor has ever been handed out, so none can be good.
    const auto* cursor = request.params.isNull() ? nullptr : find_member(*request.params, "cursor");
    if (cursor != nullptr) {
        fail_cursor(request, *cursor);
    }
    return cursor != nullptr;
}

void Engine::on_tools_list(const RequestPtr& request) {
    if (!refuse_cursor(*request)) {
        serving(*request);
        ResultWriter writer(request->id, *request->rules, 4096);
        catalog_.append_tools(writer.member("tools"), *request->rules);
        finish_result(*request, std::move(writer), options_.list_cache);
    }
}

void Engine::on_resources_list(const RequestPtr& request) {
    if (!refuse_cursor(*request)) {
        serving(*request);
        ResultWriter writer(request->id, *request->rules, 2048);
        catalog_.append_resources(writer.member("resources"), *request->rules);
        finish_result(*request, std::move(writer), options_.list_cache);
    }
}

void Engine::on_templates_list(const RequestPtr& request) {
    if (!refuse_cursor(*request)) {
        serving(*request);
        ResultWriter writer(request->id, *request->rules, 1024);
        catalog_.append_templates(writer.member("resourceTemplates"), *request->rules);
        finish_result(*request, std::move(writer), options_.list_cache);
    }
}

void Engine::on_tools_call(const RequestPtr& request) {
    const auto* name =
        request->params.isNull() ? nullptr : as_string(find_member(*request->params, "name"));
    if (name == nullptr) {
        fail(*request, kInvalidParams, "params.name must be a string");
        return;
    }
    const CatalogTool* const entry = catalog_.find_tool(*name);
    if (entry == nullptr) {
        fail(*request, kInvalidParams, "unknown tool " + quoted(*name));
        return;
    }
    request->target = *name;
    // Clients leave `arguments` out for tools that take none.
    const auto* arguments = find_member(*request->params, "arguments");
    request->arguments = arguments == nullptr ? Poco::JSON::Object::Ptr(new Poco::JSON::Object)
                                              : as_object(arguments);
    if (request->arguments.isNull()) {
        fail(*request, kInvalidParams, "params.arguments must be an object");
        return;
    }
    serving(*request);
    if (validator_) {
        if (const auto fault = validator_(entry->tool.input_schema, request->arguments)) {
            // Not a protocol error: the model is meant to read it and to call again.
            answer_tool(*request,
                        ToolResult::error("invalid arguments for " + *name + ": " + *fault));
            return;
        }
    }
    request->wants_structured = !entry->output_schema.empty();
    run_handler(request, entry->tool.handler);
}

void Engine::on_resources_read(const RequestPtr& request) {
    const auto* uri =
        request->params.isNull() ? nullptr : as_string(find_member(*request->params, "uri"));
    if (uri == nullptr) {
        fail(*request, kInvalidParams, "params.uri must be a string");
        return;
    }
    request->target = *uri;
    request->arguments = new Poco::JSON::Object;
    if (const Resource* resource = catalog_.find_resource(*uri)) {
        serving(*request);
        request->read = ReadTarget{resource->mime_type, resource->cache};
        run_handler(request, resource->handler);
    } else if (const ResourceTemplate* matched = catalog_.find_template(*uri, request->variables)) {
        serving(*request);
        request->read = ReadTarget{matched->mime_type, matched->cache};
        run_handler(request, matched->handler);
    } else {
        answer_not_found(*request);
    }
}

void Engine::answer_tool(Request& request, const ToolResult& result) {
    assert(!request.read && "reply() answers tools/call; use reply_resource()");
    const bool has_structured = !result.structured_json().empty();
    if (request.wants_structured && !has_structured && !result.is_error()) {
        // Clients throw such an answer away with an error that nobody understands.
        trouble("the tool " + request.target + " gave no structured content");
        fail(request, kInternalError, "internal error: the tool gave no structured content");
        return;
    }
    ResultWriter writer(request.id, *request.rules,
                        result.content_json().size() + result.structured_json().size());
    std::string& content = writer.member("content");
    content += '[';
    content += result.content_json();
    content += ']';
    if (has_structured && request.rules->structured_content) {
        writer.member("structuredContent") += result.structured_json();
    }
    if (result.is_error()) {
        writer.member("isError") += "true";
    }
    finish_result(request, std::move(writer));
}

void Engine::answer_read(Request& request, const std::vector<ResourceContents>& contents,
                         const std::optional<CachePolicy>& cache) {
    assert(request.read && "reply_resource() answers resources/read; use reply()");
    const ReadTarget target = request.read.value_or(ReadTarget{});
    std::size_t bytes = 64;
    for (const auto& content : contents) {
        bytes += content.data.size() * 4 / 3 + 128;
    }
    ResultWriter writer(request.id, *request.rules, bytes);
    std::string& out = writer.member("contents");
    out += '[';
    for (const auto& content : contents) {
        out += out.back() == '[' ? "" : ",";
        append_contents(out, content, request.target, target.mime_type);
    }
    out += ']';
    finish_result(request, std::move(writer), cache ? *cache : target.cache);
}

void Engine::answer_not_found(Request& request) {
    if (request.method == "prompts/get") {
        fail(request, kInvalidParams, "unknown prompt " + quoted(request.target));
        return;
    }
    auto data = ordered_object();
    data->set("uri", excerpt(request.target));
    fail(request, request.rules->resource_not_found,
         "resource not found: " + excerpt(request.target), data);
}

void Engine::on_set_level(const RequestPtr& request) {
    const auto* name =
        request->params.isNull() ? nullptr : as_string(find_member(*request->params, "level"));
    const auto level = name != nullptr ? log_level(*name) : std::nullopt;
    if (!level) {
        fail(*request, kInvalidParams, "params.level must be a log level");
        return;
    }
    session_log_level_ = *level;
    finish_result(*request, ResultWriter(request->id, *request->rules, 0));
}

}  // namespace steward::mcp
