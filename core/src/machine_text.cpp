// The names that people see of the machine's states, origins and exits.
#include <cstring>

#include "machine_step.hpp"

namespace steward::core {

// "1.5 s", "800 ms", "10 min".
std::string duration_text(Duration d) {
    const auto ms = to_ms(d);
    if (ms >= 60'000 && ms % 60'000 == 0) {
        return std::to_string(ms / 60'000) + " min";
    }
    if (ms >= 1000) {
        std::string s = std::to_string(ms / 1000);
        if (const auto tenths = ms % 1000 / 100; tenths != 0) {
            s += '.' + std::to_string(tenths);
        }
        return s + " s";
    }
    return std::to_string(ms) + " ms";
}

std::string port_list(const std::vector<std::uint16_t>& ports) {
    std::string s;
    for (const auto port : ports) {
        s += (s.empty() ? "" : ", ") + std::to_string(port);
    }
    return s;
}

// The last line of an app that could not bind: in general, of Werkzeug, of gunicorn.
bool names_port_in_use(const std::string& line) {
    return line.find("Address already in use") != std::string::npos ||
           (line.starts_with("Port ") &&
            line.find(" is in use by another program") != std::string::npos) ||
           line.find("[ERROR] Can't connect to (") != std::string::npos;
}

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
