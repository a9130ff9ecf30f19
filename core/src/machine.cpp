#include "steward/core/machine.hpp"

#include <csignal>
#include <cstring>

#include <algorithm>
#include <array>

#include "steward/restart.h"

namespace steward::core {
namespace {

using After = MachineState::After;
using Question = MachineState::Question;

constexpr Duration kFirstRetry = std::chrono::milliseconds(25);
constexpr Duration kLastRetry = std::chrono::milliseconds(500);
// The start-up timer comes this much after the deadline that the waiting probe has, so that the
// probe's own verdict is there.
constexpr Duration kStartupGrace = std::chrono::milliseconds(250);
// A start-up timer that comes later than this says more of the machine (it was asleep or stalled)
// than of the app.
constexpr Duration kLateWake = std::chrono::seconds(1);
constexpr Duration kLongestDelay = std::chrono::hours(24);
constexpr Duration kBacklogWait = std::chrono::seconds(2);

// "1.5 s", "800 ms", "10 min".
std::string text(Duration d) {
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

std::string join(const std::vector<std::uint16_t>& ports) {
    std::string s;
    for (const auto port : ports) {
        s += (s.empty() ? "" : ", ") + std::to_string(port);
    }
    return s;
}

std::int64_t signed_of(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

// The interpreter says that the program itself is wrong: no restart mends that.
bool names_broken_code(const std::string& line) {
    constexpr std::array kNames{"SyntaxError", "IndentationError", "ImportError",
                                "ModuleNotFoundError"};
    return std::any_of(kNames.begin(), kNames.end(),
                       [&](const char* name) { return line.find(name) != std::string::npos; });
}

// One step in progress: the state is changed in place, actions are collected in order.
class Stepper {
  public:
    Stepper(const MachineConfig& config, MachineState& state, std::vector<Action>& actions,
            TimePoint now)
        : c_(config), s_(state), out_(actions), now_(now) {}

    void on(const StartRequested& in);
    void on(const RestartRequested& in);
    void on(const StopRequested& in);
    void on(const ExitRequested& in);
    void on(const PortFound& in);
    void on(const PortNotFound& in);
    void on(const Spawned& in);
    void on(const SpawnFailed& in);
    void on(const Exited& in);
    void on(const TreeEmpty& in);
    void on(const ProbeResult& in);
    void on(const ProbeVoided& in);
    void on(const Decided& in);
    void on(const FilesChanged& in);
    void on(const TimerFired& in);

  private:
    // Built in place: a temporary Action makes g++ 12 warn of members that it does not have.
    template <class A>
    void act(A action) {
        out_.emplace_back(std::in_place_type<A>, std::move(action));
    }
    void enter(State state, std::string cause);
    void emit(EventName name, Severity severity, const std::string& cause, Fields fields = {});
    void emit_skipped(const std::vector<SkippedPort>& skipped);
    void disarm_all();

    void begin_start(Origin origin, const std::string& cause);
    void search_port(const std::string& cause);
    void order_spawn(const std::string& cause);
    void probe();
    void cancel_probe();
    void probe_while_starting(const ProbeResult& in);
    void probe_while_running(const ProbeResult& in);
    void end_of_startup();
    void extend_startup();
    void become_running(bool healthy, const std::string& cause);
    void take_down(State state, After after, const std::string& cause);
    void kill_rest();
    void follow();
    void fail(std::uint32_t kind, int code, const std::string& cause);
    void ask_restart(const std::string& cause);
    void apply(const Decided& decision);
    std::string with_reason(const std::string& cause, std::string why) const;
    void degrade(const std::string& cause);
    void next_port(const std::string& cause);
    void remember(std::uint32_t kind, int code);
    void spontaneous_exit(const Exited& in, const std::string& cause);
    void finish();
    void say_finished(std::string left);

    bool taking_down() const {
        return s_.state == State::kStopping || s_.state == State::kUnhealthy ||
               s_.state == State::kUnkillable;
    }
    bool alive() const { return s_.state == State::kStarting || s_.state == State::kRunning; }

    const MachineConfig& c_;
    MachineState& s_;
    std::vector<Action>& out_;
    TimePoint now_;
};

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
    s_.ordered_at = now_;
    s_.spawned_at = now_;
    s_.startup.reset();
    s_.failures = 0;
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
    degrade(s_.refused_ports.empty() ? in.cause
                                     : in.cause + "; the app refused " + join(s_.refused_ports));
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

// ---- health

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
        if (s_.origin == Origin::kAutomatic && s_.last_exit) {
            cause += "; restarted after: " + s_.last_exit->cause;
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
        "not healthy within " + text(c_.startup_timeout) +
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
    s_.well_since = now_;
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

// ---- ending

// Precondition: something of the tree may exist.
void Stepper::take_down(State state, After after, const std::string& cause) {
    const bool had_pid = s_.pid != 0 || s_.state == State::kStarting;
    cancel_probe();
    disarm_all();
    enter(state, cause);
    s_.after = after;
    s_.after_cause = cause;
    if (had_pid) {
        act(Terminate{});
        act(Arm{TimerName::kShutdown, now_ + (s_.exiting ? c_.exit_timeout : c_.shutdown_timeout)});
    } else {
        kill_rest();
    }
}

void Stepper::kill_rest() {
    act(Disarm{TimerName::kShutdown});
    act(Kill{});
    if (!s_.exiting) {
        act(Arm{TimerName::kKill, now_ + c_.kill_timeout});
        return;
    }
    // The first SIGKILL fixes the end of the session; what happens afterwards does not move it.
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
    if (!in.last_stderr_line.empty() && (in.signaled || in.code != 0)) {
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
    s_.last_exit = LastExit{in.signaled, in.code, now_, cause};
    cancel_probe();
    act(Disarm{TimerName::kStartup});
    act(Disarm{TimerName::kProbe});
    emit(EventName::kServiceExit, alive() ? Severity::kWarning : Severity::kInfo, cause,
         {{in.signaled ? "signal" : "code", std::int64_t{in.code}},
          {"uptime_ms", to_ms(now_ - s_.spawned_at)}});
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
        code &&
        (in.code == 98 ||
         (in.code != 0 && in.last_stderr_line.find("Address already in use") != std::string::npos));
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
        degrade("the app came up on none of the ports " + join(s_.refused_ports) +
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

// The failure and the policy's reason in one sentence; a policy that begins with the failure too
// does not say it twice.
std::string Stepper::with_reason(const std::string& cause, std::string why) const {
    const std::string failure =
        s_.last_exit ? describe_exit(s_.last_exit->signaled, s_.last_exit->code) + ": " : "";
    if (!failure.empty() && why.starts_with(failure)) {
        why.erase(0, failure.size());
    }
    return why.empty() ? cause : cause + "; " + why;
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

// ---- requests

void Stepper::on(const StartRequested& in) {
    if (s_.exiting || alive()) {
        return;
    }
    if (s_.state == State::kDeciding && s_.question == Question::kPort) {
        return;
    }
    if (in.origin != Origin::kClient) {
        remember(STEWARD_EV_MANUAL_START, 0);
        s_.degraded_retry = {};
    }
    if (!s_.tree) {
        begin_start(in.origin, in.reason);
        return;
    }
    if (s_.state == State::kDeciding) {
        ++s_.epoch;
        enter(State::kStopping, s_.cause);
    }
    s_.after = After::kStart;
    s_.after_origin = in.origin;
    s_.after_cause = in.reason;
}

void Stepper::on(const RestartRequested& in) {
    if (s_.exiting) {
        return;
    }
    if (!alive()) {
        on(StartRequested{in.reason, Origin::kRequest});
        return;
    }
    remember(STEWARD_EV_MANUAL_START, 0);
    s_.degraded_retry = {};
    emit(EventName::kServiceStop, Severity::kInfo, in.reason);
    take_down(State::kStopping, After::kStart, in.reason);
    s_.after_origin = Origin::kRequest;
}

void Stepper::on(const StopRequested& in) {
    if (s_.exiting || s_.state == State::kStopped) {
        return;
    }
    const bool again = taking_down() && s_.after == After::kStopped;
    if (!again) {
        remember(STEWARD_EV_MANUAL_STOP, 0);
        emit(EventName::kServiceStop, Severity::kInfo, in.reason);
    }
    if (!s_.tree) {
        ++s_.epoch;
        disarm_all();
        enter(State::kStopped, in.reason);
        emit(EventName::kServiceStopped, Severity::kInfo, in.reason);
        return;
    }
    if (alive()) {
        take_down(State::kStopping, After::kStopped, in.reason);
        return;
    }
    // It is being taken down already; only what follows changes.
    ++s_.epoch;
    if (s_.state != State::kUnkillable) {
        enter(State::kStopping, in.reason);
    }
    s_.after = After::kStopped;
    s_.after_cause = in.reason;
}

void Stepper::on(const ExitRequested& in) {
    if (s_.finished) {
        return;
    }
    const bool first = !s_.exiting;
    s_.exiting = true;
    if (!s_.tree) {
        if (first) {
            ++s_.epoch;
            disarm_all();
            if (s_.state != State::kStopped) {
                emit(EventName::kServiceStop, Severity::kInfo, in.reason);
            }
            s_.after_cause = in.reason;
            finish();
        }
        return;
    }
    if (first) {
        emit(EventName::kServiceStop, Severity::kInfo, in.reason);
        if (alive()) {
            take_down(State::kStopping, After::kFinish, in.reason);
        } else {
            const bool unkillable = s_.state == State::kUnkillable;
            const bool termed = s_.pid != 0 && !unkillable;
            ++s_.epoch;
            disarm_all();
            if (!unkillable) {
                enter(State::kStopping, in.reason);
            }
            s_.after = After::kFinish;
            s_.after_cause = in.reason;
            if (termed) {
                act(Arm{TimerName::kShutdown, now_ + c_.exit_timeout});
            } else {
                kill_rest();
            }
        }
    }
    if (in.at_once) {
        kill_rest();
    }
}

void Stepper::finish() {
    const bool was_stopped = s_.state == State::kStopped;
    enter(State::kStopped, s_.after_cause);
    if (!was_stopped) {
        emit(EventName::kServiceStopped, Severity::kInfo, s_.cause);
    }
    say_finished({});
}

void Stepper::say_finished(std::string left) {
    if (!s_.finished) {
        s_.finished = true;
        act(Finish{std::move(left)});
    }
}

void Stepper::on(const FilesChanged& in) {
    if (s_.state == State::kMisconfigured || s_.state == State::kDegraded) {
        on(StartRequested{in.what, Origin::kFilesChanged});
    }
}

// ---- timers

void Stepper::on(const TimerFired& in) {
    switch (in.timer) {
        case TimerName::kStartup:
            if (s_.state != State::kStarting) {
                break;
            }
            if (now_ - (s_.startup_by + kStartupGrace) > kLateWake) {
                extend_startup();
            } else {
                end_of_startup();
            }
            break;
        case TimerName::kProbe:
            if (alive() && !s_.probing && s_.pid != 0) {
                probe();
            }
            break;
        case TimerName::kBackoff:
            if (s_.state == State::kBackingOff) {
                begin_start(Origin::kAutomatic, "restarted after: " + s_.after_cause);
            }
            break;
        case TimerName::kDegraded:
            if (s_.state == State::kDegraded) {
                begin_start(Origin::kHalfOpen, "one try after: " + s_.cause);
            }
            break;
        case TimerName::kShutdown:
            if (taking_down() && s_.state != State::kUnkillable) {
                kill_rest();
            }
            break;
        case TimerName::kKill:
            if (!s_.tree || alive()) {
                break;
            }
            if (s_.state == State::kDeciding) {
                ++s_.epoch;
                s_.after = After::kDecide;
            }
            enter(State::kUnkillable,
                  "still there " + text(s_.exiting ? c_.exit_kill_timeout : c_.kill_timeout) +
                      " after SIGKILL");
            emit(EventName::kServiceUnkillable, Severity::kError, s_.cause);
            if (s_.exiting) {
                say_finished(s_.cause);
            }
            break;
    }
}

}  // namespace

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
