// Settings: the schema, and settings that follow it.
#include <algorithm>
#include <array>
#include <sstream>
#include <steward/sdk/text.hpp>
#include <string_view>

#include <Poco/JSON/Array.h>

#include "check.hpp"
#include "settings.hpp"
#include "settings_rules.hpp"
#include "steward/core/schema.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using Poco::Dynamic::Var;
using Poco::JSON::Array;
using Poco::JSON::Object;

constexpr std::size_t kMostSchema = 64 * 1024;

std::string shown(std::string_view text) {
    return sdk::printable(text, 160);
}

bool is_array(const Var& value) {
    return value.type() == typeid(Array::Ptr);
}

bool is_number(const Var& value) {
    return value.isNumeric() && !value.isBoolean();
}

void require_keywords(const std::string& where, const Object& schema,
                      std::initializer_list<std::string_view> allowed) {
    for (const std::string& keyword : schema.getNames()) {
        require(std::find(allowed.begin(), allowed.end(), keyword) != allowed.end(),
                where + " has the keyword \"" + shown(keyword) +
                    "\", which is not of the part of JSON Schema that settings may use");
    }
}

void require_property_schema(const std::string& where, const Object& schema, int depth) {
    constexpr int kMostDepth = 8;
    constexpr std::array<std::string_view, 6> kTypes{"string",  "integer", "number",
                                                     "boolean", "array",   "object"};
    require(depth < kMostDepth, where + " is nested too deeply");
    require_keywords(
        where, schema,
        {"type", "description", "title", "default", "enum", "minimum", "maximum", "minLength",
         "maxLength", "examples", "items", "properties", "required", "additionalProperties"});
    const Var type = schema.get("type");
    require(type.isString() && std::find(kTypes.begin(), kTypes.end(),
                                         type.convert<std::string>()) != kTypes.end(),
            where + " has no type that is one of string, integer, number, boolean, array, object");
    for (const char* const bound : {"minimum", "maximum", "minLength", "maxLength"}) {
        require(!schema.has(bound) || is_number(schema.get(bound)),
                where + "'s " + bound + " is no number");
    }
    for (const char* const list : {"enum", "examples"}) {
        require(!schema.has(list) || is_array(schema.get(list)),
                where + "'s " + list + " is no array");
    }
    require(!schema.has("enum") || schema.getArray("enum")->size() > 0,
            where + "'s enum is empty: no value is allowed");
    require(!schema.has("minimum") || !schema.has("maximum") ||
                schema.getValue<double>("minimum") <= schema.getValue<double>("maximum"),
            where + "'s minimum is above its maximum: no value is allowed");
    if (const auto items = schema.getObject("items"); !items.isNull()) {
        require_property_schema(where + "'s items", *items, depth + 1);
    }
    if (const auto members = schema.getObject("properties"); !members.isNull()) {
        for (const std::string& name : members->getNames()) {
            const auto member = members->getObject(name);
            require(!member.isNull(), where + "." + name + " is no object");
            require_property_schema(where + "." + name, *member, depth + 1);
        }
    }
}

void require_required(const std::string& id, const SettingsSchema& schema) {
    if (!schema.object()->has("required")) {
        return;
    }
    const auto required = schema.object()->getArray("required");
    require(!required.isNull(), id + ": the schema's required is no array");
    for (const Var& each : *required) {
        const bool known =
            each.isString() &&
            std::any_of(schema.properties().begin(), schema.properties().end(),
                        [&](const auto& property) { return each == property.first; });
        require(known, id + ": the schema requires " + shown(Var::toString(each)) +
                           ", which is none of its properties");
    }
}

// By the host's own validator.
void require_values(const std::string& id, const SettingsSchema& schema) {
    const auto validator = core::SchemaValidator::compile(schema.object());
    require(bool(validator),
            id + ": the host cannot use the schema: " + (validator ? "" : validator.error().text));
    const auto require_fits = [&](const std::string& what, const Object::Ptr& settings) {
        const auto wrong = validator->check(Var(settings));
        require(!wrong, id + ": " + what + " breaks the schema: " + wrong.value_or(""));
    };
    require_fits("the default of a setting", schema.defaults_object());
    for (const auto& [name, property] : schema.properties()) {
        if (const auto examples = property->getArray("examples"); !examples.isNull()) {
            for (const Var& example : *examples) {
                auto settings = schema.defaults_object();
                settings->set(name, example);
                require_fits("an example of " + name, settings);
            }
        }
    }
}

}  // namespace

