// What an app that has not answered a probe in time is doing: two looks at its processes and at its
// accept queue, and what follows from them. Values only; OsLinux::look() (app_activity_linux.cpp)
// takes the looks.
//
//   dead      gone, or a zombie
//   traced    stopped, and a tracer (a debugger) is attached
//   stopped   by a signal
//   busy      its processes used, or waited for, half a processor core or more between the looks
//             (waiting counts: on a crowded machine it is not the app that is slow), or it took
//             connections out of an accept queue that had been left waiting
//   hung      none of these
//   unknown   it cannot be looked at, or not at enough of it and what was looked at is not busy
// An app whose threads all wait for something slow and far away looks hung: so does a deadlock.
//
// Pure; any thread.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "steward/core/time.hpp"

namespace steward::core {

enum class Condition {
    kNotAsked,  // it answered, or the probe said nothing: there is nothing to explain
    kUnknown,
    kBusy,
    kHung,
    kStopped,
    kTraced,
    kDead,
};
// "busy"; "" for kNotAsked.
std::string_view to_string(Condition condition);

struct Evidence {
    Condition condition = Condition::kNotAsked;
    // "busy: used 97 % of a core over the last 15.0 s, 3 connections wait"; empty for kNotAsked.
    std::string text;

    // Reasons not to answer that pass by themselves: the app is left alone for busy_limit.
    bool excuses() const {
        return condition == Condition::kBusy || condition == Condition::kTraced;
    }
};

// One look. All times count from the beginning of each process.
struct AppLook {
    struct Times {
        Duration used{};  // on a processor, by itself
        // Runnable, without a processor; none: not all of its threads could be looked at.
        std::optional<Duration> waited;
        Duration reaped{};  // on a processor, by those of its children that it has reaped
    };
    TimePoint at{};
    std::string unreadable;                   // why nothing is known; the rest is empty then
    bool gone = false;                        // there is no such process
    char state = '?';                         // of the app's process, as in /proc/PID/stat
    std::string tracer;                       // of a stopped one: "4242 (gdb)"; empty: none
    std::map<std::int32_t, Times> processes;  // the app's tree, its guardian included
    // Not all of its processes and threads: what is not in `processes` may be anything.
    bool truncated = false;
    std::optional<std::uint32_t> queued;  // connections that it has not accepted; none: unknown
};

// `before` must be of the same instance.
Evidence weigh(const AppLook& before, const AppLook& now);

}  // namespace steward::core
