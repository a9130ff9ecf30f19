#include "plugin_answer.hpp"

#include <sstream>

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include "steward/core/schema.hpp"

namespace steward::core {
namespace {

using Poco::JSON::Object;

// What of a schema would only be noticed when the plugin is used.
std::string schema_fault(const Object::Ptr& schema) {
    constexpr const char* kNoObjects =
        "the settings' schema has properties that are no objects: describe each setting by one";
    if (schema->has("properties")) {
        const auto properties = schema->getObject("properties");
        if (!properties) {
            return kNoObjects;
        }
        for (const auto& [key, ignored] : *properties) {
            if (!properties->getObject(key)) {
                return kNoObjects;
            }
        }
    }
    const auto compiled = SchemaValidator::compile(schema);
    if (!compiled) {
        return compiled.error().text + ": see config_schema in steward/abi.h";
    }
    return {};
}

}  // namespace

PluginInfo plugin_from_json(const Object::Ptr& answer) {
    PluginInfo info;
    info.file = answer->optValue<std::string>("file", "");
    if (!answer->optValue<bool>("ok", false)) {
        info.error = answer->optValue<std::string>("error", "cannot be loaded");
        return info;
    }
    const auto plugins = answer->getArray("plugins");
    const auto plugin = plugins && plugins->size() > 0 ? plugins->getObject(0) : Object::Ptr();
    if (!plugin) {
        info.error = "holds no plugin";
        return info;
    }
    info.id = plugin->optValue<std::string>("id", "");
    info.name = plugin->optValue<std::string>("name", "");
    info.vendor = plugin->optValue<std::string>("vendor", "");
    info.version = plugin->optValue<std::string>("version", "");
    info.license = plugin->optValue<std::string>("license", "");
    info.url = plugin->optValue<std::string>("url", "");
    info.summary = plugin->optValue<std::string>("summary", "");
    if (const auto interfaces = plugin->getArray("interfaces")) {
        for (const auto& interface : *interfaces) {
            info.interfaces.push_back(interface.convert<std::string>());
        }
    }
    if (const auto schema = plugin->getObject("schema")) {
        std::ostringstream text;
        schema->stringify(text);
        info.schema = text.str();
    } else {
        info.error = "the settings' schema is no JSON object: config_schema must write one";
    }
    return info;
}

Object::Ptr plugin_to_json(const PluginInfo& info) {
    Object::Ptr plugin = new Object;
    Object::Ptr answer = new Object;
    answer->set("file", info.file);
    answer->set("ok", true);
    plugin->set("id", info.id);
    plugin->set("name", info.name);
    plugin->set("vendor", info.vendor);
    plugin->set("version", info.version);
    plugin->set("license", info.license);
    plugin->set("url", info.url);
    plugin->set("summary", info.summary);
    Poco::JSON::Array::Ptr interfaces = new Poco::JSON::Array;
    for (const auto& interface : info.interfaces) {
        interfaces->add(interface);
    }
    plugin->set("interfaces", interfaces);
    Poco::JSON::Parser parser;
    plugin->set("schema", parser.parse(info.schema));
    Poco::JSON::Array::Ptr plugins = new Poco::JSON::Array;
    plugins->add(plugin);
    answer->set("plugins", plugins);
    return answer;
}

Object::Ptr parse_object(const std::string& text) {
    try {
        Poco::JSON::Parser parser;
        const auto value = parser.parse(text);
        return value.type() == typeid(Object::Ptr) ? value.extract<Object::Ptr>() : Object::Ptr();
    } catch (const Poco::Exception&) {
        return {};
    }
}

// The prober checks a schema no further than that it cannot break the line.
PluginInfo judge_answer(const Object::Ptr& answer) {
    PluginInfo info;
    if (!answer) {
        info.error = "the settings' schema is no JSON: config_schema must write an object";
        return info;
    }
    try {
        info = plugin_from_json(answer);
        if (info.error.empty()) {
            info.error =
                schema_fault(answer->getArray("plugins")->getObject(0)->getObject("schema"));
        }
        return info;
    } catch (const Poco::Exception& e) {
        info.error = "what it says of itself cannot be read: " + e.displayText();
        return info;
    }
}

}  // namespace steward::core
