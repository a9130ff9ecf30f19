// Which of the plugins that were found are in use.
#include "plugin_json.hpp"

#include <Poco/JSON/Array.h>

#include "catch.hpp"
#include "steward/mcp/json.hpp"

using namespace steward;
using namespace steward::host;

namespace {

core::PluginInfo plugin(const std::string& file, const std::string& id,
                        const std::string& shadowed_by = "") {
    core::PluginInfo info;
    info.file = file;
    info.id = id;
    info.schema = R"({"type":"object"})";
    info.shadowed_by = shadowed_by;
    return info;
}

}  // namespace

TEST_CASE("a plugin is in use where it is chosen by its id or file", "[plugin_json]") {
    core::PluginInfo broken;
    broken.file = "/plugins/steward_broken.so";
    broken.error = "cannot be loaded";
    const std::string self = "/proc/self/exe";
    core::StrategyChoice choice;
    choice.port = "none";
    choice.metrics = self;
    const auto out = plugins_object(
        {plugin("/first/steward_health_http.so", "health_http"),
         plugin("/second/steward_health_http.so", "health_http", "/first/steward_health_http.so"),
         plugin(self, "own_metrics"),
         plugin("/plugins/steward_port_sequential.so", "port_sequential"), broken},
        choice);
    std::string in_use;
    for (unsigned i = 0; i < out->getArray("plugins")->size(); ++i) {
        std::string list;
        for (const auto& slot : *out->getArray("plugins")->getObject(i)->getArray("in_use")) {
            list += slot.convert<std::string>();
        }
        in_use += list + ";";
    }
    CHECK(in_use == "health;;metrics;;;");
    const auto last = out->getArray("plugins")->getObject(4);
    CHECK_FALSE(last->getValue<bool>("usable"));
    CHECK(last->getValue<std::string>("error") == "cannot be loaded");
    CHECK(out->getArray("plugins")->getObject(0)->getObject("schema")->size() == 1);
}
