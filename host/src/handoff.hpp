// How the app comes to its port: --handoff, and what `auto` makes of a command.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "options.hpp"
#include "steward/core/machine.hpp"
#include "steward/core/result.hpp"

namespace steward::host {

struct Handoff {
    std::string mode;  // "flag", "listen-fds", "werkzeug" or "port"; empty: the app has no port
    std::string why;   // "{fd} is in its arguments"
    core::PortMode port_mode = core::PortMode::kNone;
    bool listen_variables = false;  // LISTEN_FDS and LISTEN_PID tell of the socket
    std::vector<std::pair<std::string, std::string>> environment;  // and so do these
    bool any_port = true;  // false: the app is not told its port, so there is only the one
    std::string advice;    // for causes: how it was chosen, and what to try instead
    std::string meaning;   // for people: what the app is given
};

// From the command line alone. Failure: what contradicts what, and what to do.
core::Result<Handoff> choose_handoff(const Options& options);

}  // namespace steward::host
