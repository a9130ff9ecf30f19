#include <cstdio>
#include <string>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <fmt/format.h>

#include "commands.hpp"
#include "steward/core/plugin_catalogue.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

Object::Ptr plugin_object(const core::PluginInfo& info) {
    auto out = mcp::ordered_object();
    out->set("file", info.file);
    out->set("origin", info.origin);
    out->set("usable", info.error.empty());
    if (!info.error.empty()) {
        out->set("error", info.error);
        return out;
    }
    out->set("id", info.id);
    out->set("name", info.name);
    out->set("version", info.version);
    out->set("vendor", info.vendor);
    out->set("license", info.license);
    out->set("url", info.url);
    out->set("summary", info.summary);
    Array::Ptr interfaces = new Array;
    for (const auto& interface : info.interfaces) {
        interfaces->add(interface);
    }
    out->set("interfaces", interfaces);
    Poco::JSON::Parser parser;
    out->set("schema", parser.parse(info.schema));
    if (!info.shadowed_by.empty()) {
        out->set("shadowed_by", info.shadowed_by);
    }
    return out;
}

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

}  // namespace

int plugins_command(const Options& options) {
    const auto paths = find_paths();
    core::PluginCatalogue catalogue(
        {paths.prober, paths.plugins, options.plugin_dirs, plugin_cache_file()});
    const auto found = catalogue.list();
    if (options.json) {
        Array::Ptr all = new Array;
        for (const auto& info : found) {
            all->add(plugin_object(info));
        }
        auto out = mcp::ordered_object();
        out->set("plugins", all);
        fmt::print("{}\n", mcp::to_json(*out));
        return 0;
    }
    for (const auto& info : found) {
        if (!info.error.empty()) {
            fmt::print("{}\n  cannot be used: {}\n", info.file, info.error);
            continue;
        }
        fmt::print("{} {}  {}\n  {}\n  {} ({})\n", info.id, info.version,
                   fmt::join(info.interfaces, " "), info.summary, info.file, info.origin);
        if (!info.shadowed_by.empty()) {
            fmt::print("  not used: {} comes first\n", info.shadowed_by);
        }
        print_settings(info);
    }
    if (found.empty()) {
        fmt::print("no plugins in {}\n", paths.plugins);
    }
    return 0;
}

}  // namespace steward::host
