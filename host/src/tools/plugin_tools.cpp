#include "plugin_tools.hpp"

#include <utility>
#include <vector>

#include "mcp_schema.hpp"
#include "plugin_json.hpp"
#include "resource_uris.hpp"
#include "service_config.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Found = std::vector<core::PluginInfo>;

// The files are looked at on the log thread.
void with_plugins(const Bridge& bridge, const core::StrategyChoice& choice,
                  std::function<void(std::string)> use) {
    bridge.ask<Found>(
        [session = &bridge.session, choice](const std::function<void(Found)>& tell) {
            session->supervisor().list_plugins(choice, tell);
        },
        [choice, use = std::move(use)](const Found& found) {
            use(mcp::to_json(*plugins_object(found, choice)));
        });
}

Poco::JSON::Object::Ptr list_schema() {
    auto p = mcp::ordered_object();
    p->set("file", property("string", "The plugin's file; missing when it is built in"));
    p->set("origin", property("string", "Why that folder is searched"));
    p->set("usable", property("boolean", "It can be loaded"));
    p->set("error", property("string", "Why not"));
    p->set("id", property("string", "Its name in options and settings"));
    p->set("version", property("string", "Its version"));
    p->set("interfaces", list_of("string", "Which strategies it has"));
    p->set("schema", property("object", "JSON Schema of its settings"));
    p->set("shadowed_by", property("string", "The file that comes first"));
    p->set("in_use", list_of("string", "health, restart, port, metrics: what it is chosen for"));
    auto all = mcp::ordered_object();
    all->set("plugins", list_of(object_schema(p, {"origin", "usable", "in_use"}, /*closed=*/false),
                                "In the order of the search"));
    return object_schema(all, {"plugins"}, /*closed=*/false);
}

}  // namespace

void register_plugin_tools(mcp::Server& server, const Bridge& bridge, const Options& options) {
    const auto choice = strategy_choice(options);

    mcp::Resource resource;
    resource.uri = kPluginsUri;
    resource.name = "plugins";
    resource.title = "Plugins";
    resource.description =
        "Plugins for health checks, restarts, ports and metrics: what is found, with its settings, "
        "and what is in use";
    resource.mime_type = kJson;
    resource.handler = [bridge, choice](const CallPtr& call) {
        with_plugins(bridge, choice,
                     [call](std::string json) { reply_json(call, std::move(json)); });
    };
    server.add_resource(std::move(resource));

    mcp::Tool tool;
    tool.name = "plugin_list";
    tool.title = "List plugins";
    tool.description =
        "Lists the plugins that are found, from where, with their settings, and which are in use.";
    tool.input_schema = no_arguments();
    tool.output_schema = list_schema();
    tool.annotations = kReadOnly;
    tool.handler = [bridge, choice](const CallPtr& call) {
        with_plugins(bridge, choice, [call](std::string json) {
            call->reply(mcp::ToolResult::object_json(std::move(json)));
        });
    };
    server.add_tool(std::move(tool));
}

}  // namespace steward::host