void schema_valid(Trial& trial) {
    for (const auto* plugin : trial.plugins()) {
        const std::string id = id_of(*plugin);
        const SettingsSchema schema(*plugin);
        require(schema.text().size() <= kMostSchema, id + ": the schema has " +
                                                         std::to_string(schema.text().size()) +
                                                         " bytes; expected at most 64 KiB");
        require(sdk::is_utf8(schema.text()), id + ": the schema is not UTF-8");
        const Object& root = *schema.object();
        require_keywords(id + ": the schema", root,
                         {"$schema", "type", "title", "description", "properties", "required",
                          "additionalProperties", "examples"});
        require(root.get("type") == std::string("object"),
                id + ": the schema's type is not \"object\"");
        require(!root.getObject("properties").isNull(), id + ": the schema has no properties");
        const Var additional = root.get("additionalProperties");
        require(additional.isBoolean() && !additional.convert<bool>(),
                id + ": the schema's additionalProperties is not false");
        require_required(id, schema);
        for (const auto& [name, property] : schema.properties()) {
            const std::string where = id + ": the setting " + shown(name);
            require_property_schema(where, *property, 0);
            const Var description = property->get("description");
            require(description.isString() && !description.convert<std::string>().empty(),
                    where + " has no description");
            require(property->has("default") || schema.is_required(name),
                    where + " has no default and is not required");
        }
        require_values(id, schema);
    }
}

namespace {

// The object in other words of JSON: the members from last to first, over many lines, and the first
// letter of each name as an escape.
std::string reordered(const Object::Ptr& object) {
    Object::Ptr other = new Object(Poco::JSON_PRESERVE_KEY_ORDER);
    const auto names = object->getNames();
    std::for_each(names.rbegin(), names.rend(),
                  [&](const std::string& name) { other->set(name, object->get(name)); });
    return SettingsSchema::to_text(other);
}

std::string spread(const Object::Ptr& object) {
    std::ostringstream out;
    object->stringify(out, 4);
    return "\r\n\t" + out.str() + "\n";
}

std::string escaped_names(const Object::Ptr& object) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text = "{";
    for (const std::string& name : object->getNames()) {
        Object::Ptr one = new Object;
        one->set(name, object->get(name));
        std::string member = SettingsSchema::to_text(one);
        // {"name":value}
        const auto first = static_cast<unsigned char>(member[2]);
        if (first > ' ' && first < 0x7f && first != '"' && first != '\\') {
            member.replace(2, 1, std::string("\\u00") + kHex[first >> 4U] + kHex[first & 15U]);
        }
        text.append(text.size() > 1 ? "," : "").append(member, 1, member.size() - 2);
    }
    return text + "}";
}

}  // namespace

void schema_defaults_create(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto settings = SettingsSchema(*plugin).defaults_object();
        (void)session.create(*plugin, SettingsSchema::to_text(settings));
        for (const std::string& text :
             {reordered(settings), spread(settings), escaped_names(settings)}) {
            (void)session.create(*plugin, text);
        }
    }
}

void schema_examples_create(Trial& trial) {
    int tried = 0;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const SettingsSchema schema(*plugin);
        for (const auto& [name, property] : schema.properties()) {
            const auto examples = property->getArray("examples");
            for (std::size_t i = 0; !examples.isNull() && i < examples->size(); ++i, ++tried) {
                (void)session.create(*plugin,
                                     schema.with(name, examples->get(static_cast<unsigned>(i))));
            }
        }
        const auto examples = schema.object()->getArray("examples");
        for (std::size_t i = 0; !examples.isNull() && i < examples->size(); ++i, ++tried) {
            auto settings = schema.defaults_object();
            const auto example = examples->getObject(static_cast<unsigned>(i));
            require(!example.isNull(), id_of(*plugin) + ": an example of the schema is no object");
            for (const std::string& name : example->getNames()) {
                settings->set(name, example->get(name));
            }
            (void)session.create(*plugin, SettingsSchema::to_text(settings));
        }
    }
    if (tried == 0) {
        skip("the schema gives no examples");
    }
}

}  // namespace steward::compliance
