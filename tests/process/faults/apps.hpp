// The apps that the loops supervise, and how steward is started for them.
#pragma once
#include <string>
#include <vector>

#include "loop.hpp"

namespace steward::faults {

// How long the app's way to its first answer takes: from steward's exec on, most of what can go
// wrong does so within this time.
[[nodiscard]] Milliseconds start_time(const Options& options);

// Behind "--": the app in C with some of a daemon of its own, children, and deafness to SIGTERM; or
// nothing, which is the Flask app.
[[nodiscard]] std::vector<std::string> random_app(const Options& options, Random& random);

// Restarts at once, for ever.
[[nodiscard]] std::vector<std::string> endless_restarts();

}  // namespace steward::faults
