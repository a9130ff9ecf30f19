// What a plugin says of itself, as JSON: a prober's line, and an entry of the cache.
#pragma once
#include <string>

#include <Poco/JSON/Object.h>

#include "steward/core/plugin_catalogue.hpp"

namespace steward::core {

// {"file", "ok": true, "plugins": [{"id", …, "interfaces": [], "schema": {}}]}, or {"file",
// "ok": false, "error"}. Throws Poco::Exception if a member has another type.
PluginInfo plugin_from_json(const Poco::JSON::Object::Ptr& answer);
// The same object, of a plugin without an error. Throws Poco::Exception if its schema is no JSON.
Poco::JSON::Object::Ptr plugin_to_json(const PluginInfo& info);

// Null when the text is no JSON object.
Poco::JSON::Object::Ptr parse_object(const std::string& text);

// What the prober's line about one file says, its schema compiled, whatever it holds (null: no
// object): what is wrong with it becomes the `error`.
PluginInfo judge_answer(const Poco::JSON::Object::Ptr& answer);

}  // namespace steward::core
