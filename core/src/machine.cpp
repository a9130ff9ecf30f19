#include "machine_step.hpp"
#include "steward/restart.h"

namespace steward::core {

void Stepper::enter(State state, std::string cause) {
    if (s_.state != state) {
        s_.since = now_;
    }
    s_.state = state;
    s_.cause = std::move(cause);
    if (state != State::kRunning) {
        s_.healthy = false;
    }
    if (state != State::kDeciding) {
        s_.question = Question::kNone;
        s_.decision.reset();
    }
}

void Stepper::emit(EventName name, Severity severity, const std::string& cause, Fields fields) {
    Event event;
    event.name = name;
    event.severity = severity;
    event.generation = s_.generation;
    event.cause = cause;
    event.fields = std::move(fields);
    act(Emit{std::move(event)});
}

void Stepper::emit_skipped(const std::vector<SkippedPort>& skipped) {
    for (const auto& skip : skipped) {
        emit(EventName::kPortSkipped, Severity::kInfo, skip.cause,
             {{"port", std::int64_t{skip.port}}});
    }
}

void Stepper::disarm_all() {
    for (const auto timer : {TimerName::kStartup, TimerName::kProbe, TimerName::kBackoff,
                             TimerName::kShutdown, TimerName::kKill, TimerName::kDegraded}) {
        act(Disarm{timer});
    }
}

// ---- starting

void Stepper::begin_start(Origin origin, const std::string& cause) {
    disarm_all();
    ++s_.generation;
    if (origin == Origin::kAutomatic) {
        ++s_.restarts;
    }
    if (origin != Origin::kOtherPort) {
        s_.refused_ports.clear();
    }
    s_.origin = origin;
    s_.start_cause = cause;
    s_.ordered_at = now_;
    s_.spawned_at = now_;
    s_.startup.reset();
    s_.failures = 0;
    s_.unexcused = 0;
    s_.successes = 0;
    s_.evidence = {};
    s_.dumping = false;
    s_.attempt = 0;
    s_.answered = false;
    s_.last_detail.clear();
    s_.well_since.reset();
    s_.well_for = {};
    emit(EventName::kServiceStart, Severity::kInfo, cause,
         {{"origin", std::string(to_string(origin))}, {"restarts", signed_of(s_.restarts)}});
    if (c_.port_mode != PortMode::kNone && s_.port == 0) {
        search_port(cause);
    } else {
        order_spawn(cause);
    }
}

void Stepper::search_port(const std::string& cause) {
    enter(State::kDeciding, "looking for a port: " + cause);
    s_.question = Question::kPort;
    ++s_.epoch;
    act(SearchPort{s_.epoch, s_.refused_ports});
}

void Stepper::order_spawn(const std::string& cause) {
    enter(State::kStarting, cause);
    s_.tree = true;
    s_.kill_by.reset();
    s_.pid = 0;
    s_.startup_by = now_ + c_.startup_timeout;  // The search for a port is not the app's time.
    act(Spawn{s_.generation});
    act(Arm{TimerName::kStartup, s_.startup_by + kStartupGrace});
}

void Stepper::on(const PortFound& in) {
    if (s_.state != State::kDeciding || s_.question != Question::kPort || in.epoch != s_.epoch) {
        return;
    }
    emit_skipped(in.skipped);
    s_.port = in.port;
    emit(EventName::kPortChosen, Severity::kInfo, in.why, {{"port", std::int64_t{in.port}}});
    order_spawn("started on port " + std::to_string(in.port));
}

void Stepper::on(const PortNotFound& in) {
    if (s_.state != State::kDeciding || s_.question != Question::kPort || in.epoch != s_.epoch) {
        return;
    }
    emit_skipped(in.skipped);
    degrade(s_.refused_ports.empty()
                ? in.cause
                : in.cause + "; the app refused " + port_list(s_.refused_ports));
}

void Stepper::on(const PortLost& in) {
    if (in.instead_of_spawn &&
        (!s_.tree || s_.pid != 0 || (s_.state != State::kStarting && !taking_down()))) {
        return;
    }
    if (s_.port != 0) {
        emit(EventName::kPortSkipped, Severity::kWarning, in.cause,
             {{"port", std::int64_t{s_.port}}});
        s_.port = 0;
    }
    if (!in.instead_of_spawn) {
        return;
    }
    s_.tree = false;
    disarm_all();
    if (taking_down()) {
        follow();
    } else {
        search_port(in.cause);
    }
}

void Stepper::on(const Spawned& in) {
    if (!s_.tree || s_.pid != 0) {
        return;
    }
    s_.pid = in.pid;
    s_.spawned_at = now_;
    Fields fields{{"pid", std::int64_t{in.pid}}};
    if (s_.port != 0) {
        fields.emplace_back("port", std::int64_t{s_.port});
    }
    emit(EventName::kServiceStarted, Severity::kInfo, s_.cause, std::move(fields));
    if (s_.state != State::kStarting) {
        return;
    }
    if (c_.probes()) {
        probe();
    } else if (!c_.health_enabled) {
        become_running(/*healthy=*/true, "the health check is off, the process lives");
    } else {
        become_running(/*healthy=*/false, "no port to probe: give {port}, {fd} or --health none");
    }
}

void Stepper::on(const SpawnFailed& in) {
    if (!s_.tree || s_.pid != 0) {
        return;
    }
    s_.tree = false;
    disarm_all();
    if (taking_down()) {
        follow();
    } else if (in.retryable) {
        fail(STEWARD_EV_SPAWN_FAILED, in.sys_errno, in.cause);
    } else {
        enter(State::kMisconfigured, in.cause);
        emit(EventName::kServiceMisconfigured, Severity::kError, in.cause);
    }
}

Step step(const MachineConfig& config, MachineState state, const Input& input, TimePoint now) {
    Step result{std::move(state), {}};
    Stepper stepper(config, result.state, result.actions, now);
    std::visit([&](const auto& in) { stepper.on(in); }, input);
    return result;
}

bool answers_itself(const MachineState& state, TimePoint now) {
    switch (state.state) {
        case State::kStopped:
        case State::kMisconfigured:
        case State::kDegraded:
        case State::kUnkillable:
            return true;
        case State::kBackingOff:
            return state.next_start_at - now > kBacklogWait;
        case State::kStarting:
        case State::kRunning:
        case State::kUnhealthy:
        case State::kDeciding:
        case State::kStopping:
            return false;
    }
    return false;
}

}  // namespace steward::core
