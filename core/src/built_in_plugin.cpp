#include "built_in_plugin.hpp"

#include <sstream>

#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "plugin_values.hpp"

namespace steward::core {
namespace {

constexpr std::size_t kMaxSchema = 64 * 1024;  // as the prober takes it

std::string schema_text(const steward_plugin& plugin) {
    TextSink schema(kMaxSchema);
    return plugin.config_schema(&schema.sink) == STEWARD_OK ? schema.text : std::string();
}

}  // namespace

PluginInfo built_in_info(const steward_entry& entry) {
    PluginInfo info;
    info.built_in = &entry;
    info.origin = "built in";
    const steward_plugin* const plugin = entry.get_plugin(0);
    if (plugin == nullptr) {
        info.file = "a plugin (built in)";
        info.error = "holds no plugin";
        return info;
    }
    const steward_descriptor& desc = *plugin->desc;
    info.id = plugin_text(desc.id);
    info.file = info.id + " (built in)";
    info.name = plugin_text(desc.name);
    info.vendor = plugin_text(desc.vendor);
    info.version = plugin_text(desc.version);
    info.license = plugin_text(desc.license);
    info.url = plugin_text(desc.url);
    info.summary = plugin_text(desc.summary);
    for (const char* const* id = desc.interfaces; id != nullptr && *id != nullptr; ++id) {
        info.interfaces.emplace_back(*id);
    }
    try {
        // As the catalogue has the schema of a file.
        Poco::JSON::Parser parser;
        std::ostringstream text;
        parser.parse(schema_text(*plugin)).extract<Poco::JSON::Object::Ptr>()->stringify(text);
        info.schema = text.str();
    } catch (const Poco::Exception&) {
        info.error = "its settings' schema is no JSON object";
    }
    return info;
}

}  // namespace steward::core
