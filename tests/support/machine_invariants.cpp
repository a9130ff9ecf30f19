#include "machine_invariants.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "steward/restart.h"

namespace steward::tests {
namespace {

using namespace core;

bool is_failure(std::uint32_t kind) {
    return kind == STEWARD_EV_EXIT || kind == STEWARD_EV_SIGNAL || kind == STEWARD_EV_HEALTH ||
           kind == STEWARD_EV_START_TIMEOUT || kind == STEWARD_EV_SPAWN_FAILED;
}

std::string field(const Event& event, const char* name) {
    for (const auto& [key, value] : event.fields) {
        if (key == name) {
            const auto* text = std::get_if<std::string>(&value);
            return text ? *text : std::string();
        }
    }
    return {};
}

}  // namespace

std::optional<TimerName> MachineInvariants::next_timer() const {
    std::optional<TimerName> next;
    for (std::size_t i = 0; i < timers_.size(); ++i) {
        if (timers_[i] && (!next || *timers_[i] < *timers_[index(*next)])) {
            next = static_cast<TimerName>(i);
        }
    }
    return next;
}

bool MachineInvariants::any_armed() const {
    return std::any_of(timers_.begin(), timers_.end(),
                       [](const auto& timer) { return timer.has_value(); });
}

std::string MachineInvariants::check(const Input& input, TimePoint now, const Step& step) {
    violation_.clear();
    take_input(input, now);
    for (const auto& action : step.actions) {
        take_action(action, now, step.state);
    }
    check_transition(now, step.state);
    check_late_answer(input, step);
    check_wait(step.state);
    check_exit_deadline(now, step.state);
    check_values(step.state);
    before_ = Brief::of(step.state);
    return violation_;
}

// ---- the books

void MachineInvariants::take_input(const Input& input, TimePoint now) {
    if (std::holds_alternative<StartRequested>(input) ||
        std::holds_alternative<RestartRequested>(input)) {
        start_allowed_ = !exit_requested_;
    } else if (std::holds_alternative<StopRequested>(input)) {
        start_allowed_ = false;
    } else if (std::holds_alternative<ExitRequested>(input)) {
        if (!exit_requested_) {
            exit_at_ = now;
        }
        start_allowed_ = false;
        exit_requested_ = true;
    } else if (std::holds_alternative<TreeEmpty>(input)) {
        if (before_.pid == 0 && before_.state != State::kStarting) {
            tree_ = false;
        }
    } else if (const auto* lost = std::get_if<PortLost>(&input)) {
        const bool waits = before_.state == State::kStarting ||
                           before_.state == State::kUnhealthy ||
                           before_.state == State::kStopping || before_.state == State::kUnkillable;
        if (lost->instead_of_spawn && before_.pid == 0 && waits) {
            tree_ = false;
        }
    } else if (std::holds_alternative<SpawnFailed>(input)) {
        if (before_.pid == 0) {
            tree_ = false;
        }
    } else if (const auto* timer = std::get_if<TimerFired>(&input)) {
        timers_[index(timer->timer)].reset();
    } else if (const auto* decided = std::get_if<Decided>(&input)) {
        if (restart_question_ == decided->epoch && before_.state == State::kDeciding) {
            restart_question_.reset();
            allowed_from_.reset();
            if (decided->action == DecisionAction::kRestart) {
                allowed_from_ = asked_at_ + std::clamp(decided->delay, Duration{},
                                                       Duration(std::chrono::hours(24)));
            }
        }
    } else if (const auto* found = std::get_if<PortFound>(&input)) {
        if (port_question_ == found->epoch) {
            port_question_.reset();
        }
    } else if (const auto* none = std::get_if<PortNotFound>(&input)) {
        if (port_question_ == none->epoch) {
            port_question_.reset();
        }
    }
}

void MachineInvariants::take_action(const Action& action, TimePoint now,
                                    const MachineState& after) {
    require(!finished_ || std::holds_alternative<Emit>(action) ||
                std::holds_alternative<Disarm>(action),
            "after Finish there is nothing left to do, but an order was given");
    if (const auto* spawn = std::get_if<Spawn>(&action)) {
        check_spawn(after);
        require(spawn->generation == after.generation,
                "Spawn names another generation than the state");
    } else if (const auto* search = std::get_if<SearchPort>(&action)) {
        require(start_allowed_, "a port is searched though nothing may start");
        require(!tree_, "a port is searched while something of the last tree may exist");
        port_question_ = search->epoch;
    } else if (const auto* ask = std::get_if<AskRestart>(&action)) {
        require(!after.history.empty() && is_failure(after.history.back().kind),
                "the restart strategy is asked, but the last thing that happened is no failure");
        require(start_allowed_, "the restart strategy is asked though nothing may start");
        restart_question_ = ask->epoch;
        asked_at_ = now;
        allowed_from_.reset();
    } else if (const auto* probe = std::get_if<StartProbe>(&action)) {
        require(probe->deadline > now, "a probe begins with its deadline in the past");
        require(probe->epoch > probe_, "a probe has the epoch of an older one");
        probe_ = probe->epoch;
    } else if (const auto* arm = std::get_if<Arm>(&action)) {
        require(arm->at >= now, "a timer is armed in the past");
        timers_[index(arm->timer)] = arm->at;
    } else if (const auto* disarm = std::get_if<Disarm>(&action)) {
        timers_[index(disarm->timer)].reset();
    } else if (const auto* emit = std::get_if<Emit>(&action)) {
        take_event(emit->event, now);
    } else if (std::holds_alternative<Finish>(action)) {
        require(exit_requested_, "Finish came though nobody asked for the end");
        finished_ = true;
    } else {  // Terminate, Kill, CancelProbe
        require(tree_, "an order to a tree that does not exist");
        if (std::holds_alternative<Kill>(action) && exit_requested_ && !killed_at_) {
            killed_at_ = now;
        }
    }
}

void MachineInvariants::check_spawn(const MachineState& after) {
    require(!tree_, "invariant 1: Spawn while something of the last tree may exist");
    require(start_allowed_, "invariant 2: Spawn after a stop, and no start was requested since");
    require(after.state == State::kStarting && after.tree,
            "Spawn, but the state is not starting with a tree");
    require(config_.port_mode == PortMode::kNone || after.port != 0, "Spawn without a port");
    require(!answers_itself(after, TimePoint{}),
            "Spawn while the supervisor itself answers on the port");
    tree_ = true;
}

void MachineInvariants::take_event(const Event& event, TimePoint now) {
    require(!event.cause.empty(), "invariant 5: an event without a cause");
    if (event.name == EventName::kServiceStart) {
        check_start_event(event, now);
    } else if (event.name == EventName::kServiceDegraded) {
        half_open_from_ = now + std::min(config_.degraded_retry, config_.degraded_retry_cap);
    } else if (event.name == EventName::kServiceStopped) {
        start_allowed_ = false;  // STAY_DOWN counts like a stop.
    }
}

// Invariant 3, from the origin that each start declares.
void MachineInvariants::check_start_event(const Event& event, TimePoint now) {
    const std::string origin = field(event, "origin");
    other_ports_ = origin == "other_port" ? other_ports_ + 1 : 0;
    require(start_allowed_,
            "invariant 2: a start begins after a stop, and none was requested since");
    require(other_ports_ <= config_.startup_ports,
            "invariant 3: more starts on other ports than startup_ports");
    if (origin == "automatic") {
        require(allowed_from_.has_value(),
                "invariant 3: an automatic start without a RESTART of the strategy");
        require(!allowed_from_ || now >= *allowed_from_,
                "invariant 3: an automatic start sooner than the strategy said");
        allowed_from_.reset();
    } else if (origin == "half_open") {
        require(half_open_from_ && now >= *half_open_from_,
                "invariant 3: a half-open start too soon");
        half_open_from_.reset();
    } else {
        require(origin == "client" || origin == "request" || origin == "other_port" ||
                    origin == "files_changed",
                "a start of unknown origin");
    }
}

// ---- the checks

void MachineInvariants::check_transition(TimePoint now, const MachineState& after) {
    require(!after.cause.empty(), "invariant 5: a state without a cause");
    if (after.state != before_.state) {
        require(after.since == now, "a transition that does not say since when");
    } else {
        require(after.since == before_.since || after.since == now,
                "`since` moved to another time than the present");
    }
    require(after.epoch >= before_.epoch, "the epoch went back");
    require(after.generation >= before_.generation && after.generation <= before_.generation + 1,
            "the generation did not count by one");
    require(after.restarts >= before_.restarts && after.restarts <= before_.restarts + 1,
            "the restarts did not count by one");
    require(after.restarts == before_.restarts || after.generation == before_.generation + 1,
            "a restart was counted without a start");
    require(after.exiting == exit_requested_, "`exiting` is not what was asked for");
}

void MachineInvariants::check_late_answer(const Input& input, const Step& step) {
    bool late = false;
    if (const auto* decided = std::get_if<Decided>(&input)) {
        late = decided->epoch != before_.epoch;
    } else if (const auto* found = std::get_if<PortFound>(&input)) {
        late = found->epoch != before_.epoch;
    } else if (const auto* none = std::get_if<PortNotFound>(&input)) {
        late = none->epoch != before_.epoch;
    } else if (const auto* probe = std::get_if<ProbeResult>(&input)) {
        late = probe->epoch != before_.epoch;
    } else if (const auto* voided = std::get_if<ProbeVoided>(&input)) {
        late = voided->epoch != before_.epoch;
    }
    if (late) {
        require(step.actions.empty() && step.state.state == before_.state &&
                    step.state.epoch == before_.epoch,
                "a late answer was not dropped");
    }
}

// Invariant 4: whatever the state waits for is there and has an end.
void MachineInvariants::check_wait(const MachineState& s) {
    const bool ending = is_armed(TimerName::kShutdown) || is_armed(TimerName::kKill);
    require(s.tree == tree_, "the state's tree is not what the guardian said");
    switch (s.state) {
        case State::kStopped:
        case State::kMisconfigured:
            require(!s.tree, "at rest with a tree");
            require(!any_armed(), "at rest with a timer armed");
            break;
        case State::kStarting:
            require(s.tree, "starting without a tree");
            require(is_armed(TimerName::kStartup),
                    "invariant 4: starting without the start-up timer");
            require(s.pid == 0 || s.probing || is_armed(TimerName::kProbe),
                    "invariant 4: starting, spawned, and neither a probe nor its timer");
            break;
        case State::kRunning:
            require(s.pid != 0, "running without a process");
            require(!config_.probes() || s.probing || is_armed(TimerName::kProbe),
                    "invariant 4: running, and neither a probe nor its timer");
            require(!is_armed(TimerName::kStartup), "running with the start-up timer armed");
            break;
        case State::kUnhealthy:
        case State::kStopping:
            require(s.tree, "being taken down without a tree");
            require(ending, "invariant 4: being taken down without a timer");
            break;
        case State::kDeciding:
            require(s.question != MachineState::Question::kNone, "deciding without a question");
            require(
                s.decision.has_value() || port_question_ == s.epoch || restart_question_ == s.epoch,
                "invariant 4: deciding, and no question with this epoch is open");
            require(!s.decision || s.tree, "decided, nothing to wait for, and still deciding");
            require(!s.tree || is_armed(TimerName::kKill),
                    "invariant 4: the tree is waited for without a timer");
            break;
        case State::kBackingOff:
            require(!s.tree, "backing off with a tree");
            require(armed(TimerName::kBackoff) == s.next_start_at,
                    "invariant 4: backing off without its timer");
            break;
        case State::kDegraded:
            require(!s.tree, "degraded with a tree");
            require(armed(TimerName::kDegraded) == s.next_start_at,
                    "invariant 4: degraded without its timer");
            break;
        case State::kUnkillable:
            require(s.tree, "unkillable, but the tree is empty");
            break;
    }
}

void MachineInvariants::check_exit_deadline(TimePoint now, const MachineState& s) {
    if (!exit_requested_ || finished_) {
        return;
    }
    const auto end =
        killed_at_ ? *killed_at_ + config_.exit_kill_timeout : exit_at_ + config_.exit_timeout;
    const auto next = next_timer();
    require(next.has_value() && *timers_[index(*next)] <= std::max(end, now),
            "the session's end has no timer within its deadline");
    require(s.tree, "the session's end waits though the tree is empty");
}

void MachineInvariants::check_values(const MachineState& s) {
    require(!s.healthy || (s.state == State::kRunning && s.pid != 0),
            "healthy, but not a running process");
    require(s.history.size() <= kHistoryLimit, "the history is longer than its limit");
    require(
        !s.probing || ((s.state == State::kStarting || s.state == State::kRunning) && s.pid != 0),
        "probing without a process to probe");
    require(s.pid == 0 || s.tree, "a process without a tree");
    require(!s.dumping || ((s.state == State::kUnhealthy || s.state == State::kStopping) &&
                           s.pid != 0 && is_armed(TimerName::kShutdown)),
            "a stack dump is waited for without a process or without an end");
    require(s.unexcused <= s.failures, "more failures without an excuse than failures");
    require(!s.probing || probe_ == s.epoch,
            "the probe in flight has another epoch than the state");
}

}  // namespace steward::tests
