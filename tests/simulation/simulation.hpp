// The simulation: the real Service and state machine on a virtual clock and a virtual kernel, driven
// by a schedule and watched by its invariants. One thread, no real time, no process.
#pragma once
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "invariants.hpp"
#include "schedule.hpp"
#include "steward/core/machine.hpp"

namespace steward::simulation {

using Machine = decltype(core::ServiceParts::step);

// Parts that are broken on purpose, to show that each invariant sees what it is there for.
struct Doubles {
    // In the machine's place; made anew for each run, so that it can keep a state.
    std::function<Machine()> machine;
    std::function<void(FakeWorld&)> world;  // called after each task
    std::function<core::RestartAnswer(core::RestartAnswer)> decision;
    bool settles_twice = false;
    std::string only;  // the one invariant that is watched; empty: all
};

struct Options {
    std::ostream* trace = nullptr;      // everything that happens, for people
    std::uint64_t max_steps = 100'000;  // more is a loop that does not end
    Doubles doubles;
};

struct Outcome {
    std::optional<Broken> broken;
    core::Duration at{};  // when it broke, from the schedule's beginning
    std::uint64_t steps = 0;
    std::uint64_t faults = 0;  // items that were no requests
};

Outcome simulate(const Schedule& schedule, const Options& options = {});

// The smallest schedule found, by leaving parts out, that breaks the same invariant. Precondition:
// `schedule` breaks `name`.
Schedule shrunk(Schedule schedule, const std::string& name, const Options& options = {});

}  // namespace steward::simulation
