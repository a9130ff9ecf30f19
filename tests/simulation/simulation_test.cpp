// The simulation watched: each invariant sees a part that is broken on purpose, a failing schedule
// is made smaller, a seed replays, and the schedules reach what they are there for.
#include "simulation.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <sstream>
#include <variant>

#include "catch.hpp"

namespace steward::simulation {
namespace {

using namespace std::chrono_literals;
using namespace core;

using Break = std::function<void(const MachineConfig&, const MachineState& before, const Input&,
                                 TimePoint, Step&)>;

// The machine, and what is done to each of its steps.
Doubles machine_with(Break breaks) {
    Doubles doubles;
    doubles.machine = [breaks = std::move(breaks)]() -> Machine {
        return [breaks](const MachineConfig& config, MachineState state, const Input& input,
                        TimePoint now) {
            const MachineState before = state;
            Step result = core::step(config, std::move(state), input, now);
            breaks(config, before, input, now, result);
            return result;
        };
    };
    return doubles;
}

template <class A>
void add(Step& step, A action) {
    step.actions.emplace_back(std::in_place_type<A>, std::move(action));
}

void drop_timers_of_stop(Step& step) {
    std::erase_if(step.actions, [](const Action& action) {
        const auto* arm = std::get_if<Arm>(&action);
        return arm != nullptr &&
               (arm->timer == TimerName::kShutdown || arm->timer == TimerName::kKill);
    });
}

// What is broken, and the invariant that has to see it.
struct Case {
    const char* what;
    std::string invariant;
    Doubles doubles;
};

std::vector<Case> cases() {
    std::vector<Case> all;
    all.push_back(
        {"a second instance for a second start", "one-instance",
         machine_with([](const auto&, const auto&, const Input& input, TimePoint, Step& step) {
             if (std::holds_alternative<StartRequested>(input) && step.state.pid != 0) {
                 add(step, Spawn{step.state.generation});
             }
         })});
    all.push_back({"a start a second after a stop", "stop-holds",
                   machine_with([](const MachineConfig& config, const MachineState& before,
                                   const Input& input, TimePoint now, Step& step) {
                       const bool at_rest =
                           step.state.state == State::kStopped && !step.state.exiting;
                       const auto* fired = std::get_if<TimerFired>(&input);
                       if (at_rest && before.state == State::kStopping) {
                           add(step, Arm{TimerName::kBackoff, now + 1s});
                       } else if (at_rest && fired && fired->timer == TimerName::kBackoff) {
                           step = core::step(config, step.state,
                                             StartRequested{"again", Origin::kAutomatic}, now);
                       }
                   })});
    {
        Doubles doubles;
        doubles.decision = [](const RestartAnswer&) {
            return RestartAnswer{DecisionAction::kRestart, 10ms, "for ever"};
        };
        all.push_back({"a policy without a budget", "budget", doubles});
    }
    const auto without_timers = machine_with([](const auto&, const auto&, const Input&, TimePoint,
                                                Step& step) { drop_timers_of_stop(step); });
    all.push_back({"no SIGKILL after SIGTERM", "wait-ends", without_timers});
    all.push_back({"a stop that never ends", "settled-once", without_timers});
    all.push_back({"no probe after the first", "wait-ends",
                   machine_with([](const auto&, const auto&, const Input&, TimePoint, Step& step) {
                       std::erase_if(step.actions, [](const Action& action) {
                           const auto* arm = std::get_if<Arm>(&action);
                           return arm != nullptr && arm->timer == TimerName::kProbe;
                       });
                   })});
    {
        Doubles doubles;
        doubles.settles_twice = true;
        all.push_back({"a request settled twice", "settled-once", doubles});
    }
    all.push_back(
        {"a state without a cause", "cause",
         machine_with([](const auto&, const auto&, const Input& input, TimePoint, Step& step) {
             if (std::holds_alternative<TreeEmpty>(input)) {
                 step.state.cause.clear();
             }
         })});
    {
        Doubles doubles;
        doubles.world = [](FakeWorld& world) { world.os.frozen.clear(); };
        all.push_back({"an OS that takes a stopped process for a running one", "healthy", doubles});
    }
    all.push_back(
        {"a failed probe that is taken for a good one", "healthy",
         machine_with([](const auto&, const auto&, const Input& input, TimePoint, Step& step) {
             if (std::holds_alternative<ProbeResult>(input)) {
                 step.state.healthy = step.state.state == State::kRunning;
             }
         })});
    all.push_back({"no patience with a busy app", "busy-limit",
                   machine_with([](const MachineConfig& config, const MachineState& before,
                                   const Input& input, TimePoint now, Step& step) {
                       if (const auto* result = std::get_if<ProbeResult>(&input)) {
                           auto without = *result;
                           without.evidence = {};
                           step = core::step(config, before, without, now);
                       }
                   })});
    all.push_back(
        {"another port after each instance", "port-kept",
         machine_with([](const auto&, const auto&, const Input& input, TimePoint, Step& step) {
             if (std::holds_alternative<TreeEmpty>(input) && step.state.port != 0) {
                 ++step.state.port;
             }
         })});
    all.push_back({"a generation that is skipped", "generation",
                   machine_with([](const auto&, const MachineState& before, const Input&, TimePoint,
                                   Step& step) {
                       if (step.state.generation != before.generation) {
                           ++step.state.generation;
                       }
                   })});
    all.push_back(
        {"restarts that begin anew with a stop", "restarts",
         machine_with([](const auto&, const auto&, const Input& input, TimePoint, Step& step) {
             if (std::holds_alternative<StopRequested>(input)) {
                 step.state.restarts = 0;
             }
         })});
    all.push_back(
        {"a SIGKILL after the empty tree", "signals",
         machine_with([](const auto&, const auto&, const Input& input, TimePoint, Step& step) {
             if (std::holds_alternative<TreeEmpty>(input) && !step.state.tree) {
                 add(step, Kill{});
             }
         })});
    {
        Doubles doubles;
        doubles.world = [](FakeWorld& world) { world.port.stop_answering(); };
        all.push_back({"a responder that does not answer", "answered", doubles});
    }
    all.push_back({"an end that is never told", "exit-complete",
                   machine_with([](const auto&, const auto&, const Input&, TimePoint, Step& step) {
                       std::erase_if(step.actions, [](const Action& action) {
                           return std::holds_alternative<Finish>(action);
                       });
                   })});
    all.push_back({"an end that hides what is left", "exit-complete",
                   machine_with([](const auto&, const auto&, const Input&, TimePoint, Step& step) {
                       for (auto& action : step.actions) {
                           if (auto* finish = std::get_if<Finish>(&action)) {
                               finish->left.clear();
                           }
                       }
                   })});
    all.push_back({"two probes at once", "contract",
                   machine_with([](const auto&, const auto&, const Input&, TimePoint, Step& step) {
                       for (std::size_t i = 0; i < step.actions.size(); ++i) {
                           if (const auto* probe = std::get_if<StartProbe>(&step.actions[i])) {
                               add(step, StartProbe(*probe));
                               return;
                           }
                       }
                   })});
    all.push_back({"a transition that does not say since when", "machine",
                   machine_with([](const auto&, const MachineState& before, const Input&, TimePoint,
                                   Step& step) { step.state.since = before.since; })});
    {
        Doubles doubles;
        doubles.world = [](FakeWorld& world) { world.scheduler.post([] {}); };
        all.push_back({"a loop that does not end", "progress", doubles});
    }
    return all;
}

// The first schedule of some size that breaks the invariant.
std::optional<Schedule> first_broken(const Options& options, const std::string& name) {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        auto schedule = schedule_of(seed);
        if (schedule.items.size() < 8) {
            continue;
        }
        if (const auto outcome = simulate(schedule, options); outcome.broken) {
            CHECK(outcome.broken->name == name);
            return schedule;
        }
    }
    return std::nullopt;
}

std::string trace_of(const Schedule& schedule, Options options) {
    std::ostringstream trace;
    options.trace = &trace;
    simulate(schedule, options);
    return trace.str();
}

}  // namespace

