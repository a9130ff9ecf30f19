// The service: the socket that is handed over to the app, and what is said when the app does not take
// it.
#include "machine_step.hpp"
#include "steward/core/service.hpp"

namespace steward::core {

// The socket, listening; -1: it is lost.
int Service::held_listener() {
    const int listener = parts_.port.listener();
    if (listener < 0) {
        answering_ = false;
    }
    return listener;
}

PortLost Service::port_lost(bool instead_of_spawn) const {
    return {"port " + std::to_string(state_.port) +
                " is lost: the app shut the listening socket down, and another process has taken "
                "the port",
            instead_of_spawn};
}

// What to add to a start-up whose last probe was not answered: if nobody has accepted it, it still
// waits in the backlog.
std::string Service::not_taken() const {
    if (config_.machine.port_mode != PortMode::kHandOver || config_.hand_over_advice.empty()) {
        return {};
    }
    const auto why = parts_.port.not_accepted(parts_.guardian.guardian_pid());
    return why.empty() ? why : "; " + why + "; " + config_.hand_over_advice;
}

// What to add to the end of an app that found its port taken: by the socket that it was given.
std::string Service::binds_itself(const std::string& last_line) const {
    const bool told = config_.machine.port_mode == PortMode::kHandOver &&
                      !config_.hand_over_advice.empty() && names_port_in_use(last_line);
    return told ? "the app binds a port by itself; " + config_.hand_over_advice : std::string();
}

}  // namespace steward::core
