// MachineDriver: calls step() for a test, keeps the time and the timers, and checks the invariants
// after every step.
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

inline core::MachineConfig own_bind_config() {
    core::MachineConfig config;
    config.port_mode = core::PortMode::kOwnBind;
    return config;
}

class MachineDriver {
  public:
    explicit MachineDriver(core::MachineConfig config = {})
        : config_(config), invariants_(config, state_) {}

    const core::MachineState& s() const { return state_; }
    const core::MachineConfig& config() const { return config_; }
    core::TimePoint now() const { return now_; }
    core::State state() const { return state_.state; }
    const std::string& cause() const { return state_.cause; }
    std::optional<core::TimePoint> armed(core::TimerName timer) const {
        return invariants_.armed(timer);
    }
    // From now until the timer; zero if it is not armed (never a value that a test expects).
    core::Duration until(core::TimerName timer) const {
        return armed(timer) ? *armed(timer) - now_ : core::Duration{};
    }

    // One step. What it did is in actions() until the next feed() or advance().
    MachineDriver& feed(const core::Input& input) {
        actions_.clear();
        step_once(input);
        return *this;
    }
    // Lets the time pass; armed timers fire at their time.
    MachineDriver& advance(core::Duration by) {
        actions_.clear();
        const core::TimePoint end = now_ + by;
        for (auto next = invariants_.next_timer(); next && *armed(*next) <= end;
             next = invariants_.next_timer()) {
            now_ = std::max(now_, *armed(*next));
            step_once(core::TimerFired{*next});
        }
        now_ = end;
        return *this;
    }
    // Time passes and no timer fires: the loop was late.
    MachineDriver& stall(core::Duration by) {
        now_ += by;
        return *this;
    }

    // ---- what happened
    const std::vector<core::Action>& actions() const { return actions_; }
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
    std::vector<core::Event> events(core::EventName name) const {
        std::vector<core::Event> found;
        for (const auto& action : actions_) {
            const auto* emit = std::get_if<core::Emit>(&action);
            if (emit && emit->event.name == name) {
                found.push_back(emit->event);
            }
        }
        return found;
    }

    // ---- the world
    MachineDriver& start(core::Origin origin = core::Origin::kClient) {
        return feed(core::StartRequested{"a client came", origin});
    }
    MachineDriver& stop() { return feed(core::StopRequested{"stopped by flask_stop"}); }
    MachineDriver& restart() { return feed(core::RestartRequested{"restarted by flask_restart"}); }
    MachineDriver& end(bool at_once = false) {
        return feed(core::ExitRequested{"stdin was closed", at_once});
    }
    MachineDriver& port(std::uint16_t port = 5000) {
        return feed(core::PortFound{state_.epoch, port, {}, "proposed by test"});
    }
    MachineDriver& no_port() {
        return feed(
            core::PortNotFound{state_.epoch, "no port can be had: tried 100 ports from 5000", {}});
    }
    MachineDriver& spawned(std::int32_t pid = 100) { return feed(core::Spawned{pid}); }
    MachineDriver& probe(core::Verdict verdict, std::string detail = "GET /health: 200") {
        return feed(core::ProbeResult{state_.epoch, verdict, std::move(detail)});
    }
    MachineDriver& code(int code, std::string line = {}) {
        return feed(core::Exited{false, code, std::move(line), {}});
    }
    MachineDriver& signal(int number) { return feed(core::Exited{true, number, {}, {}}); }
    MachineDriver& empty() { return feed(core::TreeEmpty{}); }
    MachineDriver& decide(core::DecisionAction action,
                          core::Duration delay = std::chrono::milliseconds(250)) {
        return feed(core::Decided{state_.epoch, action, delay, "because the policy says so"});
    }

    // ---- the way to a state
    MachineDriver& to_starting() {
        start();
        if (state() == core::State::kDeciding) {
            port();
        }
        spawned();
        return *this;
    }
    MachineDriver& to_running() {
        to_starting();
        probe(core::Verdict::kHealthy);
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
    MachineDriver& to_backing_off(core::Duration delay = std::chrono::milliseconds(250)) {
        to_deciding();
        decide(core::DecisionAction::kRestart, delay);
        return *this;
    }
    MachineDriver& to_degraded() {
        to_deciding();
        decide(core::DecisionAction::kGiveUp);
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
                advance(until(core::TimerName::kProbe));
            }
            probe(core::Verdict::kUnhealthy, "GET /health: no answer within 2 s");
        }
        return *this;
    }
    // Brings the machine into this state.
    MachineDriver& to(core::State target) {
        switch (target) {
            case core::State::kStopped:
                return *this;
            case core::State::kStarting:
                return to_starting();
            case core::State::kRunning:
                return to_running();
            case core::State::kUnhealthy:
                return to_unhealthy();
            case core::State::kDeciding:
                return to_deciding();
            case core::State::kBackingOff:
                return to_backing_off();
            case core::State::kStopping:
                return to_stopping();
            case core::State::kDegraded:
                return to_degraded();
            case core::State::kMisconfigured:
                return to_misconfigured();
            case core::State::kUnkillable:
                return to_unkillable();
        }
        return *this;
    }

  private:
    void step_once(const core::Input& input) {
        core::Step result = core::step(config_, std::move(state_), input, now_);
        const std::string violation = invariants_.check(input, now_, result);
        state_ = std::move(result.state);
        for (auto& action : result.actions) {
            actions_.push_back(std::move(action));
        }
        INFO("input " << input.index() << ", state " << core::to_string(state_.state) << ": "
                      << state_.cause);
        REQUIRE(violation == "");
    }

    core::MachineConfig config_;
    core::MachineState state_;
    core::TimePoint now_ = core::TimePoint{} + std::chrono::seconds(1000);
    MachineInvariants invariants_;
    std::vector<core::Action> actions_;
};

constexpr core::State kAllStates[] = {core::State::kStopped,       core::State::kStarting,
                                      core::State::kRunning,       core::State::kUnhealthy,
                                      core::State::kDeciding,      core::State::kBackingOff,
                                      core::State::kStopping,      core::State::kDegraded,
                                      core::State::kMisconfigured, core::State::kUnkillable};

}  // namespace steward::tests
