// A plugin as JSON: `steward plugins --json`, the tool plugin_list and its resource.
//
// Any thread; the functions keep no state.
#pragma once
#include <string>
#include <vector>

#include <Poco/JSON/Object.h>

#include "steward/core/plugin_catalogue.hpp"
#include "steward/core/plugin_strategies.hpp"

namespace steward::host {

// file, origin, usable, and `error`, or what the plugin says of itself with its settings' schema.
Poco::JSON::Object::Ptr plugin_object(const core::PluginInfo& info);

// {"plugins": [each with `in_use`: the strategies it is chosen for]}
Poco::JSON::Object::Ptr plugins_object(const std::vector<core::PluginInfo>& found,
                                       const core::StrategyChoice& choice);

}  // namespace steward::host
