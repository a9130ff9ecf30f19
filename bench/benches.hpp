// The measurements. Each prints what it finds and adds its rows to the table; README.md says what
// is measured and why so.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report.hpp"
#include "workplace.hpp"

namespace steward::bench {

struct Settings {
    // Instead of each measurement's own number.
    std::optional<int> rounds;
    // Where Node and the TypeScript SDK are; empty: build/node/node_modules.
    std::string node_modules;
    [[nodiscard]] int rounds_or(int own) const { return rounds ? *rounds : own; }
};

// From SIGKILL of the app to main() of its replacement, against apps/respawner.c.
std::vector<Row> respawn(const Workplace& place, const Settings& settings);
// From the start of the program to the web app's first 200, against the web app alone.
std::vector<Row> flask_start(const Workplace& place, const Settings& settings);
// Start, tools/call, memory and end as an MCP server, against apps/echo.c and a server with the
// TypeScript SDK.
std::vector<Row> mcp(const Workplace& place, const Settings& settings);
// search_prompts over 10,000 prompts, against the store alone.
std::vector<Row> search(const Workplace& place, const Settings& settings);
// How fast an app can write its output, against `cat >/dev/null`.
std::vector<Row> output(const Workplace& place, const Settings& settings);
// A decision through a plugin's thread, the loop while a plugin computes and does not answer, and the harness.
std::vector<Row> plugins(const Workplace& place, const Settings& settings);

}  // namespace steward::bench
