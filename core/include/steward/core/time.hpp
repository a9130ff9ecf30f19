// Time inside the core: one monotonic clock, nanoseconds.
//
// Nothing here reads a clock: the current time always comes in from a Scheduler (scheduler.hpp), so
// that tests and the simulation can run on a virtual one.
#pragma once
#include <chrono>
#include <cstdint>

namespace steward::core {

using Duration = std::chrono::nanoseconds;

// The host's monotonic clock. Deliberately without now().
struct MonotonicClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock, duration>;
    static constexpr bool is_steady = true;
};
using TimePoint = MonotonicClock::time_point;

// Wall clock: for display, and for restart policies that mind the time of day.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

constexpr std::int64_t to_ms(Duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

}  // namespace steward::core
