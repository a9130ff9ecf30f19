#include "catalog.hpp"

#include <algorithm>
#include <utility>

#include "steward/mcp/json.hpp"

namespace steward::mcp {
namespace {

constexpr std::size_t kMaxToolName = 128;

bool is_tool_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kMaxToolName &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.';
           });
}

// The validator is always given a schema, so a tool without arguments gets one too.
Poco::JSON::Object::Ptr no_arguments_schema() {
    auto schema = ordered_object();
    schema->set("type", "object");
    schema->set("additionalProperties", false);
    return schema;
}

void append_optional(std::string& out, std::string_view key, const std::string& value) {
    if (value.empty()) {
        return;
    }
    out += ",\"";
    out += key;
    out += "\":";
    append_json_string(out, value);
}

void append_hint(std::string& out, std::string_view key, bool value) {
    out += '"';
    out += key;
    out += value ? "\":true" : "\":false";
}

void append_annotations(std::string& out, const ToolAnnotations& annotations) {
    out += R"(,"annotations":{)";
    append_hint(out, "readOnlyHint", annotations.read_only);
    out += ',';
    append_hint(out, "destructiveHint", annotations.destructive);
    out += ',';
    append_hint(out, "idempotentHint", annotations.idempotent);
    out += ',';
    append_hint(out, "openWorldHint", annotations.open_world);
    out += '}';
}

void append_tool(std::string& out, const CatalogTool& entry, const Rules& rules) {
    out += R"({"name":)";
    append_json_string(out, entry.tool.name);
    if (rules.titles) {
        append_optional(out, "title", entry.tool.title);
    }
    append_optional(out, "description", entry.tool.description);
    out += R"(,"inputSchema":)";
    out += entry.input_schema;
    if (rules.structured_content && !entry.output_schema.empty()) {
        out += R"(,"outputSchema":)";
        out += entry.output_schema;
    }
    if (rules.tool_annotations) {
        append_annotations(out, entry.tool.annotations);
    }
    out += '}';
}

void append_resource(std::string& out, std::string_view key, const std::string& uri,
                     const std::string& name, const std::string& title,
                     const std::string& description, const std::string& mime_type,
                     const Rules& rules) {
    out += "{\"";
    out += key;
    out += "\":";
    append_json_string(out, uri);
    out += R"(,"name":)";
    append_json_string(out, name);
    if (rules.titles) {
        append_optional(out, "title", title);
    }
    append_optional(out, "description", description);
    append_optional(out, "mimeType", mime_type);
    out += '}';
}

void append_argument(std::string& out, const PromptArgument& argument, const Rules& rules) {
    out += R"({"name":)";
    append_json_string(out, argument.name);
    if (rules.titles) {
        append_optional(out, "title", argument.title);
    }
    append_optional(out, "description", argument.description);
    out += argument.required ? R"(,"required":true})" : "}";
}

template <typename Items, typename Append>
void append_list(std::string& out, const Items& items, Append append) {
    out += '[';
    bool first = true;
    for (const auto& item : items) {
        if (!first) {
            out += ',';
        }
        first = false;
        append(*item);
    }
    out += ']';
}

}  // namespace

void append_prompt(std::string& out, const PromptInfo& prompt, const Rules& rules) {
    out += R"({"name":)";
    append_json_string(out, prompt.name);
    if (rules.titles) {
        append_optional(out, "title", prompt.title);
    }
    append_optional(out, "description", prompt.description);
    if (!prompt.arguments.empty()) {
        out += R"(,"arguments":[)";
        for (const PromptArgument& argument : prompt.arguments) {
            out += out.back() == '[' ? "" : ",";
            append_argument(out, argument, rules);
        }
        out += ']';
    }
    out += '}';
}

bool Catalog::add(Tool tool) {
    if (!is_tool_name(tool.name) || tools_by_name_.count(tool.name) != 0) {
        return false;
    }
    auto entry = std::make_unique<CatalogTool>();
    if (tool.input_schema.isNull()) {
        tool.input_schema = no_arguments_schema();
    }
    entry->input_schema = to_json(*tool.input_schema);
    if (!tool.output_schema.isNull()) {
        entry->output_schema = to_json(*tool.output_schema);
    }
    entry->tool = std::move(tool);
    tools_by_name_.emplace(entry->tool.name, entry.get());
    tools_.push_back(std::move(entry));
    return true;
}

bool Catalog::add(Resource resource) {
    if (resource.uri.empty() || resources_by_uri_.count(resource.uri) != 0) {
        return false;
    }
    auto entry = std::make_unique<Resource>(std::move(resource));
    resources_by_uri_.emplace(entry->uri, entry.get());
    resources_.push_back(std::move(entry));
    return true;
}

bool Catalog::add(ResourceTemplate resource) {
    auto parsed = UriTemplate::parse(resource.uri_template);
    const bool taken = std::any_of(templates_.begin(), templates_.end(), [&](const auto& entry) {
        return entry->resource.uri_template == resource.uri_template;
    });
    if (!parsed || taken) {
        return false;
    }
    templates_.push_back(std::make_unique<CatalogTemplate>(
        CatalogTemplate{std::move(*parsed), std::move(resource)}));
    return true;
}

bool Catalog::add(Prompt prompt) {
    if (prompt.name.empty() || prompts_by_name_.count(prompt.name) != 0) {
        return false;
    }
    auto entry = std::make_unique<Prompt>(std::move(prompt));
    prompts_by_name_.emplace(entry->name, entry.get());
    prompts_.push_back(std::move(entry));
    return true;
}

const CatalogTool* Catalog::find_tool(const std::string& name) const {
    const auto found = tools_by_name_.find(name);
    return found == tools_by_name_.end() ? nullptr : found->second;
}

const Resource* Catalog::find_resource(const std::string& uri) const {
    const auto found = resources_by_uri_.find(uri);
    return found == resources_by_uri_.end() ? nullptr : found->second;
}

const Prompt* Catalog::find_prompt(const std::string& name) const {
    const auto found = prompts_by_name_.find(name);
    return found == prompts_by_name_.end() ? nullptr : found->second;
}

const ResourceTemplate* Catalog::find_template(std::string_view uri,
                                               UriVariables& variables) const {
    for (const auto& entry : templates_) {
        if (auto matched = entry->uri_template.match(uri)) {
            variables = std::move(*matched);
            return &entry->resource;
        }
    }
    return nullptr;
}

void Catalog::append_tools(std::string& out, const Rules& rules) const {
    append_list(out, tools_, [&](const CatalogTool& entry) { append_tool(out, entry, rules); });
}

void Catalog::append_resources(std::string& out, const Rules& rules) const {
    append_list(out, resources_, [&](const Resource& r) {
        append_resource(out, "uri", r.uri, r.name, r.title, r.description, r.mime_type, rules);
    });
}

void Catalog::append_templates(std::string& out, const Rules& rules) const {
    append_list(out, templates_, [&](const CatalogTemplate& entry) {
        const ResourceTemplate& r = entry.resource;
        append_resource(out, "uriTemplate", r.uri_template, r.name, r.title, r.description,
                        r.mime_type, rules);
    });
}

void Catalog::append_prompts(std::string& out, const Rules& rules) const {
    for (const auto& prompt : prompts_) {
        out += prompt == prompts_.front() ? "" : ",";
        append_prompt(out, *prompt, rules);
    }
}

}  // namespace steward::mcp
