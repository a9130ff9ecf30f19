// The plugins: the tool plugin_list and the resource promptbin://plugins.
#pragma once
#include "mcp_bridge.hpp"
#include "options.hpp"

namespace steward::host {

void register_plugin_tools(mcp::Server& server, const Bridge& bridge, const Options& options);

}  // namespace steward::host
