// Every input in every state: defined, and without breaking an invariant.
#include "machine_driver.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

namespace {

// Each kind of input; where an answer carries an epoch, the right one and an old one.
std::vector<Input> all_inputs(std::uint64_t epoch) {
    std::vector<Input> inputs;
    for (const auto origin : {Origin::kClient, Origin::kRequest}) {
        inputs.push_back(StartRequested{"start", origin});
    }
    inputs.push_back(StopRequested{"stop"});
    inputs.push_back(RestartRequested{"restart"});
    inputs.push_back(ExitRequested{"exit", false});
    inputs.push_back(ExitRequested{"exit", true});
    for (const std::uint64_t e : {epoch, epoch - 1, std::uint64_t{0}}) {
        inputs.push_back(PortFound{e, 5001, {{5000, "in use"}}, "found"});
        inputs.push_back(PortNotFound{e, "none", {{5000, "in use"}}});
        for (const auto verdict : {Verdict::kHealthy, Verdict::kUnhealthy, Verdict::kUnknown}) {
            inputs.push_back(ProbeResult{e, verdict, "detail"});
        }
        inputs.push_back(ProbeVoided{e});
        for (const auto action :
             {DecisionAction::kRestart, DecisionAction::kStayDown, DecisionAction::kGiveUp}) {
            inputs.push_back(Decided{e, action, 0ms, "why"});
            inputs.push_back(Decided{e, action, 5s, "why"});
            inputs.push_back(Decided{e, action, Duration::max(), "why"});
            inputs.push_back(Decided{e, action, Duration::min(), "why"});
        }
    }
    inputs.push_back(PortLost{"lost", false});
    inputs.push_back(PortLost{"lost", true});
    inputs.push_back(Spawned{4711});
    inputs.push_back(SpawnFailed{"no such file", 2, false});
    inputs.push_back(SpawnFailed{"no process could be made", 11, true});
    for (const int code : {0, 1, 3, 78, 98, 126, 127}) {
        inputs.push_back(Exited{false, code, "", ""});
    }
    inputs.push_back(Exited{false, 1, "ImportError: no module", ""});
    inputs.push_back(Exited{false, 1, "OSError: Address already in use", ""});
    inputs.push_back(Exited{true, 9, "", "the guardian was killed"});
    inputs.push_back(TreeEmpty{});
    inputs.push_back(FilesChanged{"app.py changed"});
    for (std::size_t timer = 0; timer < kTimerCount; ++timer) {
        inputs.push_back(TimerFired{static_cast<TimerName>(timer)});
    }
    return inputs;
}

MachineConfig config_of(PortMode mode, bool health) {
    MachineConfig config;
    config.port_mode = mode;
    config.health_enabled = health;
    return config;
}

// A timer that is not armed, or not yet due, cannot fire: the service sees to it.
bool can_happen(const MachineDriver& driver, const Input& input) {
    const auto* timer = std::get_if<TimerFired>(&input);
    return !timer || driver.armed(timer->timer).has_value();
}

void feed_at_its_time(MachineDriver& driver, const Input& input) {
    if (const auto* timer = std::get_if<TimerFired>(&input)) {
        if (const auto at = driver.armed(timer->timer); at && *at > driver.now()) {
            driver.stall(*at - driver.now());
        }
    }
    driver.feed(input);
}

// The machine in this state; without probes a spawned app is running at once and never unhealthy.
std::optional<MachineDriver> in_state(const MachineConfig& config, State state) {
    MachineDriver driver(config);
    if (!config.probes() && state == State::kUnhealthy) {
        return std::nullopt;
    }
    if (!config.probes() && state == State::kStarting) {
        driver.start();
        if (driver.state() == State::kDeciding) {
            driver.port();
        }
    } else {
        driver.to(state);
    }
    return driver;
}

}  // namespace

