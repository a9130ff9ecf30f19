// The state machine: the end of an instance, the empty tree, and the question what follows a
// failure.
#include <algorithm>
#include <array>
#include <string_view>

#include "machine_step.hpp"
#include "steward/restart.h"

namespace steward::core {
namespace {

// The interpreter says that the program itself is wrong: no restart mends that.
bool names_broken_code(const std::string& line) {
    constexpr std::array kNames{"SyntaxError", "IndentationError", "ImportError",
                                "ModuleNotFoundError"};
    return std::any_of(kNames.begin(), kNames.end(),
                       [&](const char* name) { return line.find(name) != std::string::npos; });
}

// The failure and the policy's reason in one sentence; a policy that begins with the failure too
// ("exit code 3: restart 1 of 5 in 250 ms") does not say it twice.
std::string with_reason(const std::string& cause, std::string why) {
    const auto colon = why.find(": ");
    const auto ends_there = [&cause](std::size_t at) {
        return at == cause.size() || std::string_view(":;,").find(cause[at]) != std::string::npos;
    };
    if (colon != std::string::npos && cause.starts_with(why.substr(0, colon)) &&
        ends_there(colon)) {
        why.erase(0, colon + 2);
    }
    return why.empty() ? cause : cause + "; " + why;
}

}  // namespace

// Precondition: something of the tree may exist.
void Stepper::take_down(State state, After after, const std::string& cause) {
    const bool had_process = s_.pid != 0 || s_.state == State::kStarting;
    cancel_probe();
    disarm_all();
    enter(state, cause);
    s_.after = after;
    s_.after_cause = cause;
    if (had_process) {
        terminate();
    } else {
        kill_rest();
    }
}

void Stepper::terminate() {
    act(Terminate{});
    act(Arm{TimerName::kShutdown, now_ + (s_.exiting ? c_.exit_timeout : c_.shutdown_timeout)});
}

// For failed probes. Why it did not answer is known best by its stacks; a process that stands still
// cannot write them down, and one that answers does not need to. One that has never been healthy
// may not know the signal yet, and would be killed by it.
void Stepper::take_down_failed(After after, const std::string& cause) {
    const auto condition = s_.evidence.condition;
    s_.dumping = c_.stack_dump && s_.pid != 0 && s_.startup &&
                 (condition == Condition::kBusy || condition == Condition::kHung ||
                  condition == Condition::kUnknown);
    if (!s_.dumping) {
        take_down(State::kUnhealthy, after, cause);
        return;
    }
    cancel_probe();
    disarm_all();
    enter(State::kUnhealthy, cause);
    s_.after = after;
    s_.after_cause = cause;
    act(DumpStack{s_.generation});
    act(Arm{TimerName::kShutdown, now_ + kDumpTime + kDumpGrace});
}

void Stepper::end_dump(const std::string& what) {
    s_.dumping = false;
    if (s_.state == State::kUnhealthy && s_.cause == s_.after_cause) {
        s_.cause += "; " + what;  // Nobody has asked for something else meanwhile.
        s_.after_cause = s_.cause;
    }
    terminate();
}

void Stepper::on(const DumpEnded& in) {
    if (s_.dumping && in.generation == s_.generation) {
        end_dump(in.came ? "stack dump in the app's log" : "it wrote no stack dump");
    }
}

void Stepper::kill_rest() {
    s_.dumping = false;
    act(Disarm{TimerName::kShutdown});
    act(Kill{});
    // The first SIGKILL fixes the end; what happens afterwards does not move it.
    if (!s_.exiting) {
        if (!s_.kill_by) {
            s_.kill_by = now_ + c_.kill_timeout;
        }
        act(Arm{TimerName::kKill, std::max(now_, *s_.kill_by)});
        return;
    }
    if (!s_.exit_by) {
        s_.exit_by = now_ + c_.exit_kill_timeout;
    }
    act(Arm{TimerName::kKill, std::max(now_, *s_.exit_by)});
}

void Stepper::on(const Exited& in) {
    if (!s_.tree || s_.pid == 0) {
        return;
    }
    std::string cause = describe_exit(in.signaled, in.code);
    if (!in.last_stderr_line.empty() && !in.signaled && in.code != 0) {
        cause += ": " + in.last_stderr_line;
    }
    if (!in.note.empty()) {
        cause += "; " + in.note;
    }
    if (s_.well_since) {
        s_.well_for = std::max(s_.well_for, now_ - *s_.well_since);
    }
    s_.pid = 0;
    s_.healthy = false;
    s_.dumping = false;
    s_.last_exit = LastExit{in.signaled, in.code, now_, cause};
    cancel_probe();
    act(Disarm{TimerName::kStartup});
    act(Disarm{TimerName::kProbe});
    Fields fields{{in.signaled ? "signal" : "code", std::int64_t{in.code}},
                  {"uptime_ms", to_ms(now_ - s_.spawned_at)}};
    if (!in.output_tail.empty()) {
        fields.emplace_back("output_tail", in.output_tail);
    }
    emit(EventName::kServiceExit, alive() ? Severity::kWarning : Severity::kInfo, cause,
         std::move(fields));
    if (taking_down()) {
        if (s_.state != State::kUnkillable) {
            kill_rest();
        }
    } else {
        spontaneous_exit(in, cause);
    }
}

void Stepper::spontaneous_exit(const Exited& in, const std::string& cause) {
    // Once it has run, an exit is for the restart strategy, or a loop over ports would go round its
    // budget.
    const bool starting_up = s_.state == State::kStarting || (!c_.probes() && now_ < s_.startup_by);
    const bool code = !in.signaled;
    // Without probes there is no first healthy answer: the start-up time stands for it.
    const bool before_health = c_.probes() ? !s_.startup : now_ < s_.startup_by;
    const bool cannot_run = code && (in.code == 78 || in.code == 126 || in.code == 127);
    const bool broken_code =
        code && in.code == 1 && before_health && names_broken_code(in.last_stderr_line);
    const bool bind_refused =
        code && (in.code == 98 || (in.code != 0 && names_port_in_use(in.last_stderr_line)));
    s_.after_cause = cause;
    if (cannot_run || broken_code) {
        enter(State::kStopping, cause);
        s_.after = After::kMisconfigured;
    } else if (bind_refused && c_.port_mode == PortMode::kOwnBind && starting_up) {
        enter(State::kStopping, cause);
        s_.after = After::kOtherPort;
    } else {
        fail(in.signaled ? STEWARD_EV_SIGNAL : STEWARD_EV_EXIT, in.code, cause);
    }
    kill_rest();
}

void Stepper::on(const TreeEmpty&) {
    if (!s_.tree || s_.pid != 0 || alive()) {
        return;
    }
    s_.tree = false;
    act(Disarm{TimerName::kShutdown});
    act(Disarm{TimerName::kKill});
    if (taking_down()) {
        follow();
    } else if (s_.state == State::kDeciding && s_.decision) {
        const Decided decision = *s_.decision;
        apply(decision);
    }
}

// The tree is empty: what was to come next comes now.
void Stepper::follow() {
    const std::string cause = s_.after_cause;
    switch (s_.after) {
        case After::kStopped:
            enter(State::kStopped, cause);
            emit(EventName::kServiceStopped, Severity::kInfo, cause);
            break;
        case After::kFinish:
            finish();
            break;
        case After::kDecide:
            ask_restart(cause);
            break;
        case After::kStart:
            begin_start(s_.after_origin, cause);
            break;
        case After::kOtherPort:
            next_port(cause);
            break;
        case After::kMisconfigured:
            enter(State::kMisconfigured, cause);
            emit(EventName::kServiceMisconfigured, Severity::kError, cause);
            break;
    }
}

void Stepper::next_port(const std::string& cause) {
    s_.refused_ports.push_back(s_.port);
    emit(EventName::kPortSkipped, Severity::kInfo, cause, {{"port", std::int64_t{s_.port}}});
    s_.port = 0;
    if (s_.refused_ports.size() > static_cast<std::size_t>(c_.startup_ports)) {
        degrade("the app came up on none of the ports " + port_list(s_.refused_ports) +
                "; the last: " + cause);
    } else {
        begin_start(Origin::kOtherPort, "another port: " + cause);
    }
}

// ---- after a failure

void Stepper::remember(std::uint32_t kind, int code) {
    if (s_.history.size() >= kHistoryLimit) {
        s_.history.erase(s_.history.begin());
    }
    Duration well = s_.well_for;
    if (s_.well_since) {
        well = std::max(well, now_ - *s_.well_since);
    }
    const bool ended = kind == STEWARD_EV_EXIT || kind == STEWARD_EV_SIGNAL;
    const bool ran = ended || (s_.pid != 0 && kind != STEWARD_EV_MANUAL_START);
    s_.history.push_back(
        {kind, code, now_, ran ? now_ - s_.spawned_at : Duration{}, ran ? well : Duration{}});
}

void Stepper::fail(std::uint32_t kind, int code, const std::string& cause) {
    remember(kind, code);
    ask_restart(cause);
}

void Stepper::ask_restart(const std::string& cause) {
    enter(State::kDeciding, cause);
    s_.after_cause = cause;
    s_.question = Question::kRestart;
    s_.decision.reset();
    s_.asked_at = now_;
    ++s_.epoch;
    act(AskRestart{s_.epoch});
}

void Stepper::on(const Decided& in) {
    if (s_.state != State::kDeciding || s_.question != Question::kRestart || in.epoch != s_.epoch ||
        s_.decision) {
        return;
    }
    if (s_.tree) {
        s_.decision = in;
    } else {
        const Decided decision = in;
        apply(decision);
    }
}

void Stepper::apply(const Decided& decision) {
    const std::string cause = s_.after_cause;
    const std::string reason = with_reason(cause, decision.why);
    switch (decision.action) {
        case DecisionAction::kRestart: {
            s_.degraded_retry = {};
            const Duration delay = std::clamp(decision.delay, Duration{}, kLongestDelay);
            const TimePoint at = std::max(now_, s_.asked_at + delay);
            s_.next_start_at = at;
            enter(State::kBackingOff, reason);
            emit(EventName::kServiceRestartScheduled, Severity::kWarning, reason,
                 {{"delay_ms", to_ms(delay)}, {"restarts", signed_of(s_.restarts)}});
            if (at <= now_) {
                begin_start(Origin::kAutomatic, "restarted after: " + cause);
            } else {
                act(Arm{TimerName::kBackoff, at});
            }
            break;
        }
        case DecisionAction::kStayDown:
            enter(State::kStopped, reason);
            emit(EventName::kServiceStopped, Severity::kInfo, s_.cause);
            break;
        case DecisionAction::kGiveUp:
            degrade(reason);
            break;
    }
}

void Stepper::degrade(const std::string& cause) {
    const Duration wait = s_.degraded_retry == Duration{} ? c_.degraded_retry : s_.degraded_retry;
    s_.degraded_retry = std::min(wait * 2, std::max(c_.degraded_retry_cap, c_.degraded_retry));
    s_.next_start_at = now_ + wait;
    enter(State::kDegraded, cause);
    act(Arm{TimerName::kDegraded, s_.next_start_at});
    emit(EventName::kServiceDegraded, Severity::kError, cause, {{"next_restart_ms", to_ms(wait)}});
}

}  // namespace steward::core
