// What a plugin that is linked into the program says of itself. It is part of the program, so nothing
// of it is judged as a stranger's file is.
#pragma once
#include "steward/core/plugin_catalogue.hpp"

namespace steward::core {

// Calls get_plugin and config_schema, which may be called on any thread. An `error` when it gives no
// plugin or no schema.
PluginInfo built_in_info(const steward_entry& entry);

}  // namespace steward::core
