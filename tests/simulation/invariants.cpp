#include "invariants.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace steward::simulation {
namespace {

using namespace std::chrono_literals;
using namespace core;

// Of a strategy's answer by the fallback, and of a last line: what os.hpp allows.
constexpr Duration kAnswer = 250ms;
constexpr Duration kLine = 100ms;
constexpr Duration kProbeGrace = 100ms;
constexpr Duration kStartupGrace = 250ms;
constexpr Duration kDumpGrace = 50ms;
// Restarts since the app was last well for this long: the default policy's numbers.
constexpr std::uint64_t kMaxRestarts = 5;
constexpr Duration kStable = 60s;

bool has_field(const Event& event, std::string_view name) {
    return std::any_of(event.fields.begin(), event.fields.end(),
                       [name](const auto& field) { return field.first == name; });
}

std::string origin_of(const Event& event) {
    for (const auto& [key, value] : event.fields) {
        if (key == "origin") {
            const auto* text = std::get_if<std::string>(&value);
            return text ? *text : std::string();
        }
    }
    return {};
}

}  // namespace

ServiceInvariants::ServiceInvariants(FakeWorld& world, const ServiceConfig& config,
                                     std::string only)
    : world_(world), config_(config), only_(std::move(only)) {
    entered_ = now();
}

void ServiceInvariants::broken(std::string_view name, std::string what) {
    if (!broken_ && (only_.empty() || only_ == name)) {
        broken_ = Broken{std::string(name), std::move(what)};
    }
}

// ---- what the world tells

void ServiceInvariants::start_asked(const Service& service, bool by_client) {
    if (by_client && service.machine().generation != 0) {
        return;  // It does nothing then.
    }
    ++start_requests_;
    stop_acknowledged_ = false;
    budget_used_ = 0;
}

std::uint64_t ServiceInvariants::request(bool for_stop) {
    const auto id = ++last_request_;
    requests_[id] = {for_stop, 0};
    if (for_stop) {
        starts_before_stop_[id] = start_requests_;
        budget_used_ = 0;
    }
    return id;
}

void ServiceInvariants::settled(std::uint64_t id, const ServiceStatus& status) {
    auto& request = requests_[id];
    require(++request.calls == 1, "settled-once", "a request was settled twice");
    const bool overtaken = request.for_stop && starts_before_stop_[id] != start_requests_;
    const bool at_rest = status.state == State::kStopped || status.state == State::kUnkillable;
    const bool says_why = at_rest || status.state == State::kRunning ||
                          status.state == State::kBackingOff || status.state == State::kDegraded ||
                          status.state == State::kMisconfigured;
    require(overtaken || (request.for_stop ? at_rest : says_why), "settled-once",
            "a request was settled in a state that says nothing");
    if (request.for_stop && !overtaken && status.state == State::kStopped) {
        stop_acknowledged_ = true;
    }
}

void ServiceInvariants::exit_asked() {
    if (exit_asked_) {
        return;
    }
    exit_asked_ = true;
    const auto& machine = config_.machine;
    exit_by_ = now() + machine.exit_timeout + machine.exit_kill_timeout + 100ms;
}

void ServiceInvariants::finished(const std::string& left) {
    require(++finished_ == 1, "exit-complete", "the session ended twice");
    require(!left.empty() || !world_.guardian.tree(), "exit-complete",
            "the session ended as if the tree were empty, and it is not");
}

void ServiceInvariants::spawned(const SpawnRequest& request) {
    const auto breaches = world_.journal.breaches.size();
    require(breaches == 0 || world_.journal.breaches.back() != "spawn while a tree exists",
            "one-instance", "an instance was ordered while something of the last tree exists");
    require(!stop_acknowledged_, "stop-holds", "an instance was ordered after a stop");
    require(!exit_asked_, "exit-complete", "an instance was ordered after the session's end");
    require(request.generation > last_spawned_, "generation",
            "an instance was ordered with the generation of an older one");
    // The order goes out before its service.start is told, in the same step.
    require(request.generation == starts_ || request.generation == starts_ + 1, "generation",
            "the generation of an instance is not the number of starts");
    last_spawned_ = request.generation;
    require(!world_.port.answering(), "answered",
            "an instance was ordered while the supervisor answers on its port");
    if (config_.machine.port_mode == PortMode::kHandOver) {
        require(request.listener >= 0, "port-kept", "an instance was ordered without its socket");
        require(request.argv.back() == std::to_string(world_.port.held()), "port-kept",
                "an instance was told another port than the held one");
    }
    last_probe_healthy_ = false;
    forget_row();
    well_since_.reset();
    well_for_ = {};
}

void ServiceInvariants::signalled(const Service& service) {
    // The machine hears of an end only with the app's last line: until then a signal may be
    // ordered, and the guardian ignores it.
    require(world_.guardian.tree() || service.machine().tree, "signals",
            "a signal to a tree that is empty");
}

