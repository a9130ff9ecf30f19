// The pure part of restart_backoff: from the history of a service to the next step.
//
// A failure is every event but a manual start or stop; an exit with code 0 is one too, because a
// server is meant to stay up. Failures form a series. A series ends at a manual start or stop, and
// a failure of an instance that had been healthy for `stable_ms` begins a new one and is its first.
// Failure number k is answered by a restart after base_ms * factor^(k-1), at most cap_ms, give or
// take the jitter, as long as k <= max_restarts; then by giving up. A manual stop is never answered
// by a restart.
//
// Nothing here reads a clock, a random source or any state: the same question has the same answer,
// byte for byte. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include <steward/sdk/restart.hpp>
#include <steward/sdk/settings.hpp>

namespace steward::restart_backoff {

struct Settings {
    std::int64_t base_ms = 250;
    double factor = 2;
    std::int64_t cap_ms = 30'000;
    std::int64_t jitter_percent = 20;
    std::int64_t stable_ms = 60'000;
    std::int64_t max_restarts = 5;
};

// One hour is far beyond a sensible backoff and far below the one day that the ABI allows. The host
// hands over 256 events at most, so a longer series could not be counted: hence 200.
inline constexpr std::array kFields{
    sdk::integer("base_ms", &Settings::base_ms, {0, 3'600'000},
                 "The delay before the first restart of a series, in milliseconds."),
    sdk::number("factor", &Settings::factor, {1, 100},
                "What the delay is multiplied by for each further restart."),
    sdk::integer("cap_ms", &Settings::cap_ms, {0, 3'600'000},
                 "The longest delay, jitter included, in milliseconds."),
    sdk::integer("jitter_percent", &Settings::jitter_percent, {0, 100},
                 "How far a delay may be off to either side, in percent of itself."),
    sdk::integer("stable_ms", &Settings::stable_ms, {0, 86'400'000},
                 "How long without a break an instance must have been healthy for its failure to "
                 "begin a new series, in milliseconds."),
    sdk::integer("max_restarts", &Settings::max_restarts, {0, 200},
                 "The restarts in one series; the failure after the last of them is given up on."),
};

// How many failures the series has that ends with the last of `events`; 0 if that is no failure.
[[nodiscard]] std::int64_t failures_in_series(std::span<const steward_event> events,
                                              std::int64_t stable_ms) noexcept;

// The delay before restart number `restart` (1, 2, 3 …) in whole milliseconds, 0 to cap_ms.
// `entropy` chooses it within the jitter.
[[nodiscard]] std::int64_t delay_ms(const Settings& settings, std::int64_t restart,
                                    std::uint64_t entropy) noexcept;

// `question.events` is not empty. Throws only bad_alloc.
[[nodiscard]] sdk::RestartDecision decide(const Settings& settings,
                                          const sdk::RestartQuestion& question);

}  // namespace steward::restart_backoff
