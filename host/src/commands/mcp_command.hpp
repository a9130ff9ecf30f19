// `steward mcp`: the MCP server on stdin and stdout.
#pragma once
#include "options.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::host {

// Serves until stdin ends, stdout is closed, a signal comes or the parent is gone; then ends the
// app and the process. `out` is the private copy of the original stdout; descriptor 1 leads to
// stderr by now, so that nothing else can write to the client.
int mcp_command(const Options& options, core::UniqueFd out);

}  // namespace steward::host
