#include <algorithm>
#include <cstdio>
#include <string>

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <fmt/format.h>

#include "commands.hpp"
#include "plugin_json.hpp"
#include "printable.hpp"
#include "service_config.hpp"
#include "steward/core/plugin_catalogue.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Object;

std::string text_of(const Poco::Dynamic::Var& value) {
    std::string text;
    mcp::append_json(text, value);
    return text;
}

void print_settings(const core::PluginInfo& info) {
    Poco::JSON::Parser parser;
    const auto parsed = parser.parse(info.schema);
    auto schema = parsed.extract<Object::Ptr>();
    auto properties = schema->has("properties") ? schema->getObject("properties") : Object::Ptr();
    if (!properties) {
        return;
    }
    for (const auto& [key, value] : *properties) {
        auto property = properties->getObject(key);
        std::string limits;
        if (property->has("minimum")) {
            limits += ", at least " + text_of(property->get("minimum"));
        }
        if (property->has("maximum")) {
            limits += ", at most " + text_of(property->get("maximum"));
        }
        fmt::print("    --set {}.{}={}  {}{}: {}\n", info.id, key,
                   text_of(property->get("default")),
                   property->optValue<std::string>("type", "any"), limits,
                   property->optValue<std::string>("description", ""));
    }
}

bool has_any(const std::vector<core::PluginInfo>& found, const std::string& origin) {
    return std::any_of(found.begin(), found.end(),
                       [&origin](const auto& info) { return info.origin == origin; });
}

}  // namespace

int plugins_command(const Options& options) {
    const auto paths = find_paths();
    core::PluginCatalogue catalogue(
        {paths.prober, paths.plugins, options.plugin_dirs, plugin_cache_file()});
    const auto found = catalogue.list();
    if (options.json) {
        fmt::print("{}\n", mcp::to_json(*plugins_object(found, strategy_choice(options))));
        return 0;
    }
    for (const auto& info : found) {
        if (!info.error.empty()) {
            fmt::print("{}\n  cannot be used: {}\n", printable(info.file), printable(info.error));
            continue;
        }
        fmt::print("{} {}  {}\n  {}\n  {}\n", info.id, info.version,
                   fmt::join(info.interfaces, " "), printable(info.summary),
                   info.built_in != nullptr
                       ? info.origin
                       : printable(fmt::format("{} ({})", info.file, info.origin)));
        if (!info.shadowed_by.empty()) {
            fmt::print("  not used: {} comes first\n", printable(info.shadowed_by));
        }
        print_settings(info);
    }
    for (const auto& folder : options.plugin_dirs) {
        if (!has_any(found, "--plugin-dir " + folder)) {
            fmt::print("no plugins in {}: their files are called steward_ID.so\n", folder);
        }
    }
    if (!has_any(found, "next to the program")) {
        fmt::print("no plugins in {}\n", paths.plugins);
    }
    return 0;
}

}  // namespace steward::host
