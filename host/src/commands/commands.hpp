// The commands that people type, but for the MCP server and those of the status socket. Each
// returns its exit code.
#pragma once
#include <string>

#include "options.hpp"
#include "paths.hpp"

namespace steward::host {

// `steward run`: the supervision in this terminal, until Ctrl-C.
int run_command(const Options& options);
// `steward plugins`: what is found, from where, with its settings.
int plugins_command(const Options& options);
// `steward check`: what a start would need; 0 or 2.
int check_command(const Options& options);
// `steward doctor`: which guarantees hold on this machine, and why; 0 or 2.
int doctor_command(const Options& options);
// `steward simulate`: the timeline that the restart strategy gives for a scripted history
// (scripted_history.hpp); 0 or 2.
int simulate_command(const Options& options);
// `steward new-plugin`: a project for a plugin of one's own; 0 or 2.
int new_plugin_command(const Options& options);
// `steward connect`: the configuration for AI tools.
int connect_command(const Options& options);

// The exit code of a command whose answer is what it prints: its own, or 1, with a line on stderr,
// when stdout has not taken all of it.
int printed(int code);

// The configuration snippet for one client ("claude", "vscode", "cursor") as JSON text.
std::string connect_snippet(const std::string& client, const Paths& paths);

}  // namespace steward::host
