// The service: what is told of it, and who waits for that.
#include "steward/core/service.hpp"

namespace steward::core {
namespace {

std::string url_of(const std::string& address, std::uint16_t port) {
    const bool v6 = address.find(':') != std::string::npos;
    return "http://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

}  // namespace

bool Service::settled(bool for_stop) const {
    if (for_stop) {
        // Stopped, unkillable, or a later start has won.
        const bool last = state_.after == MachineState::After::kStopped ||
                          state_.after == MachineState::After::kFinish;
        return state_.state != State::kStopping || !last;
    }
    switch (state_.state) {
        case State::kStopped:
        case State::kUnkillable:
        case State::kBackingOff:
        case State::kDegraded:
        case State::kMisconfigured:
        case State::kRunning:
            return true;
        case State::kStarting:
        case State::kUnhealthy:
        case State::kDeciding:
        case State::kStopping:
            return false;
    }
    return false;
}

void Service::settle_waiters() {
    if (stepping_ || waiters_.empty()) {
        return;
    }
    std::vector<Waiter> ready;
    for (auto it = waiters_.begin(); it != waiters_.end();) {
        if (settled(it->for_stop)) {
            ready.push_back(std::move(*it));
            it = waiters_.erase(it);
        } else {
            ++it;
        }
    }
    if (ready.empty()) {
        return;
    }
    const auto now = status();
    for (const auto& waiter : ready) {
        waiter.settled(now);
    }
}

WallTime Service::wall_of(TimePoint at) const {
    return parts_.os.wall() -
           std::chrono::duration_cast<std::chrono::microseconds>(parts_.scheduler.now() - at);
}

void Service::note_times() {
    const auto note = [this](Stamp& stamp, TimePoint at) {
        if (stamp.at != at || stamp.wall == WallTime{}) {
            stamp = at == step_.at ? step_ : Stamp{at, wall_of(at)};
        }
    };
    note(since_, state_.since);
    if (state_.last_exit) {
        note(exit_at_, state_.last_exit->at);
    }
}

ServiceStatus Service::status() const {
    const auto now = parts_.scheduler.now();
    ServiceStatus out;
    out.service = config_.name;
    out.state = state_.state;
    out.since = since_.wall;
    out.cause = state_.cause;
    if (state_.state == State::kUnkillable) {
        if (const auto tree = parts_.guardian.describe_tree(); !tree.empty()) {
            out.cause += ": " + tree;
        }
    }
    out.healthy = state_.healthy && state_.pid != 0 && parts_.os.runs(state_.pid);
    out.port = state_.port;
    if (state_.port != 0) {
        out.url = url_of(config_.address, state_.port);
    }
    out.pid = state_.pid;
    out.restarts = state_.restarts;
    out.generation = state_.generation;
    if (state_.tree) {
        out.instance_id = instance_id_;
    }
    if (state_.pid != 0) {
        out.uptime_s = std::chrono::duration<double>(now - state_.spawned_at).count();
    }
    if (state_.pid != 0 && state_.startup) {
        out.startup_ms = to_ms(*state_.startup);
    }
    if (state_.last_exit) {
        const auto& exit = *state_.last_exit;
        out.last_exit = ServiceStatus::Exit{exit.signaled, exit.code, exit_at_.wall, exit.cause};
    }
    if (state_.state == State::kBackingOff || state_.state == State::kDegraded) {
        out.next_restart_ms = std::max<std::int64_t>(0, to_ms(state_.next_start_at - now));
    }
    out.metrics = metrics_;
    out.plugins = parts_.strategies.names();
    out.output = parts_.output.counters();
    return out;
}

}  // namespace steward::core