TEST_CASE("each invariant sees the part that is broken, and the schedule is made smaller",
          "[simulation]") {
    for (const auto& broken : cases()) {
        INFO(broken.what << " (" << broken.invariant << ")");
        Options options;
        options.max_steps = 20'000;
        options.doubles = broken.doubles;
        options.doubles.only = broken.invariant;
        const auto schedule = first_broken(options, broken.invariant);
        REQUIRE(schedule);
        const auto smallest = shrunk(*schedule, broken.invariant, options);
        CHECK(smallest.items.size() < schedule->items.size());
        const auto outcome = simulate(smallest, options);
        REQUIRE(outcome.broken);
        CHECK(outcome.broken->name == broken.invariant);
        // Nothing more can be left out.
        for (std::size_t i = 0; i < smallest.items.size(); ++i) {
            auto shorter = smallest;
            shorter.items.erase(shorter.items.begin() + static_cast<std::ptrdiff_t>(i));
            const auto without = simulate(shorter, options);
            CHECK_FALSE((without.broken && without.broken->name == broken.invariant));
        }
    }
}

TEST_CASE("each invariant has a part that breaks it", "[simulation]") {
    const auto all = cases();
    for (const auto name : kInvariants) {
        INFO(name);
        CHECK(std::any_of(all.begin(), all.end(),
                          [name](const Case& one) { return one.invariant == name; }));
    }
}

