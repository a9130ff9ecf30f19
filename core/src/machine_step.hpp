// The state machine at work: one step in progress. Private to the machine*.cpp files; what it does
// is told in machine.hpp.
//
// machine.cpp starts instances, machine_health.cpp judges probes, machine_ending.cpp takes
// instances down and asks what follows, machine_requests.cpp answers requests and timers.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "steward/core/machine.hpp"

namespace steward::core {

// The start-up timer comes this much after the deadline that the waiting probe has, so that the
// probe's own verdict is there.
inline constexpr Duration kStartupGrace = std::chrono::milliseconds(250);
// SIGTERM follows this much after kDumpTime should nobody say how the dump ended.
inline constexpr Duration kDumpGrace = std::chrono::milliseconds(50);

// "1.5 s", "800 ms", "10 min".
std::string duration_text(Duration d);
// "5000, 5001"
std::string port_list(const std::vector<std::uint16_t>& ports);
// Does the last line of an app say that it could not bind its port?
bool names_port_in_use(const std::string& line);

// One step in progress: the state is changed in place, actions are collected in order.
class Stepper {
  public:
    using After = MachineState::After;
    using Question = MachineState::Question;

    Stepper(const MachineConfig& config, MachineState& state, std::vector<Action>& actions,
            TimePoint now)
        : c_(config), s_(state), out_(actions), now_(now) {}

    void on(const StartRequested& in);
    void on(const RestartRequested& in);
    void on(const StopRequested& in);
    void on(const ExitRequested& in);
    void on(const PortFound& in);
    void on(const PortNotFound& in);
    void on(const PortLost& in);
    void on(const Spawned& in);
    void on(const SpawnFailed& in);
    void on(const Exited& in);
    void on(const TreeEmpty& in);
    void on(const ProbeResult& in);
    void on(const ProbeVoided& in);
    void on(const Decided& in);
    void on(const FilesChanged& in);
    void on(const TimerFired& in);
    void on(const DumpEnded& in);

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
    bool counts_as_healthy();
    void fail_probe(const ProbeResult& in);
    void end_of_startup();
    void extend_startup();
    void become_running(bool healthy, const std::string& cause);
    void take_down(State state, After after, const std::string& cause);
    void take_down_failed(After after, const std::string& cause);
    void terminate();
    void end_dump(const std::string& what);
    void kill_rest();
    void follow();
    void fail(std::uint32_t kind, int code, const std::string& cause);
    void ask_restart(const std::string& cause);
    void apply(const Decided& decision);
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

inline std::int64_t signed_of(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

}  // namespace steward::core