void ServiceInvariants::published(const Event& event) {
    require(!event.cause.empty(), "cause", "an event without a cause");
    const auto end_of_health = [this] {
        if (well_since_) {
            well_for_ = std::max(well_for_, now() - *std::exchange(well_since_, std::nullopt));
        }
    };
    switch (event.name) {
        case EventName::kServiceStart: {
            ++starts_;
            require(event.generation == starts_, "generation",
                    "a start did not count the generation up by one");
            const auto origin = origin_of(event);
            if (origin == "automatic") {
                ++automatic_;
                require(++budget_used_ <= kMaxRestarts, "budget",
                        "more automatic restarts than the budget");
            } else if (origin == "files_changed") {
                budget_used_ = 0;
                require(event.cause.ends_with("app.py") || !files_start_ ||
                            now() - *files_start_ >= config_.machine.degraded_retry,
                        "budget", "a start by changed files too soon after the last");
                files_start_ = now();
            }
            require(!stop_acknowledged_, "stop-holds", "a start began after a stop");
            require(!exit_asked_, "exit-complete", "a start began after the session's end");
            break;
        }
        case EventName::kServiceStarted:
            require(event.generation == starts_ && starts_ == last_spawned_, "generation",
                    "an instance came up whose start was not told before");
            if (!config_.machine.probes()) {
                well_since_ = now();
            }
            probe_activity_ = now();
            disturbance_at_probe_ = disturbance_;
            break;
        case EventName::kServiceHealthy:
            if (!well_since_) {
                well_since_ = now();
            }
            break;
        case EventName::kProbeFailed:
            end_of_health();
            break;
        case EventName::kServiceUnhealthy:
            if (has_field(event, "failures") && !row_uncertain_) {
                require(
                    unexcused_ >= config_.machine.health_failures ||
                        (failing_since_ && now() - *failing_since_ >= config_.machine.busy_limit),
                    "busy-limit", "a busy or traced app was taken down before its limit");
            }
            [[fallthrough]];
        case EventName::kServiceExit:
            end_of_health();
            if (well_for_ >= kStable) {
                budget_used_ = 0;  // This failure is the first of a new series.
            }
            break;
        case EventName::kPortChosen:
        case EventName::kPortSkipped:
            port_event_ = true;
            break;
        default:
            break;
    }
}

void ServiceInvariants::decided(const RestartAnswer& answer) {
    last_delay_ = std::clamp(answer.delay, Duration{}, kLongestDelay);
}

void ServiceInvariants::probe_asked() {
    probe_activity_ = now();
    disturbance_at_probe_ = disturbance_;
    if (!failing_since_) {
        looked_at_ = now();
        look_readable_ = world_.os.unreadable.empty();
    }
}

void ServiceInvariants::forget_row() {
    failing_since_.reset();
    unexcused_ = 0;
    row_uncertain_ = false;
}

// Had it, all the time since it was looked at last, a reason not to answer?
bool ServiceInvariants::excused(const ProbeAnswer& answer) const {
    if (!answer.timed_out || !world_.os.unreadable.empty()) {
        return false;
    }
    // The guardian may be dead, or the end of the app not reported: neither alone knows it.
    if (world_.app_stands_still() || world_.os.frozen.count(world_.guardian.pid()) != 0) {
        return !world_.os.tracer.empty();
    }
    const auto busy_since = world_.os.busy_since();
    return look_readable_ && busy_since && *busy_since <= looked_at_;
}

void ServiceInvariants::count_answer(const ProbeAnswer& answer) {
    if (last_probe_healthy_) {
        forget_row();
    } else if (answer.verdict == Verdict::kUnhealthy || port_foreign_) {
        unexcused_ = excused(answer) ? 0 : unexcused_ + 1;
        failing_since_ = failing_since_.value_or(now());
        if (answer.timed_out) {
            looked_at_ = now();
            look_readable_ = world_.os.unreadable.empty();
        }
    }
}

void ServiceInvariants::probe_answered(const ProbeAnswer& answer) {
    probe_activity_ = now();
    if (answer.verdict == Verdict::kUnhealthy && disturbance_ != disturbance_at_probe_) {
        disturbance_at_probe_ = disturbance_;
        row_uncertain_ = true;
        return;  // It may be void.
    }
    disturbance_at_probe_ = disturbance_;
    port_foreign_ = config_.machine.port_mode == PortMode::kOwnBind &&
                    answer.instance_id == "another" && !world_.port.stranger.empty();
    last_probe_healthy_ = answer.verdict == Verdict::kHealthy && !port_foreign_;
    count_answer(answer);
}

void ServiceInvariants::disturbed(Duration by) {
    // What it voids is asked again.
    const Duration longer = by + config_.machine.health_timeout + kProbeGrace + kStartupGrace + 1s;
    disturbance_ += longer;
    exit_by_ += by;
}

// ---- the checks

void ServiceInvariants::after_step(const Service& service) {
    const auto& machine = service.machine();
    const auto status = service.status();
    require(!status.cause.empty(), "cause", "a state without a cause");
    check_wait(machine);
    check_requests(machine);
    check_health(status);
    check_port(status);
    check_counts(status);
    check_exit();
    if (!world_.journal.breaches.empty()) {
        broken("contract", world_.journal.breaches.front());
    }
}

