// The state machine: probes and what follows from them.
#include <algorithm>

#include "machine_step.hpp"
#include "steward/restart.h"

namespace steward::core {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(25);
constexpr Duration kLastRetry = std::chrono::milliseconds(500);

Fields condition_fields(Condition condition) {
    if (condition == Condition::kNotAsked) {
        return {};
    }
    return {{"condition", std::string(to_string(condition))}};
}

std::string in_words(const Evidence& evidence) {
    return evidence.text.empty() ? std::string() : "; " + evidence.text;
}

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
    s_.evidence = in.verdict == Verdict::kUnhealthy ? in.evidence : Evidence{};
    if (in.verdict == Verdict::kUnhealthy) {
        s_.successes = 0;
    }
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

// One HEALTHY more; is it enough?
bool Stepper::counts_as_healthy() {
    s_.successes = std::min(s_.successes + 1, std::max(1, c_.health_successes));
    return s_.successes >= c_.health_successes;
}

void Stepper::probe_while_starting(const ProbeResult& in) {
    if (in.verdict == Verdict::kHealthy && counts_as_healthy()) {
        std::string cause = "healthy: " + in.detail;
        if (s_.origin == Origin::kAutomatic) {
            cause += "; " + s_.start_cause;
        }
        become_running(/*healthy=*/true, cause);
        return;
    }
    s_.answered = s_.answered || in.verdict != Verdict::kUnknown;
    if (now_ >= s_.startup_by) {
        end_of_startup();
        return;
    }
    const auto doublings = std::min<std::uint32_t>(s_.attempt - 1, 5);
    act(Arm{TimerName::kProbe,
            now_ + (s_.successes > 0 ? std::min(kLastRetry, c_.health_interval)
                                     : std::min(kLastRetry, kFirstRetry * (1U << doublings)))});
}

void Stepper::end_of_startup() {
    if (s_.pid != 0 && !s_.answered) {
        const std::string detail =
            s_.last_detail.empty() ? "the probe has not answered" : s_.last_detail;
        cancel_probe();
        become_running(/*healthy=*/false, "health unknown: " + detail);
        return;
    }
    const std::string enough = s_.successes == 0 ? std::string()
                                                 : ", HEALTHY " + std::to_string(s_.successes) +
                                                       " of " + std::to_string(c_.health_successes);
    const std::string cause =
        "not healthy within " + duration_text(c_.startup_timeout) +
        (s_.last_detail.empty() ? std::string(": no answer") : ": " + s_.last_detail) + enough +
        in_words(s_.evidence);
    const bool other_port = c_.port_mode == PortMode::kOwnBind;
    if (!other_port) {  // Tries of other ports are not the restart strategy's business.
        remember(STEWARD_EV_START_TIMEOUT, 0);
    }
    emit(EventName::kServiceUnhealthy, Severity::kWarning, cause,
         condition_fields(s_.evidence.condition));
    take_down_failed(other_port ? After::kOtherPort : After::kDecide, cause);
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
    act(Arm{TimerName::kProbe, std::max(now_, s_.probe_at + c_.health_interval)});
    if (in.verdict == Verdict::kUnhealthy) {
        fail_probe(in);
        return;
    }
    const bool was_healthy = s_.healthy;
    s_.healthy = in.verdict == Verdict::kHealthy && counts_as_healthy();
    if (in.verdict == Verdict::kUnknown) {
        s_.cause = "health unknown: " + in.detail;
        return;
    }
    s_.failures = 0;
    s_.unexcused = 0;
    s_.evidence = {};
    if (!s_.healthy) {
        s_.cause = "HEALTHY " + std::to_string(s_.successes) + " of " +
                   std::to_string(c_.health_successes) + " in a row: " + in.detail;
        return;
    }
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
}

void Stepper::fail_probe(const ProbeResult& in) {
    s_.healthy = false;
    if (s_.well_since) {
        s_.well_for = std::max(s_.well_for, now_ - *s_.well_since);
        s_.well_since.reset();
    }
    if (s_.failures == 0) {
        s_.failing_since = now_;
    }
    ++s_.failures;
    s_.unexcused = in.evidence.excuses() ? 0 : s_.unexcused + 1;
    const Duration failing = now_ - s_.failing_since;
    const bool enough = s_.failures >= c_.health_failures;
    const bool unwell = s_.unexcused >= c_.health_failures || (enough && failing >= c_.busy_limit);
    const std::string of = enough && !unwell
                               ? ", tolerated for at most " + duration_text(c_.busy_limit)
                               : " of " + std::to_string(c_.health_failures);
    s_.cause =
        in.detail + " (failure " + std::to_string(s_.failures) + of + ")" + in_words(in.evidence);
    Fields fields = condition_fields(in.evidence.condition);
    fields.emplace_back("failures", std::int64_t{s_.failures});
    emit(EventName::kProbeFailed, Severity::kWarning, in.detail + in_words(in.evidence), fields);
    if (!unwell) {
        return;
    }
    std::string cause = std::to_string(s_.failures) + " failed health checks in a row";
    if (s_.unexcused < s_.failures) {
        cause += " in " + duration_text(failing);
    }
    cause += ", the last: " + in.detail + in_words(in.evidence);
    if (in.evidence.excuses()) {
        cause += "; tolerated for at most " + duration_text(c_.busy_limit);
    }
    remember(STEWARD_EV_HEALTH, s_.failures);
    emit(EventName::kServiceUnhealthy, Severity::kWarning, cause, std::move(fields));
    take_down_failed(After::kDecide, cause);
}

}  // namespace steward::core