TEST_CASE("a seed replays to the letter", "[simulation]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto first = trace_of(schedule_of(seed), {});
        CHECK(first == trace_of(schedule_of(seed), {}));
        CHECK(first != trace_of(schedule_of(seed + 1), {}));
    }
}

TEST_CASE("the schedules reach every state, kind of start and input", "[simulation]") {
    constexpr std::array kStates{State::kStopped,   State::kStarting, State::kRunning,
                                 State::kUnhealthy, State::kDeciding, State::kBackingOff,
                                 State::kStopping,  State::kDegraded, State::kMisconfigured,
                                 State::kUnkillable};
    std::map<State, int> entered;
    std::map<Origin, int> origins;
    std::map<std::size_t, int> inputs;
    std::uint64_t kinds = 0;
    Options options;
    options.doubles = machine_with(
        [&](const auto&, const MachineState& before, const Input& input, TimePoint, Step& step) {
            entered[step.state.state] += step.state.state != before.state ? 1 : 0;
            ++inputs[input.index()];
            if (step.state.generation != before.generation) {
                ++origins[step.state.origin];
            }
        });
    constexpr std::uint64_t kSchedules = 1000;
    for (std::uint64_t seed = 1; seed <= kSchedules; ++seed) {
        const auto schedule = schedule_of(seed);
        for (const auto& item : schedule.items) {
            kinds |= 1ULL << static_cast<unsigned>(item.kind);
        }
        const auto outcome = simulate(schedule, options);
        REQUIRE_FALSE(outcome.broken);
    }
    CHECK(kinds == (1ULL << kKinds) - 1);
    for (const auto state : kStates) {
        INFO(to_string(state) << ": " << entered[state]);
        CHECK(entered[state] > 100);
    }
    for (const auto origin : {Origin::kClient, Origin::kRequest, Origin::kAutomatic,
                              Origin::kHalfOpen, Origin::kOtherPort, Origin::kFilesChanged}) {
        INFO(to_string(origin) << ": " << origins[origin]);
        CHECK(origins[origin] > 20);
    }
    for (std::size_t input = 0; input < std::variant_size_v<Input>; ++input) {
        INFO("input " << input << ": " << inputs[input]);
        CHECK(inputs[input] > 2);
    }
}

}  // namespace steward::simulation
