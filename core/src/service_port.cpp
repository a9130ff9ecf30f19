// The service: its port. The search, who answers on it, and the socket that is handed over to the
// app, with what is said when the app does not take it.
#include <algorithm>

#include "machine_step.hpp"
#include "steward/core/service.hpp"

namespace steward::core {

// ---- the search

void Service::perform_search(const SearchPort& action) {
    search_ = {};
    search_.excluded = action.excluded;
    std::sort(search_.excluded.begin(), search_.excluded.end());
    ask_ports(action.epoch);
}

void Service::ask_ports(std::uint64_t epoch) {
    PortQuestion question;
    question.address = config_.address;
    question.base = config_.base_port;
    question.first = config_.base_port;
    question.last = last_port();
    question.excluded = search_.excluded;
    question.attempt = ++search_.attempt;
    parts_.strategies.propose_ports(question,
                                    [this, epoch, alive = alive_](const PortProposal& proposal) {
                                        if (*alive && state_.epoch == epoch) {
                                            try_candidates(epoch, proposal);
                                        }
                                    });
}

std::uint16_t Service::last_port() const {
    return static_cast<std::uint16_t>(
        std::min<unsigned>(65535U, unsigned{config_.base_port} + config_.port_tries - 1U));
}

// "tried 3 ports from 5000".
std::string Service::port_tries_text() const {
    const auto count = search_.tried == 0 ? last_port() - config_.base_port + 1U : search_.tried;
    return (search_.tried == 0 ? "no strategy proposed any of " : "tried ") +
           std::to_string(count) + (count == 1 ? " port from " : " ports from ") +
           std::to_string(config_.base_port);
}

void Service::try_candidates(std::uint64_t epoch, const PortProposal& proposal) {
    std::size_t tried = 0;
    for (const auto port : proposal.candidates) {
        const bool in_range = port != 0 && port >= config_.base_port && port <= last_port();
        const bool allowed =
            in_range && !std::binary_search(search_.excluded.begin(), search_.excluded.end(), port);
        if (!allowed) {
            continue;
        }
        ++tried;
        const bool hand_over = config_.machine.port_mode == PortMode::kHandOver;
        const Status taken = hand_over ? parts_.port.take(config_.address, port)
                                       : parts_.port.test(config_.address, port);
        if (taken) {
            feed(PortFound{epoch, port, std::move(search_.skipped), "proposed by " + proposal.by});
            return;
        }
        search_.skipped.push_back({port, taken.error().text});
        search_.excluded.insert(
            std::upper_bound(search_.excluded.begin(), search_.excluded.end(), port), port);
        if (++search_.tried >= config_.port_tries) {
            break;
        }
    }
    if (tried == 0 || search_.tried >= config_.port_tries) {
        std::string cause = "no port can be had: " + port_tries_text();
        if (!search_.skipped.empty()) {
            cause += ", the last: " + search_.skipped.back().cause;
        }
        feed(PortNotFound{epoch, cause + "; free one or give another --port",
                          std::move(search_.skipped)});
        return;
    }
    ask_ports(epoch);
}

PortAnswer Service::port_answer() const {
    PortAnswer answer;
    answer.state = to_string(state_.state);
    answer.cause = state_.cause;
    const auto now = parts_.scheduler.now();
    if ((state_.state == State::kBackingOff || state_.state == State::kDegraded) &&
        state_.next_start_at > now) {
        answer.retry_after_s = static_cast<int>(to_ms(state_.next_start_at - now) / 1000) + 1;
    } else {
        answer.retry_after_s = 5;
    }
    return answer;
}

void Service::sync_responder() {
    parts_.scheduler.disarm(responder_timer_);
    responder_timer_ = 0;
    // While an exit waits for its last line, the port may be lost and the machine not know it yet.
    if (config_.machine.port_mode != PortMode::kHandOver || state_.port == 0 || port_closed_ ||
        pending_exit_) {
        return;
    }
    const auto now = parts_.scheduler.now();
    if (!answers_itself(state_, now)) {
        if (answering_) {
            parts_.port.stop_answering();
            answering_ = false;
        }
        return;
    }
    answering_ = true;
    parts_.port.answer(port_answer());
    if (state_.state == State::kBackingOff) {
        // From two seconds before the next start on, requests wait for it.
        responder_timer_ = parts_.scheduler.arm(state_.next_start_at - kBacklogWait, [this] {
            responder_timer_ = 0;
            sync_responder();
        });
    }
}

// ---- the hand-over

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