void ServiceInvariants::check_wait(const MachineState& machine) {
    // An epoch counts only where a question is what is waited for.
    const auto epoch = machine.state == State::kDeciding ? machine.epoch : machine.generation;
    if (machine.state != state_ || epoch != state_epoch_ || machine.exiting != exiting_) {
        state_ = machine.state;
        state_epoch_ = epoch;
        exiting_ = machine.exiting;
        entered_ = now();
        disturbance_at_entry_ = disturbance_;
    }
    const auto limit = limit_of(machine);
    require(!limit || now() - entered_ <= *limit + (disturbance_ - disturbance_at_entry_),
            "wait-ends", "a state lasts longer than the sum of its limits");
    if (machine.state == State::kRunning && config_.machine.probes()) {
        const Duration longest =
            config_.machine.health_interval + config_.machine.health_timeout + kProbeGrace;
        require(now() - probe_activity_ <= longest + (disturbance_ - disturbance_at_probe_),
                "wait-ends", "running, and no probe has been asked or answered in time");
    }
}

std::optional<Duration> ServiceInvariants::limit_of(const MachineState& machine) const {
    const auto& c = config_.machine;
    switch (machine.state) {
        case State::kStarting:
            return c.startup_timeout + kStartupGrace + kLine;
        case State::kDeciding:
            return machine.question == MachineState::Question::kPort
                       ? kAnswer * (config_.port_tries + 2)
                       : kAnswer + c.kill_timeout + kLine;
        case State::kUnhealthy:
        case State::kStopping:
            return machine.exiting
                       ? c.exit_timeout + c.exit_kill_timeout + kLine
                       : c.shutdown_timeout + c.kill_timeout + kLine +
                             (config_.stack_dump.signal != 0 ? kDumpTime + kDumpGrace : Duration{});
        case State::kBackingOff:
            return last_delay_;
        case State::kDegraded:
            return std::max(c.degraded_retry_cap, c.degraded_retry);
        case State::kStopped:
        case State::kRunning:
        case State::kMisconfigured:
        case State::kUnkillable:
            return std::nullopt;
    }
    return std::nullopt;
}

// An open request means that the state says nothing yet; each such state has its limit.
void ServiceInvariants::check_requests(const MachineState& machine) {
    const bool stopping = machine.state == State::kStopping;
    const bool starting = stopping || machine.state == State::kStarting ||
                          machine.state == State::kUnhealthy || machine.state == State::kDeciding;
    for (const auto& [id, request] : requests_) {
        require(request.calls != 0 || (request.for_stop ? stopping : starting), "settled-once",
                "a request is open in a state that settles it");
    }
}

void ServiceInvariants::check_health(const ServiceStatus& status) {
    if (!status.healthy) {
        return;
    }
    require(world_.guardian.alive() && status.pid == world_.guardian.pid(), "healthy",
            "healthy, and the app is not alive");
    require(!world_.app_stands_still(), "healthy", "healthy, and the app is stopped or a zombie");
    require(!config_.machine.probes() || last_probe_healthy_, "healthy",
            "healthy, and the last probe said otherwise");
}

void ServiceInvariants::check_port(const ServiceStatus& status) {
    const bool told = std::exchange(port_event_, false);
    require(status.port == port_ || told, "port-kept", "the port changed without an event");
    port_ = status.port;
    if (config_.machine.port_mode != PortMode::kHandOver || world_.port.closed()) {
        return;
    }
    require(port_ == world_.port.held() || world_.port.held() == 0 || port_ == 0, "port-kept",
            "the port that is shown is not the held one");
    const bool at_rest = status.state == State::kStopped || status.state == State::kMisconfigured ||
                         status.state == State::kDegraded || status.state == State::kUnkillable;
    // While an exit waits for the app's last line, those who connect wait too.
    require(!at_rest || port_ == 0 || world_.port.answering() || world_.output.reading(),
            "answered", "nobody answers on the held port");
    require(
        status.state == State::kUnkillable || !world_.guardian.alive() || !world_.port.answering(),
        "answered", "the supervisor answers on the port of a live instance");
}

void ServiceInvariants::check_counts(const ServiceStatus& status) {
    require(status.generation == starts_, "generation",
            "the generation is not the number of starts");
    require(status.restarts >= last_restarts_, "restarts", "the restarts were reset");
    require(status.restarts == automatic_, "restarts",
            "the restarts are not the number of automatic starts");
    last_restarts_ = status.restarts;
}

void ServiceInvariants::check_exit() {
    require(!exit_asked_ || finished_ != 0 || now() <= exit_by_, "exit-complete",
            "the session's end is late");
}

void ServiceInvariants::at_end(const Service& service) {
    require(finished_ == 1, "exit-complete", "the session's end was not told exactly once");
    require(
        service.machine().state == State::kStopped || service.machine().state == State::kUnkillable,
        "exit-complete", "the session is over, and the service is neither stopped nor unkillable");
    for (const auto& [id, request] : requests_) {
        require(request.calls == 1, "settled-once", "a request was not settled exactly once");
    }
    const auto next = world_.scheduler.next_timer();
    require(!next || *next > now(), "wait-ends", "a timer in the past was not run");
}

}  // namespace steward::simulation
