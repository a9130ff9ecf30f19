// The names that people see of the machine's states, origins and exits.
#include <cstring>

#include "steward/core/machine.hpp"

namespace steward::core {

std::string describe_exit(bool signaled, int code) {
    if (!signaled) {
        return "exit code " + std::to_string(code);
    }
    const char* name = sigabbrev_np(code);
    return "killed by signal " + std::to_string(code) +
           (name ? " (SIG" + std::string(name) + ")" : "");
}

std::string_view to_string(State state) {
    switch (state) {
        case State::kStopped:
            return "stopped";
        case State::kStarting:
            return "starting";
        case State::kRunning:
            return "running";
        case State::kUnhealthy:
            return "unhealthy";
        case State::kDeciding:
            return "deciding";
        case State::kBackingOff:
            return "backing_off";
        case State::kStopping:
            return "stopping";
        case State::kDegraded:
            return "degraded";
        case State::kMisconfigured:
            return "misconfigured";
        case State::kUnkillable:
            return "unkillable";
    }
    return "unknown";
}

std::string_view to_string(Origin origin) {
    switch (origin) {
        case Origin::kClient:
            return "client";
        case Origin::kRequest:
            return "request";
        case Origin::kAutomatic:
            return "automatic";
        case Origin::kHalfOpen:
            return "half_open";
        case Origin::kOtherPort:
            return "other_port";
        case Origin::kFilesChanged:
            return "files_changed";
    }
    return "unknown";
}

}  // namespace steward::core
