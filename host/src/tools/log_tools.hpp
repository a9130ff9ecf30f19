// The app's output: the tool flask_logs and the resource promptbin://flask-log.
#pragma once
#include "mcp_bridge.hpp"

namespace steward::host {

void register_log_tools(mcp::Server& server, const Bridge& bridge, const Words& words);

}  // namespace steward::host
