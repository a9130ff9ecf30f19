#include "settings.hpp"

#include <algorithm>
#include <sstream>
#include <steward/sdk/json.hpp>

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include "call.hpp"
#include "check.hpp"
#include "library.hpp"

namespace steward::compliance {

using Poco::Dynamic::Var;
using Poco::JSON::Object;

Sink::Sink(std::size_t limit, steward_status refusal) : limit_(limit), refusal_(refusal) {
    sink_ = {sizeof sink_, 0, this, &write};
}

steward_status Sink::write(void* ctx, const void* data, std::size_t len) {
    const OnHostSide side;
    auto& sink = *static_cast<Sink*>(ctx);
    ++sink.writes_;
    if (sink.refused_) {
        ++sink.late_;
        return sink.refusal_;
    }
    if (len > sink.limit_ - sink.text_.size()) {
        sink.refused_ = true;
        return sink.refusal_;
    }
    sink.text_.append(static_cast<const char*>(data), len);
    return STEWARD_OK;
}

SettingsSchema::SettingsSchema(const steward_plugin& plugin) {
    const Sink sink;
    const steward_status status =
        call("config_schema", [&] { return plugin.config_schema(sink.get()); });
    require(status == STEWARD_OK,
            id_of(plugin) + ": config_schema gives status " + std::to_string(status));
    text_ = sink.text();
    try {
        Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(/*bPreserveObjectOrder=*/true));
        object_ = parser.parse(text_).extract<Object::Ptr>();
        if (object_->has("properties")) {
            const auto members = object_->getObject("properties");
            for (const auto& name : members->getNames()) {
                properties_.emplace_back(name, members->getObject(name));
                if (properties_.back().second.isNull()) {
                    broken(id_of(plugin) + ": the property " + name +
                           " of the schema is no object");
                }
            }
        }
    } catch (const Poco::Exception& e) {
        broken(id_of(plugin) + ": the schema is no JSON object: " + e.displayText());
    }
}

Object::Ptr SettingsSchema::defaults_object() const {
    Object::Ptr out = new Object(Poco::JSON_PRESERVE_KEY_ORDER);
    for (const auto& [name, property] : properties_) {
        if (property->has("default")) {
            out->set(name, property->get("default"));
        } else if (!is_required(name)) {
            continue;
        } else if (property->isArray("examples") && property->getArray("examples")->size() > 0) {
            out->set(name, property->getArray("examples")->get(0));
        } else if (property->isArray("enum") && property->getArray("enum")->size() > 0) {
            out->set(name, property->getArray("enum")->get(0));
        } else if (property->has("minimum")) {
            out->set(name, property->get("minimum"));
        }
    }
    return out;
}

std::string SettingsSchema::to_text(const Object::Ptr& object) {
    std::ostringstream out;
    object->stringify(out);
    return out.str();
}

std::string SettingsSchema::defaults() const {
    return to_text(defaults_object());
}

std::string SettingsSchema::with(const std::string& name, const Var& value) const {
    auto object = defaults_object();
    object->set(name, value);
    return to_text(object);
}

std::string SettingsSchema::with_text(const std::string& name, std::string_view json) const {
    std::string text = without(name);
    text.pop_back();
    text += text.size() > 1 ? "," : "";
    sdk::append_json_text(text, name);
    return text.append(":").append(json).append("}");
}

std::string SettingsSchema::without(const std::string& name) const {
    auto object = defaults_object();
    object->remove(name);
    return to_text(object);
}

bool SettingsSchema::is_required(const std::string& name) const {
    const auto required = object_->getArray("required");
    return !required.isNull() && std::any_of(required->begin(), required->end(),
                                             [&](const Var& each) { return each == name; });
}

}  // namespace steward::compliance
