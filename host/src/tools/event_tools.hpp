// The event log: the tool flask_explain and the resource promptbin://flask-events.
#pragma once
#include "mcp_bridge.hpp"

namespace steward::host {

void register_event_tools(mcp::Server& server, const Bridge& bridge, const Words& words);

}  // namespace steward::host