TEST_CASE("every input is defined in every state and keeps the invariants", "[machine][table]") {
    const auto mode = GENERATE(PortMode::kHandOver, PortMode::kOwnBind, PortMode::kNone);
    const bool health = GENERATE(true, false);
    const auto config = config_of(mode, health);
    for (const auto state : kAllStates) {
        const auto found = in_state(config, state);
        if (!found) {
            continue;
        }
        const MachineDriver& there = *found;
        INFO("state " << to_string(state));
        REQUIRE(there.state() == state);
        for (const auto& input : all_inputs(there.s().epoch)) {
            MachineDriver driver = there;
            if (can_happen(driver, input)) {
                feed_at_its_time(driver, input);
            }
        }
    }
}

TEST_CASE("every pair of inputs in every state keeps the invariants", "[machine][table]") {
    const auto mode = GENERATE(PortMode::kHandOver, PortMode::kOwnBind, PortMode::kNone);
    const auto config = config_of(mode, true);
    for (const auto state : kAllStates) {
        const auto found = in_state(config, state);
        if (!found) {
            continue;
        }
        const MachineDriver& there = *found;
        INFO("state " << to_string(state));
        for (const auto& first : all_inputs(there.s().epoch)) {
            if (!can_happen(there, first)) {
                continue;
            }
            MachineDriver between = there;
            feed_at_its_time(between, first);
            for (const auto& second : all_inputs(between.s().epoch)) {
                MachineDriver driver = between;
                if (can_happen(driver, second)) {
                    feed_at_its_time(driver, second);
                }
            }
        }
    }
}

TEST_CASE("an unarmed timer's firing is survived in every state", "[machine][table]") {
    for (const auto state : kAllStates) {
        MachineDriver there;
        there.to(state);
        for (std::size_t i = 0; i < kTimerCount; ++i) {
            const auto timer = static_cast<TimerName>(i);
            if (there.armed(timer)) {
                continue;
            }
            MachineState before = there.s();
            const Step after = step(there.config(), before, TimerFired{timer}, there.now());
            INFO("state " << to_string(state) << ", timer " << i);
            CHECK(after.state.tree == before.tree);
            CHECK(after.state.generation == before.generation);
            CHECK_FALSE(after.state.cause.empty());
        }
    }
}

TEST_CASE("the supervisor itself answers in exactly the states in which no instance will soon",
          "[machine][port]") {
    struct Row {
        State state;
        bool answers;
    };
    const auto row = GENERATE(
        Row{State::kStopped, true}, Row{State::kMisconfigured, true}, Row{State::kDegraded, true},
        Row{State::kUnkillable, true}, Row{State::kStarting, false}, Row{State::kRunning, false},
        Row{State::kUnhealthy, false}, Row{State::kDeciding, false}, Row{State::kStopping, false});
    MachineDriver driver;
    driver.to(row.state);
    INFO(to_string(row.state));
    CHECK(answers_itself(driver.s(), driver.now()) == row.answers);
}

TEST_CASE("while backing off the supervisor answers until two seconds before the next start",
          "[machine][port]") {
    MachineDriver driver;
    driver.to_backing_off(5s);
    CHECK(answers_itself(driver.s(), driver.now()));
    CHECK(answers_itself(driver.s(), driver.now() + 2999ms));
    CHECK_FALSE(answers_itself(driver.s(), driver.now() + 3s));
    MachineDriver soon;
    soon.to_backing_off(2s);
    CHECK_FALSE(answers_itself(soon.s(), soon.now()));
}

TEST_CASE("the names of states, origins and exits are those that people see", "[machine]") {
    CHECK(to_string(State::kBackingOff) == "backing_off");
    CHECK(to_string(State::kMisconfigured) == "misconfigured");
    CHECK(to_string(Origin::kHalfOpen) == "half_open");
    CHECK(describe_exit(false, 3) == "exit code 3");
    CHECK(describe_exit(true, 9) == "killed by signal 9 (SIGKILL)");
    CHECK(describe_exit(true, 200) == "killed by signal 200");
    CHECK(to_string(EventName::kServiceRestartScheduled) == "service.restart_scheduled");
}

}  // namespace steward::tests
