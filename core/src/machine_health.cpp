// The state machine: probes and what follows from them.
#include <algorithm>

#include "machine_step.hpp"
#include "steward/restart.h"

namespace steward::core {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(25);
constexpr Duration kLastRetry = std::chrono::milliseconds(500);

}  // namespace

void Stepper::probe() {
    ++s_.epoch;
    ++s_.attempt;
    s_.probing = true;
    s_.probe_at = now_;
    TimePoint deadline = now_ + c_.health_timeout;
    if (s_.state == State::kStarting) {
        // With the socket handed over one probe waits in the backlog until the app answers; others
        // are asked again and again.
        deadline =
            c_.port_mode == PortMode::kHandOver ? s_.startup_by : std::min(deadline, s_.startup_by);
        deadline = std::max(deadline, now_ + kFirstRetry);
    }
    act(StartProbe{s_.epoch, deadline, s_.attempt});
}

// Whatever is still answered belongs to an older epoch from here on.
void Stepper::cancel_probe() {
    if (s_.probing) {
        act(CancelProbe{});
        s_.probing = false;
    }
    ++s_.epoch;
}

void Stepper::on(const ProbeResult& in) {
    if (!s_.probing || in.epoch != s_.epoch) {
        return;
    }
    s_.probing = false;
    s_.last_detail = in.detail;
    if (s_.state == State::kStarting) {
        probe_while_starting(in);
    } else if (s_.state == State::kRunning) {
        probe_while_running(in);
    }
}

void Stepper::on(const ProbeVoided& in) {
    if (!s_.probing || in.epoch != s_.epoch) {
        return;
    }
    s_.probing = false;
    if (s_.state == State::kStarting) {
        extend_startup();
    }
    if (alive()) {
        probe();
    }
}

void Stepper::probe_while_starting(const ProbeResult& in) {
    if (in.verdict == Verdict::kHealthy) {
        std::string cause = "healthy: " + in.detail;
        if (s_.origin == Origin::kAutomatic) {
            cause += "; " + s_.start_cause;
        }
        become_running(/*healthy=*/true, cause);
        return;
    }
    s_.answered = s_.answered || in.verdict == Verdict::kUnhealthy;
    if (now_ >= s_.startup_by) {
        end_of_startup();
        return;
    }
    const auto doublings = std::min<std::uint32_t>(s_.attempt - 1, 5);
    act(Arm{TimerName::kProbe, now_ + std::min(kLastRetry, kFirstRetry * (1U << doublings))});
}

void Stepper::end_of_startup() {
    if (s_.pid != 0 && !s_.answered) {
        const std::string detail =
            s_.last_detail.empty() ? "the probe has not answered" : s_.last_detail;
        cancel_probe();
        become_running(/*healthy=*/false, "health unknown: " + detail);
        return;
    }
    const std::string cause =
        "not healthy within " + duration_text(c_.startup_timeout) +
        (s_.last_detail.empty() ? std::string(": no answer") : ": " + s_.last_detail);
    const bool other_port = c_.port_mode == PortMode::kOwnBind;
    if (!other_port) {  // Tries of other ports are not the restart strategy's business.
        remember(STEWARD_EV_START_TIMEOUT, 0);
    }
    emit(EventName::kServiceUnhealthy, Severity::kWarning, cause);
    take_down(State::kUnhealthy, other_port ? After::kOtherPort : After::kDecide, cause);
}

// The time to answer was not the app's: it gets that of one probe more.
void Stepper::extend_startup() {
    s_.startup_by = std::max(s_.startup_by, now_ + c_.health_timeout);
    act(Arm{TimerName::kStartup, s_.startup_by + kStartupGrace});
}

void Stepper::become_running(bool healthy, const std::string& cause) {
    act(Disarm{TimerName::kStartup});
    enter(State::kRunning, cause);
    if (healthy || !c_.probes()) {
        s_.well_since = now_;
    }
    if (healthy) {
        s_.healthy = true;
        s_.startup = now_ - s_.ordered_at;
        Fields fields{{"startup_ms", to_ms(*s_.startup)}, {"restarts", signed_of(s_.restarts)}};
        if (s_.port != 0) {
            fields.emplace_back("port", std::int64_t{s_.port});
        }
        emit(EventName::kServiceHealthy, Severity::kInfo, cause, std::move(fields));
    }
    if (c_.probes()) {
        act(Arm{TimerName::kProbe, now_ + c_.health_interval});
    }
}

void Stepper::probe_while_running(const ProbeResult& in) {
    const bool was_healthy = s_.healthy;
    s_.healthy = in.verdict == Verdict::kHealthy;
    act(Arm{TimerName::kProbe, std::max(now_, s_.probe_at + c_.health_interval)});
    if (in.verdict == Verdict::kUnknown) {
        s_.cause = "health unknown: " + in.detail;
        return;
    }
    if (in.verdict == Verdict::kHealthy) {
        s_.failures = 0;
        if (!s_.well_since) {
            s_.well_since = now_;
        }
        if (!was_healthy) {
            s_.cause = "healthy again: " + in.detail;
            Fields fields{{"restarts", signed_of(s_.restarts)}};
            if (!s_.startup) {
                s_.startup = now_ - s_.ordered_at;
                fields.emplace_back("startup_ms", to_ms(*s_.startup));
            }
            emit(EventName::kServiceHealthy, Severity::kInfo, s_.cause, std::move(fields));
        }
        return;
    }
    if (s_.well_since) {
        s_.well_for = std::max(s_.well_for, now_ - *s_.well_since);
        s_.well_since.reset();
    }
    ++s_.failures;
    s_.cause = in.detail + " (failure " + std::to_string(s_.failures) + " of " +
               std::to_string(c_.health_failures) + ")";
    emit(EventName::kProbeFailed, Severity::kWarning, in.detail,
         {{"failures", std::int64_t{s_.failures}}});
    if (s_.failures >= c_.health_failures) {
        const std::string cause =
            std::to_string(s_.failures) + " failed health checks in a row, the last: " + in.detail;
        remember(STEWARD_EV_HEALTH, s_.failures);
        emit(EventName::kServiceUnhealthy, Severity::kWarning, cause);
        take_down(State::kUnhealthy, After::kDecide, cause);
    }
}

}  // namespace steward::core
