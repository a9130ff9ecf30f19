#include "plugin_json.hpp"

#include <array>
#include <filesystem>
#include <utility>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

// By id the first one of its name is chosen, by path this file.
bool is_chosen(const core::PluginInfo& info, const std::string& choice) {
    if (choice.find('/') == std::string::npos) {
        return info.error.empty() && info.shadowed_by.empty() && info.id == choice;
    }
    std::error_code error;
    return std::filesystem::equivalent(info.file, choice, error);
}

}  // namespace

Object::Ptr plugin_object(const core::PluginInfo& info) {
    auto out = mcp::ordered_object();
    if (info.built_in == nullptr) {
        out->set("file", info.file);
    }
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

Object::Ptr plugins_object(const std::vector<core::PluginInfo>& found,
                           const core::StrategyChoice& choice) {
    const std::array<std::pair<const char*, const std::string*>, 4> slots{
        {{"health", &choice.health},
         {"restart", &choice.restart},
         {"port", &choice.port},
         {"metrics", &choice.metrics}}};
    Array::Ptr all = new Array;
    for (const auto& info : found) {
        auto plugin = plugin_object(info);
        Array::Ptr in_use = new Array;
        for (const auto& [slot, chosen] : slots) {
            if (is_chosen(info, *chosen)) {
                in_use->add(std::string(slot));
            }
        }
        plugin->set("in_use", in_use);
        all->add(plugin);
    }
    auto out = mcp::ordered_object();
    out->set("plugins", all);
    return out;
}

}  // namespace steward::host
