// MachineInvariants: watches a state machine step by step and says which promise of machine.hpp a
// step has broken.
//
// It keeps its own books from inputs and actions alone (armed timers, the open question, whether a
// start is allowed, what the restart strategy has said), so that an error in the machine's state
// does not hide itself. Knows no test framework: unit tests, the random walk and the simulation use
// it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "steward/core/machine.hpp"

namespace steward::tests {

class MachineInvariants {
  public:
    using State = core::State;
    using TimePoint = core::TimePoint;
    using TimerName = core::TimerName;

    MachineInvariants(const core::MachineConfig& config, const core::MachineState& initial)
        : config_(config), before_(Brief::of(initial)) {}

    // Call after each step, with the input, its time and the result. Empty: every invariant holds;
    // otherwise the first one that is broken, with its numbers.
    std::string check(const core::Input& input, TimePoint now, const core::Step& step);

    // As replayed from Arm and Disarm; a timer that was given as an input is no longer armed.
    std::optional<TimePoint> armed(TimerName timer) const { return timers_[index(timer)]; }
    std::optional<TimerName> next_timer() const;
    bool finished() const { return finished_; }

  private:
    // What is compared before and after; the whole state is too large to be copied millions of
    // times.
    struct Brief {
        State state{};
        TimePoint since{};
        bool tree = false;
        bool exiting = false;
        std::int32_t pid = 0;
        std::uint64_t epoch = 0;
        std::uint64_t generation = 0;
        std::uint64_t restarts = 0;
        static Brief of(const core::MachineState& s) {
            return {s.state, s.since, s.tree, s.exiting, s.pid, s.epoch, s.generation, s.restarts};
        }
    };
    static std::size_t index(TimerName timer) { return static_cast<std::size_t>(timer); }

    void take_input(const core::Input& input, TimePoint now);
    void take_action(const core::Action& action, TimePoint now, const core::MachineState& after);
    void take_event(const core::Event& event, TimePoint now);
    void check_spawn(const core::MachineState& after);
    void check_start_event(const core::Event& event, TimePoint now);
    void check_transition(TimePoint now, const core::MachineState& after);
    void check_late_answer(const core::Input& input, const core::Step& step);
    void check_wait(const core::MachineState& after);
    void check_exit_deadline(TimePoint now, const core::MachineState& after);
    void check_values(const core::MachineState& after);
    void broken(std::string what) {
        if (violation_.empty()) {
            violation_ = std::move(what);
        }
    }
    void require(bool holds, const char* what) {
        if (!holds) {
            broken(what);
        }
    }
    bool is_armed(TimerName timer) const { return timers_[index(timer)].has_value(); }
    bool any_armed() const;

    const core::MachineConfig config_;
    Brief before_;
    std::string violation_;
    std::array<std::optional<TimePoint>, core::kTimerCount> timers_{};

    bool tree_ = false;           // by Spawn, TreeEmpty, SpawnFailed and PortLost alone
    bool start_allowed_ = false;  // no stop since the last request to start
    bool exit_requested_ = false;
    bool finished_ = false;
    TimePoint exit_at_{};
    std::optional<TimePoint> killed_at_;  // first SIGKILL of the session's end
    std::optional<std::uint64_t> port_question_;
    std::optional<std::uint64_t> restart_question_;
    std::uint64_t probe_ = 0;  // epoch of the last probe
    TimePoint asked_at_{};
    // An automatic start that the restart strategy has allowed and that has not been made.
    std::optional<TimePoint> allowed_from_;
    int other_ports_ = 0;  // starts on another port in a row
    std::optional<TimePoint> half_open_from_;
};

}  // namespace steward::tests
