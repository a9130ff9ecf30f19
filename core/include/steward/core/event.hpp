// Events: what happened to a service. The event log is the one history; logs and notifications are
// made from it.
//
// Plain values; any thread may hold a copy. The core emits them on the loop thread and has no
// logger of its own.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "steward/core/time.hpp"

namespace steward::core {

enum class EventName {
    kServiceStart,      // a start begins (fields: origin)
    kServiceStarted,    // exec succeeded (pid, port)
    kServiceHealthy,    // the first healthy answer, or one after failures (startup_ms, restarts,
                        // port)
    kServiceUnhealthy,  // failed its checks or its start-up time; it is being taken down
    kServiceExit,       // the app's process ended (code or signal, uptime_ms; output_tail: the last
                        // lines of its stderr)
    kServiceRestartScheduled,  // the restart strategy said when (delay_ms, restarts)
    kServiceDegraded,          // given up; tried once in a while (next_restart_ms)
    kServiceMisconfigured,     // cannot work before somebody changes something
    kServiceUnkillable,        // SIGKILL did not empty the tree in time
    kServiceStop,              // a stop begins
    kServiceStopped,           // stopped, the tree is empty
    kPortChosen,               // port
    kPortSkipped,              // port
    kProbeFailed,              // failures
    kMetrics,                  // the sample's values
    kPluginLate,               // plugin, call
    kPluginQuarantined,        // plugin, call
    kPluginSwapped,            // plugin
    kOutputDegraded,           // the file does not take all that the app writes
    kOutputResumed,            // it does again (dropped_lines, dropped_bytes since)
};

enum class Severity { kDebug, kInfo, kWarning, kError };

// The name as logs and clients see it: "service.start".
std::string_view to_string(EventName name);
std::string_view to_string(Severity severity);

using FieldValue = std::variant<std::int64_t, double, bool, std::string>;
using Fields = std::vector<std::pair<std::string, FieldValue>>;

struct Event {
    EventName name{};
    Severity severity = Severity::kInfo;
    std::string service;
    std::uint64_t generation = 0;
    std::string cause;  // one sentence
    Fields fields;
    // Set by the service that publishes it.
    std::uint64_t sequence = 0;  // 1, 2, 3 … within this supervisor
    TimePoint at{};
    WallTime wall{};
};

}  // namespace steward::core
