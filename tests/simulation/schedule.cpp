#include "schedule.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "random.hpp"

namespace steward::simulation {
namespace {

using namespace std::chrono_literals;
using core::Duration;
using core::PortMode;
using core::Verdict;
using tests::Random;

template <class T, std::size_t N>
const T& pick(Random& random, const std::array<T, N>& from) {
    return from[random.below(N)];
}

core::ServiceConfig config_of(Random& random) {
    core::ServiceConfig config;
    config.name = "app";
    config.argv = {"python3", "/app/app.py", "--port", "{port}"};
    config.script = "/app/app.py";
    config.watch_folder = "/app";
    config.watch_program = "app.py";
    config.port_tries = 6;
    config.metrics_interval = random.one_in(4) ? Duration(10s) : Duration{};
    auto& machine = config.machine;
    constexpr std::array kModes{PortMode::kHandOver, PortMode::kHandOver, PortMode::kHandOver,
                                PortMode::kHandOver, PortMode::kOwnBind,  PortMode::kOwnBind,
                                PortMode::kOwnBind,  PortMode::kNone};
    machine.port_mode = pick(random, kModes);
    machine.health_enabled = !random.one_in(10);
    machine.health_failures = 1 + static_cast<int>(random.below(3));
    machine.health_successes = random.one_in(3) ? 1 + static_cast<int>(random.below(3)) : 1;
    machine.busy_limit = pick(random, std::array<Duration, 4>{0s, 7s, 20s, 60s});
    if (random.one_in(2)) {
        config.stack_dump = {10, "most recent call first"};
    }
    machine.startup_timeout = pick(random, std::array<Duration, 3>{500ms, 3s, 30s});
    machine.startup_ports = static_cast<int>(random.below(4));
    machine.shutdown_timeout = pick(random, std::array<Duration, 3>{50ms, 1s, 10s});
    machine.kill_timeout = pick(random, std::array<Duration, 2>{1s, 5s});
    machine.degraded_retry = pick(random, std::array<Duration, 3>{1s, 10s, 60s});
    machine.degraded_retry_cap = pick(random, std::array<Duration, 2>{20s, 600s});
    return config;
}

Kind kind_of(Random& random) {
    struct Weight {
        Kind kind;
        unsigned weight;
    };
    static constexpr std::array kWeights{
        Weight{Kind::kClientStart, 1},    Weight{Kind::kStart, 10},
        Weight{Kind::kStop, 7},           Weight{Kind::kRestart, 6},
        Weight{Kind::kExit, 1},           Weight{Kind::kExitNow, 1},
        Weight{Kind::kNextApp, 24},       Weight{Kind::kEnds, 16},
        Weight{Kind::kHealth, 12},        Weight{Kind::kFreezes, 4},
        Weight{Kind::kThaws, 4},          Weight{Kind::kBusy, 10},
        Weight{Kind::kHidden, 2},         Weight{Kind::kIgnoresTerm, 4},
        Weight{Kind::kUnkillable, 3},     Weight{Kind::kReleased, 4},
        Weight{Kind::kLeavesChildren, 3}, Weight{Kind::kGuardianDies, 5},
        Weight{Kind::kPortTaken, 6},      Weight{Kind::kPortFreed, 5},
        Weight{Kind::kSocketShut, 3},     Weight{Kind::kStranger, 3},
        Weight{Kind::kRestartAnswers, 5}, Weight{Kind::kPortAnswers, 5},
        Weight{Kind::kQuarantined, 2},    Weight{Kind::kFileChanges, 4},
        Weight{Kind::kScriptMissing, 3},  Weight{Kind::kOutputFails, 2},
        Weight{Kind::kLineSlow, 2},       Weight{Kind::kWallJumps, 3},
        Weight{Kind::kStalls, 4},         Weight{Kind::kSuspends, 4}};
    static_assert(kWeights.size() == kKinds);
    unsigned total = 0;
    for (const auto& weight : kWeights) {
        total += weight.weight;
    }
    auto left = random.below(total);
    for (const auto& weight : kWeights) {
        if (left < weight.weight) {
            return weight.kind;
        }
        left -= weight.weight;
    }
    return Kind::kStart;
}

// Often at once or within the few milliseconds in which the interesting things overlap.
Duration gap_of(Random& random) {
    constexpr std::array<Duration, 12> kScales{0ms,   1ms,    3ms, 20ms, 60ms, 200ms,
                                               500ms, 1500ms, 4s,  10s,  30s,  90s};
    const Duration scale = pick(random, kScales);
    return scale + scale * static_cast<Duration::rep>(random.below(1000)) / 1000;
}

}  // namespace

const char* name_of(Kind kind) {
    static constexpr std::array kNames{"a client comes",
                                       "start",
                                       "stop",
                                       "restart",
                                       "exit",
                                       "exit at once",
                                       "next app",
                                       "app ends",
                                       "health",
                                       "app freezes",
                                       "app thaws",
                                       "app busy",
                                       "app hidden",
                                       "TERM ignored",
                                       "unkillable",
                                       "released",
                                       "children stay",
                                       "guardian dies",
                                       "port taken",
                                       "port freed",
                                       "socket shut",
                                       "stranger",
                                       "restart answers",
                                       "port answers",
                                       "quarantined",
                                       "file changes",
                                       "script missing",
                                       "output fails",
                                       "line slow",
                                       "wall jumps",
                                       "loop stalls",
                                       "suspend"};
    static_assert(kNames.size() == kKinds);
    return kNames[static_cast<std::size_t>(kind)];
}

std::string to_string(const Item& item) {
    char text[96];
    std::snprintf(text, sizeof text, "%12.3f ms  %s (value %llu)",
                  std::chrono::duration<double, std::milli>(item.at).count(), name_of(item.kind),
                  static_cast<unsigned long long>(item.value));
    return text;
}

Schedule schedule_of(std::uint64_t seed) {
    Random random(seed);
    Schedule schedule;
    schedule.seed = seed;
    schedule.config = config_of(random);
    const auto count = 3 + random.below(30);
    Duration at{};
    if (!random.one_in(8)) {
        if (random.one_in(2)) {
            schedule.items.push_back({at, Kind::kNextApp, random.below(10'000)});
        }
        schedule.items.push_back({at, Kind::kClientStart, 0});
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        at += gap_of(random);
        const Kind kind = kind_of(random);
        schedule.items.push_back({at, kind, random.below(10'000)});
        if (is_request(kind) && random.one_in(4)) {  // Two at once.
            schedule.items.push_back(
                {at, static_cast<Kind>(random.below(4)), random.below(10'000)});
        }
    }
    return schedule;
}

AppPlan plan_of(std::uint64_t value) {
    Random random(value);
    AppPlan plan;
    plan.exec_takes = pick(random, std::array<Duration, 6>{1ms, 2ms, 2ms, 150ms, 2s, 40s});
    plan.healthy_after = pick(random, std::array<Duration, 4>{5ms, 50ms, 400ms, 6s});
    plan.report_takes = pick(random, std::array<Duration, 4>{0ms, 0ms, 1ms, 30ms});
    plan.term_takes = pick(random, std::array<Duration, 4>{1ms, 20ms, 700ms, 3s});
    plan.kill_takes = pick(random, std::array<Duration, 4>{1ms, 1ms, 40ms, 1500ms});
    switch (random.below(10)) {
        case 0: {
            constexpr std::array kErrors{ENOENT, EACCES, ENOEXEC, EAGAIN, ENOMEM};
            const int error = pick(random, kErrors);
            plan.spawn_error = core::SpawnFailed{"it could not be spawned", error,
                                                 error == EAGAIN || error == ENOMEM};
            break;
        }
        case 1:
        case 2:
        case 3: {
            const auto end = end_of(random.next());
            plan.ends_after = pick(random, std::array<Duration, 5>{0ms, 3ms, 80ms, 2s, 70s});
            plan.ends_by_signal = end.signaled;
            plan.end_code = end.code;
            plan.last_line = end.last_stderr_line;
            break;
        }
        case 4:
            plan.healthy_after.reset();
            break;
        case 5:
            plan.term_takes.reset();
            break;
        case 6:
            plan.leaves_children = true;
            break;
        case 7:
            plan.kill_takes.reset();
            plan.term_takes.reset();
            break;
        default:
            break;
    }
    return plan;
}

core::Exited end_of(std::uint64_t value) {
    Random random(value);
    if (random.one_in(3)) {
        return {true, pick(random, std::array{9, 11, 6, 15}), {}, {}};
    }
    constexpr std::array kCodes{0, 1, 1, 1, 3, 78, 98, 126, 127};
    constexpr std::array kLines{"", "", "ImportError: no module named flask",
                                "OSError: [Errno 98] Address already in use", "ValueError: x"};
    const int code = pick(random, kCodes);
    return {false, code, pick(random, kLines), {}};
}

std::optional<FakeWorld::Health> health_of(std::uint64_t value) {
    using Health = FakeWorld::Health;
    switch (value % 8) {
        case 0:
            return Health{Verdict::kUnhealthy, "GET /health: 500", 1ms, false};
        case 1:
            return Health{Verdict::kHealthy, "GET /health: 200", 1800ms, false};
        case 2:
            return Health{Verdict::kHealthy, "GET /health: 200", 2500ms, false};
        case 3:
            return Health{Verdict::kHealthy, "", std::nullopt, false};
        case 4:
            return Health{Verdict::kUnknown, "no socket could be made", 1ms, false};
        case 5:
            return Health{Verdict::kHealthy, "GET /health: 200", 1ms, true};
        case 6:
            return Health{Verdict::kUnknown, "the plugin did not answer", std::nullopt, false};
        default:
            return std::nullopt;
    }
}

}  // namespace steward::simulation
