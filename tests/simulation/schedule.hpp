// A schedule: what happens to one service and when, as data. Made from a seed, the same everywhere;
// its parts stand for themselves, so that a failing schedule can be made smaller by leaving some
// out.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "steward/core/service.hpp"
#include "steward/core/simulation/fake_world.hpp"

namespace steward::simulation {

enum class Kind {
    // Requests.
    kClientStart,
    kStart,
    kStop,
    kRestart,
    kExit,
    kExitNow,
    // The app and its guardian.
    kNextApp,  // how the next instance behaves; else it is well
    kEnds,
    kHealth,
    kFreezes,  // stopped by a signal, or by a debugger
    kThaws,
    kBusy,    // it uses a core and answers no probe; until it does no more
    kHidden,  // what it is doing cannot be seen
    kIgnoresTerm,
    kUnkillable,
    kReleased,
    kLeavesChildren,
    kGuardianDies,
    // Ports.
    kPortTaken,
    kPortFreed,
    kSocketShut,  // the app shuts the listening socket at its end, and a stranger takes the port
    kStranger,
    // Strategies.
    kRestartAnswers,
    kPortAnswers,
    kQuarantined,
    // Files and time.
    kFileChanges,
    kScriptMissing,
    kOutputFails,
    kLineSlow,
    kWallJumps,
    kStalls,
    kSuspends,
};
inline constexpr int kKinds = static_cast<int>(Kind::kSuspends) + 1;
const char* name_of(Kind kind);
constexpr bool is_request(Kind kind) {
    return kind <= Kind::kExitNow;
}

struct Item {
    core::Duration at{};  // from the schedule's beginning
    Kind kind{};
    std::uint64_t value = 0;  // what the kind makes of it
};
// "  1204.000 ms  ends (value 17)"
std::string to_string(const Item& item);

struct Schedule {
    std::uint64_t seed = 0;
    core::ServiceConfig config;
    std::vector<Item> items;  // by their time
};

Schedule schedule_of(std::uint64_t seed);

// How an instance behaves by a kNextApp of this value.
AppPlan plan_of(std::uint64_t value);
// How an app ends by a kEnds of this value, and its last line on stderr.
core::Exited end_of(std::uint64_t value);
// What probes are answered by a kHealth of this value; none: as the app's plan says.
std::optional<FakeWorld::Health> health_of(std::uint64_t value);

}  // namespace steward::simulation
