// The registered tools, resources, resource templates and prompts, and their lists as the revisions
// show them.
//
// Thread rule: the mcp thread; filled before the first message.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "steward/mcp/prompts.hpp"
#include "steward/mcp/types.hpp"
#include "steward/mcp/uri_template.hpp"

namespace steward::mcp {

struct CatalogTool {
    Tool tool;
    std::string input_schema;   // JSON
    std::string output_schema;  // JSON, or empty
};

struct CatalogTemplate {
    UriTemplate uri_template;
    ResourceTemplate resource;
};

// One entry of prompts/list.
void append_prompt(std::string& out, const PromptInfo& prompt, const Rules& rules);

class Catalog {
  public:
    // False, and nothing changes, when the name is taken or not allowed.
    bool add(Tool tool);
    bool add(Resource resource);
    bool add(ResourceTemplate resource);
    bool add(Prompt prompt);

    [[nodiscard]] bool has_tools() const noexcept { return !tools_.empty(); }
    [[nodiscard]] bool has_resources() const noexcept {
        return !resources_.empty() || !templates_.empty();
    }

    [[nodiscard]] bool has_prompts() const noexcept { return !prompts_.empty(); }

    // Null when there is none. The pointers stay valid as long as the catalog.
    [[nodiscard]] const CatalogTool* find_tool(const std::string& name) const;
    [[nodiscard]] const Resource* find_resource(const std::string& uri) const;
    [[nodiscard]] const Prompt* find_prompt(const std::string& name) const;
    // The first template that matches; its variables are put into `variables`.
    [[nodiscard]] const ResourceTemplate* find_template(std::string_view uri,
                                                        UriVariables& variables) const;

    // Append a JSON array.
    void append_tools(std::string& out, const Rules& rules) const;
    void append_resources(std::string& out, const Rules& rules) const;
    void append_templates(std::string& out, const Rules& rules) const;
    // The entries alone, without brackets: others may follow.
    void append_prompts(std::string& out, const Rules& rules) const;

  private:
    std::vector<std::unique_ptr<CatalogTool>> tools_;
    std::vector<std::unique_ptr<Resource>> resources_;
    std::vector<std::unique_ptr<CatalogTemplate>> templates_;
    std::vector<std::unique_ptr<Prompt>> prompts_;
    std::unordered_map<std::string, const CatalogTool*> tools_by_name_;
    std::unordered_map<std::string, const Resource*> resources_by_uri_;
    std::unordered_map<std::string, const Prompt*> prompts_by_name_;
};

}  // namespace steward::mcp
