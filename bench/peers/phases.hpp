// The parts of the contest. Each starts whom it needs, lets them take turns, ends them.
#pragma once
#include <vector>

#include "../workplace.hpp"
#include "table.hpp"

namespace steward::bench {

// From SIGKILL of the app to its replacement's main(), and to the supervisor's knowledge of it.
std::vector<Contest> crash(const Workplace& place, int rounds);
// From the app's last answer to the first 200 of its replacement.
std::vector<Contest> hang(const Workplace& place, int rounds);
// What the app's lines cost it.
std::vector<Contest> log_lines(const Workplace& place, int rounds);
// How often the supervisor wakes up while nothing happens.
std::vector<Contest> idle(const Workplace& place, int seconds);
// What SIGKILL of the supervisor leaves of the app, and how long the app outlives it.
std::vector<Contest> orphans(const Workplace& place, int rounds);

}  // namespace steward::bench
