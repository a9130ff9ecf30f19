// A plugin's ordinary day: each of its strategies asked what a host asks, the usual faults
// included. For checks that look at what a plugin does to the process and not at what it says.
#pragma once
#include <string>
#include <vector>

#include "session.hpp"
#include "targets.hpp"

namespace steward::compliance {

// One call and what came of it; of a probe there are two, its start and its report.
struct UseAnswer {
    std::string what;
    steward_status status = STEWARD_OK;
    std::string error;
};

// On a host with a virtual clock. Throws Broken if an exception leaves the plugin, and nothing
// else: what an answer is worth is for the caller to say.
std::vector<UseAnswer> use(Session& session, const Instance& instance, const Targets& targets);

// The whole life of each plugin of the library: init, create with the defaults, use, destroy,
// deinit, on a host of its own. The answers of all.
std::vector<UseAnswer> live(const Library& library, const Targets& targets);

}  // namespace steward::compliance
