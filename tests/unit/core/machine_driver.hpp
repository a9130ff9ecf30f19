// MachineDriver: calls step() for a test, keeps the time and the timers, and checks the invariants after every step.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "catch.hpp"
#include "machine_invariants.hpp"
#include "steward/core/machine.hpp"
#include "steward/restart.h"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;  // Test code: every name in it is the machine's.

inline MachineConfig own_bind_config() {
    MachineConfig config;
    config.port_mode = PortMode::kOwnBind;
    return config;
}

class MachineDriver {
  public:
    explicit MachineDriver(MachineConfig config = {}) : config_(config), invariants_(config, state_) {}

    const MachineState& s() const { return state_; }
    const MachineConfig& config() const { return config_; }
    TimePoint now() const { return now_; }
    State state() const { return state_.state; }
    const std::string& cause() const { return state_.cause; }
    std::optional<TimePoint> armed(TimerName timer) const { return invariants_.armed(timer); }
    // From now until the timer; zero if it is not armed (never a value that a test expects).
    Duration until(TimerName timer) const { return armed(timer) ? *armed(timer) - now_ : Duration{}; }

    // One step. What it did is in actions() until the next feed() or advance().
    MachineDriver& feed(const Input& input) {
        actions_.clear();
        step_once(input);
        return *this;
    }
    // Lets the time pass; armed timers fire at their time.
    MachineDriver& advance(Duration by) {
        actions_.clear();
        const TimePoint end = now_ + by;
        for (auto next = invariants_.next_timer(); next && *armed(*next) <= end; next = invariants_.next_timer()) {
            now_ = std::max(now_, *armed(*next));
            step_once(TimerFired{*next});
        }
        now_ = end;
        return *this;
    }
    // Time passes and no timer fires: the loop was late.
    MachineDriver& stall(Duration by) {
        now_ += by;
        return *this;
    }

    // ---- what happened ----
    const std::vector<Action>& actions() const { return actions_; }
    template <class A>
    int count() const {
        int n = 0;
        for (const auto& action : actions_) {
            n += std::holds_alternative<A>(action) ? 1 : 0;
        }
        return n;
    }
    template <class A>
    A last() const {
        for (auto it = actions_.rbegin(); it != actions_.rend(); ++it) {
            if (const auto* found = std::get_if<A>(&*it)) {
                return *found;
            }
        }
        FAIL("the step did not do what the test asks about");
        return A{};
    }
    // Events of this name in the last step or advance().
    std::vector<Event> events(EventName name) const {
        std::vector<Event> found;
        for (const auto& action : actions_) {
            const auto* emit = std::get_if<Emit>(&action);
            if (emit && emit->event.name == name) {
                found.push_back(emit->event);
            }
        }
        return found;
    }

    // ---- the world ----
    MachineDriver& start(Origin origin = Origin::kClient) { return feed(StartRequested{"a client came", origin}); }
    MachineDriver& stop() { return feed(StopRequested{"stopped by flask_stop"}); }
    MachineDriver& restart() { return feed(RestartRequested{"restarted by flask_restart"}); }
    MachineDriver& end(bool at_once = false) { return feed(ExitRequested{"stdin was closed", at_once}); }
    MachineDriver& port(std::uint16_t port = 5000) { return feed(PortFound{state_.epoch, port, {}, "proposed by test"}); }
    MachineDriver& no_port() { return feed(PortNotFound{state_.epoch, "no port can be had: tried 100 ports from 5000", {}}); }
    MachineDriver& spawned(std::int32_t pid = 100) { return feed(Spawned{pid}); }
    MachineDriver& probe(Verdict verdict, std::string detail = "GET /health: 200") {
        return feed(ProbeResult{state_.epoch, verdict, std::move(detail)});
    }
    MachineDriver& code(int code, std::string line = {}) { return feed(Exited{false, code, std::move(line), {}}); }
    MachineDriver& signal(int number) { return feed(Exited{true, number, {}, {}}); }
    MachineDriver& empty() { return feed(TreeEmpty{}); }
    MachineDriver& decide(DecisionAction action, Duration delay = 250ms) {
        return feed(Decided{state_.epoch, action, delay, "because the policy says so"});
    }

    // ---- the way to a state ----
    MachineDriver& to_starting() {
        start();
        if (state() == State::kDeciding) {
            port();
        }
        spawned();
        return *this;
    }
    MachineDriver& to_running() {
        to_starting();
        probe(Verdict::kHealthy);
        return *this;
    }
    MachineDriver& to_unhealthy() {
        to_running();
        fail_probes(config_.health_failures);
        return *this;
    }
    MachineDriver& to_deciding() {
        to_running();
        signal(9);
        empty();
        return *this;
    }
    MachineDriver& to_backing_off(Duration delay = 250ms) {
        to_deciding();
        decide(DecisionAction::kRestart, delay);
        return *this;
    }
    MachineDriver& to_degraded() {
        to_deciding();
        decide(DecisionAction::kGiveUp);
        return *this;
    }
    MachineDriver& to_stopping() {
        to_running();
        stop();
        return *this;
    }
    MachineDriver& to_misconfigured() {
        to_starting();
        code(78);
        empty();
        return *this;
    }
    MachineDriver& to_unkillable() {
        to_stopping();
        advance(config_.shutdown_timeout + config_.kill_timeout);
        return *this;
    }
    // From running: failed checks in a row, each at its time.
    MachineDriver& fail_probes(int n) {
        for (int i = 0; i < n; ++i) {
            if (!state_.probing) {
                advance(until(TimerName::kProbe));
            }
            probe(Verdict::kUnhealthy, "GET /health: no answer within 2 s");
        }
        return *this;
    }
    // Brings the machine into this state.
    MachineDriver& to(State target) {
        switch (target) {
            case State::kStopped:
                return *this;
            case State::kStarting:
                return to_starting();
            case State::kRunning:
                return to_running();
            case State::kUnhealthy:
                return to_unhealthy();
            case State::kDeciding:
                return to_deciding();
            case State::kBackingOff:
                return to_backing_off();
            case State::kStopping:
                return to_stopping();
            case State::kDegraded:
                return to_degraded();
            case State::kMisconfigured:
                return to_misconfigured();
            case State::kUnkillable:
                return to_unkillable();
        }
        return *this;
    }

  private:
    void step_once(const Input& input) {
        Step result = step(config_, std::move(state_), input, now_);
        const std::string violation = invariants_.check(input, now_, result);
        state_ = std::move(result.state);
        for (auto& action : result.actions) {
            actions_.push_back(std::move(action));
        }
        INFO("input " << input.index() << ", state " << to_string(state_.state) << ": " << state_.cause);
        REQUIRE(violation == "");
    }

    MachineConfig config_;
    MachineState state_;
    TimePoint now_ = TimePoint{} + 1000s;
    MachineInvariants invariants_;
    std::vector<Action> actions_;
};

constexpr State kAllStates[] = {State::kStopped,   State::kStarting, State::kRunning,  State::kUnhealthy,
                                State::kDeciding,  State::kBackingOff, State::kStopping, State::kDegraded,
                                State::kMisconfigured, State::kUnkillable};

}  // namespace steward::tests
