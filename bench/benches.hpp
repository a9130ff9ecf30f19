// The measurements. Each prints what it finds and adds its rows to the table; README.md says what
// is measured and why so.
#pragma once
#include <optional>
#include <vector>

#include "report.hpp"
#include "workplace.hpp"

namespace steward::bench {

struct Settings {
    // Instead of each measurement's own number.
    std::optional<int> rounds;
    [[nodiscard]] int rounds_or(int own) const { return rounds ? *rounds : own; }
};

// From SIGKILL of the app to main() of its replacement, against apps/respawner.c.
std::vector<Row> respawn(const Workplace& place, const Settings& settings);
// From the start of the program to its first MCP answer, against apps/echo.c.
std::vector<Row> first_answer(const Workplace& place, const Settings& settings);
// From the start of the program to the web app's first 200, against the web app alone.
std::vector<Row> flask_start(const Workplace& place, const Settings& settings);
// What steward and its guardian weigh while the web app runs.
std::vector<Row> memory(const Workplace& place, const Settings& settings);
// tools/call flask_status: latency, and calls per second when many are on their way, against
// apps/echo.c.
std::vector<Row> calls(const Workplace& place, const Settings& settings);

}  // namespace steward::bench
