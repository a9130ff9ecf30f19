// What follows a failure: the whole policy of plugin_name, as one pure function.
//
// An app that ends by itself with `done_code` has done its work and stays down. Any other end is a
// failure: the first is answered by a restart after step_ms, the second after twice that, and so
// on, at most cap_ms; failure number max_restarts + 1 is given up on. A start or stop by hand, or
// calm_ms of health, begins the count anew.
//
// Nothing here reads a clock, a random source or any state. That lets the host replay a history
// (`steward simulate`), and swap the policy under a running service.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include <steward/sdk.hpp>

namespace policy {

namespace sdk = steward::sdk;

// The defaults stand here, and only here; names, bounds and descriptions in the table below. The
// host makes `steward plugins` and `--set plugin_name.step_ms=500` of both.
struct Settings {
    std::int64_t step_ms = 1000;
    std::int64_t cap_ms = 60'000;
    std::int64_t calm_ms = 30'000;
    std::int64_t max_restarts = 10;
    std::int64_t done_code = 0;
};

// The host hands over 256 events at most, so a longer series could not be counted: hence 200.
inline constexpr std::array kFields{
    sdk::integer("step_ms", &Settings::step_ms, {0, 3'600'000},
                 "How much longer each further wait is, in milliseconds."),
    sdk::integer("cap_ms", &Settings::cap_ms, {0, 3'600'000}, "The longest wait, in milliseconds."),
    sdk::integer("calm_ms", &Settings::calm_ms, {1, 86'400'000},
                 "How long without a break an app must have been healthy for its failure to be the "
                 "first again, in milliseconds."),
    sdk::integer("max_restarts", &Settings::max_restarts, {0, 200},
                 "The restarts in one series; the failure after the last of them is given up on."),
    sdk::integer("done_code", &Settings::done_code, {-1, 255},
                 "The exit code that says that the work is done; -1: none does."),
};

inline bool is_manual(const steward_event& event) {
    return event.kind == STEWARD_EV_MANUAL_START || event.kind == STEWARD_EV_MANUAL_STOP;
}

// The failures in the series that ends with the last of `events`.
inline std::int64_t failures_in_series(std::span<const steward_event> events,
                                       std::int64_t calm_ms) {
    std::int64_t count = 0;
    for (auto event = events.rbegin(); event != events.rend() && !is_manual(*event); ++event) {
        ++count;
        if (event->healthy_for / 1'000'000 >= calm_ms) {
            break;
        }
    }
    return count;
}

// The wait before restart number `restart` (1, 2, 3 …). Chance adds less than one step, so that
// many services that failed together do not all come back together, and no wait is shorter than
// the one before it.
inline std::int64_t wait_ms(const Settings& settings, std::int64_t restart, std::uint64_t entropy) {
    const auto step = static_cast<std::uint64_t>(settings.step_ms);
    const auto chance = static_cast<std::int64_t>(step == 0 ? 0 : entropy % step) / 2;
    return std::min(settings.step_ms * restart + chance, settings.cap_ms);
}

// What has happened, in words: it is the beginning of the reason that people are shown.
inline std::string failure_text(const steward_event& event) {
    const std::string code = std::to_string(event.code);
    switch (event.kind) {
        case STEWARD_EV_EXIT:
            return "exit code " + code;
        case STEWARD_EV_SIGNAL:
            return "killed by signal " + code;
        case STEWARD_EV_HEALTH:
            return "failed health checks: " + code;
        case STEWARD_EV_START_TIMEOUT:
            return "not healthy in time after its start";
        case STEWARD_EV_SPAWN_FAILED:
            return "could not be started (errno " + code + ")";
        default:  // A later host may know more kinds.
            return "failure of kind " + std::to_string(event.kind);
    }
}

inline sdk::RestartDecision decide(const Settings& settings, const sdk::RestartQuestion& question) {
    const steward_event& last = question.events.back();
    if (last.kind == STEWARD_EV_MANUAL_STOP) {
        return {STEWARD_STAY_DOWN, {}, "stopped on request"};  // Never to be answered by RESTART.
    }
    if (last.kind == STEWARD_EV_MANUAL_START) {
        return {STEWARD_RESTART, {}, "started on request"};
    }
    if (last.kind == STEWARD_EV_EXIT && last.code == settings.done_code) {
        return {STEWARD_STAY_DOWN, {}, failure_text(last) + ": the work is done"};
    }
    const std::int64_t failures = failures_in_series(question.events, settings.calm_ms);
    if (failures > settings.max_restarts) {
        return {STEWARD_GIVE_UP,
                {},
                failure_text(last) + ": " + std::to_string(settings.max_restarts) +
                    " restarts without " + std::to_string(settings.calm_ms) + " ms of health"};
    }
    const std::int64_t wait = wait_ms(settings, failures, question.entropy);
    return {STEWARD_RESTART, std::chrono::milliseconds(wait),
            failure_text(last) + ": restart " + std::to_string(failures) + " of " +
                std::to_string(settings.max_restarts) + " in " + std::to_string(wait) + " ms (" +
                std::to_string(settings.step_ms) + " ms more each time, at most " +
                std::to_string(settings.cap_ms) + " ms)"};
}

}  // namespace policy
