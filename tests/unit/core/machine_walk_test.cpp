// A seeded random walk through the machine: a world of its own answers, crashes, hangs, is late and
// lies, and the invariants are checked after every step. A failure prints its seed and the shortest
// schedule that was found to show it.
#include <algorithm>
#include <array>
#include <cstdint>
#include <sstream>

#include "catch.hpp"
#include "machine_invariants.hpp"
#include "random.hpp"
#include "steward/core/machine.hpp"

namespace steward::tests {
namespace {

using namespace std::chrono_literals;
using namespace core;

// One choice of the walk; what it means depends on the state it meets.
using Gene = std::uint64_t;

const char* const kInputNames[] = {
    "StartRequested", "StopRequested", "RestartRequested", "ExitRequested", "PortFound",
    "PortNotFound",   "PortLost",      "Spawned",          "SpawnFailed",   "Exited",
    "TreeEmpty",      "ProbeResult",   "ProbeVoided",      "Decided",       "FilesChanged",
    "TimerFired",     "DumpEnded"};
static_assert(std::size(kInputNames) == std::variant_size_v<Input>);

class Walk {
  public:
    Walk(const MachineConfig& config, bool lies)
        : config_(config), lies_(lies), invariants_(config, state_) {}

    // One step chosen by the gene. Empty, or the invariant that it broke.
    std::string take(Gene gene) {
        const Input input = choose(gene);
        Step result = step(config_, std::move(state_), input, now_);
        std::string violation = invariants_.check(input, now_, result);
        state_ = std::move(result.state);
        follow(input, result.actions);
        if (log_) {
            *log_ << "  " << to_ms(now_.time_since_epoch()) << " ms  " << kInputNames[input.index()]
                  << " -> " << to_string(state_.state) << (state_.tree ? " (tree)" : "") << ": "
                  << state_.cause << '\n';
        }
        return violation;
    }
    void log_to(std::ostream& out) { log_ = &out; }
    State state() const { return state_.state; }
    bool finished() const { return invariants_.finished(); }

  private:
    static std::uint32_t part(Gene gene, unsigned at, std::uint32_t below) {
        return static_cast<std::uint32_t>((gene >> at) & 0xffffU) % below;
    }

    Input choose(Gene gene) {
        const auto kind = part(gene, 0, 100);
        if (kind < 45) {
            return world(gene);
        }
        if (kind < 75) {
            return time_passes(gene);
        }
        if (kind < 90 || !lies_) {
            return request(gene);
        }
        return lie(gene);
    }

    // What the asked sides answer and what the processes do, as it can happen.
    Input world(Gene gene) {
        std::array<int, 6> possible{};
        std::size_t n = 0;
        if (spawning_) {
            possible[n++] = 0;
        }
        if (alive_) {
            possible[n++] = 1;
        }
        if (tree_ && !alive_ && !spawning_) {
            possible[n++] = 2;
        }
        if (state_.state == State::kDeciding && !state_.decision) {
            possible[n++] = 3;
        }
        if (state_.probing) {
            possible[n++] = 4;
        }
        if (state_.dumping) {
            possible[n++] = 5;
        }
        if (n == 0) {
            return time_passes(gene);
        }
        switch (possible[part(gene, 16, static_cast<std::uint32_t>(n))]) {
            case 0:
                if (config_.port_mode == PortMode::kHandOver && part(gene, 48, 16) == 0) {
                    return PortLost{"the port is lost", true};
                }
                return part(gene, 32, 8) != 0
                           ? Input(Spawned{static_cast<std::int32_t>(++last_pid_)})
                           : Input(SpawnFailed{"it could not be spawned", 11,
                                               part(gene, 40, 2) == 0});
            case 1:
                if (config_.port_mode == PortMode::kHandOver && part(gene, 56, 16) == 0) {
                    return PortLost{"the port is lost", false};  // The exit comes next.
                }
                return exited(gene);
            case 2:
                return TreeEmpty{};
            case 3:
                return answer(gene, state_.epoch);
            case 5:
                return DumpEnded{state_.generation, part(gene, 32, 2) == 0};
            default:
                return probe(gene, state_.epoch);
        }
    }

    static Input exited(Gene gene) {
        static constexpr int kCodes[] = {0, 1, 3, 78, 98, 126, 127};
        static const char* const kLines[] = {"", "ImportError: x", "Address already in use",
                                             "ValueError"};
        if (part(gene, 32, 3) == 0) {
            return Exited{true, 9, "", ""};
        }
        return Exited{false, kCodes[part(gene, 40, 7)], kLines[part(gene, 48, 4)], ""};
    }
    Input answer(Gene gene, std::uint64_t epoch) const {
        const bool port = lies_ && part(gene, 56, 16) == 0
                              ? state_.question != MachineState::Question::kPort
                              : state_.question == MachineState::Question::kPort;
        if (port) {
            return part(gene, 32, 5) != 0
                       ? Input(PortFound{epoch,
                                         static_cast<std::uint16_t>(5000 + part(gene, 40, 100)),
                                         {},
                                         "found"})
                       : Input(PortNotFound{epoch, "no port", {}});
        }
        static constexpr Duration kDelays[] = {0ms, 250ms, 3s, 30s};
        return Decided{epoch,
                       static_cast<DecisionAction>(part(gene, 32, 5) < 3 ? 0 : part(gene, 36, 3)),
                       kDelays[part(gene, 40, 4)], "why"};
    }
    static Input probe(Gene gene, std::uint64_t epoch) {
        const auto kind = part(gene, 32, 10);
        if (kind == 0) {
            return ProbeVoided{epoch};
        }
        return ProbeResult{epoch,
                           kind < 5   ? Verdict::kHealthy
                           : kind < 8 ? Verdict::kUnhealthy
                                      : Verdict::kUnknown,
                           "detail",
                           {static_cast<Condition>(part(gene, 40, 7)), "evidence"}};
    }

    // To the next timer, which fires, sometimes late; or a moment before it, and something else
    // happens.
    Input time_passes(Gene gene) {
        const auto next = invariants_.next_timer();
        if (!next) {
            now_ += std::chrono::milliseconds(part(gene, 32, 10'000));
            return request(gene);
        }
        const TimePoint at = *invariants_.armed(*next);
        if (part(gene, 40, 5) == 0 && at > now_) {
            now_ += (at - now_) / (1 + part(gene, 32, 3)) - 1ns;
            return FilesChanged{"app.py changed"};
        }
        now_ = std::max(now_, at);
        if (part(gene, 48, 30) == 0) {
            now_ += std::chrono::milliseconds(part(gene, 32, 5000));
        }
        return TimerFired{*next};
    }

    Input request(Gene gene) const {
        const auto kind = part(gene, 24, 40);
        if (kind < 16) {
            return StartRequested{"start",
                                  state_.generation == 0 ? Origin::kClient : Origin::kRequest};
        }
        if (kind < 24) {
            return StopRequested{"stop"};
        }
        if (kind < 32) {
            return RestartRequested{"restart"};
        }
        if (kind < 37) {
            return FilesChanged{"app.py changed"};
        }
        return kind < 39 ? Input(FilesChanged{"app.py changed"})
                         : Input(ExitRequested{"end", part(gene, 40, 3) == 0});
    }

    // Anything at any time: late answers, reports that cannot be.
    Input lie(Gene gene) const {
        const std::uint64_t epoch =
            state_.epoch - std::min<std::uint64_t>(state_.epoch, part(gene, 56, 3));
        switch (part(gene, 16, 10)) {
            case 0:
                return Spawned{static_cast<std::int32_t>(1 + part(gene, 32, 3))};
            case 1:
                return SpawnFailed{"a lie", 2, part(gene, 32, 2) == 0};
            case 2:
                return exited(gene);
            case 3:
                return TreeEmpty{};
            case 4:
                return answer(gene, epoch);
            case 5:
                return probe(gene, epoch);
            case 6:
                return Decided{epoch, DecisionAction::kRestart, Duration::max(), "a lie"};
            case 7:
                return PortLost{"a lie", part(gene, 32, 2) == 0};
            case 8:
                return DumpEnded{state_.generation - part(gene, 40, 2), part(gene, 32, 2) == 0};
            default:
                return ExitRequested{"end", part(gene, 32, 2) == 0};
        }
    }

    // What the world makes of it.
    void follow(const Input& input, const std::vector<Action>& actions) {
        if (std::holds_alternative<Spawned>(input)) {
            alive_ = alive_ || spawning_;
            spawning_ = false;
        } else if (const auto* lost = std::get_if<PortLost>(&input);
                   std::holds_alternative<SpawnFailed>(input) ||
                   (lost != nullptr && lost->instead_of_spawn)) {
            tree_ = tree_ && !spawning_;
            spawning_ = false;
        } else if (std::holds_alternative<Exited>(input)) {
            alive_ = false;
        } else if (std::holds_alternative<TreeEmpty>(input)) {
            tree_ = false;
        }
        for (const auto& action : actions) {
            if (std::holds_alternative<Spawn>(action)) {
                spawning_ = tree_ = true;
                alive_ = false;
            }
        }
    }

    const MachineConfig config_;
    const bool lies_;
    MachineState state_;
    MachineInvariants invariants_;
    TimePoint now_ = TimePoint{} + 1000s;
    std::uint32_t last_pid_ = 100;
    bool spawning_ = false;
    bool alive_ = false;
    bool tree_ = false;
    std::ostream* log_ = nullptr;
};

struct Schedule {
    MachineConfig config;
    bool lies = false;
    std::vector<Gene> genes;
};

Schedule schedule_of(std::uint64_t seed) {
    Random random(seed);
    Schedule schedule;
    schedule.config.port_mode = static_cast<PortMode>(random.next() % 3);
    schedule.config.health_enabled = random.next() % 8 != 0;
    schedule.config.startup_ports = static_cast<int>(random.next() % 4);
    schedule.config.health_successes = 1 + static_cast<int>(random.next() % 3);
    schedule.config.stack_dump = random.next() % 2 == 0;
    schedule.lies = random.next() % 2 == 0;
    const auto length = 20 + random.next() % 181;
    for (std::uint64_t i = 0; i < length; ++i) {
        schedule.genes.push_back(random.next());
    }
    return schedule;
}

std::string run(const Schedule& schedule, std::ostream* log = nullptr) {
    Walk walk(schedule.config, schedule.lies);
    if (log) {
        walk.log_to(*log);
    }
    for (const auto gene : schedule.genes) {
        if (auto violation = walk.take(gene); !violation.empty()) {
            return violation;
        }
    }
    return {};
}

// Leaves out every choice without which it still breaks.
Schedule shrunk(Schedule schedule) {
    for (std::size_t chunk = schedule.genes.size() / 2; chunk > 0; chunk /= 2) {
        for (std::size_t at = 0; at + chunk <= schedule.genes.size();) {
            Schedule shorter = schedule;
            const auto from = shorter.genes.begin() + static_cast<std::ptrdiff_t>(at);
            shorter.genes.erase(from, from + static_cast<std::ptrdiff_t>(chunk));
            if (run(shorter).empty()) {
                at += chunk;
            } else {
                schedule = std::move(shorter);
            }
        }
    }
    return schedule;
}

// Empty, or the report of the first seed that breaks an invariant.
std::string walk_seeds(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const Schedule schedule = schedule_of(seed);
        if (run(schedule).empty()) {
            continue;
        }
        const Schedule shortest = shrunk(schedule);
        std::ostringstream report;
        report << "seed " << seed << ", port mode " << static_cast<int>(schedule.config.port_mode)
               << ", health " << schedule.config.health_enabled << ", shrunk to "
               << shortest.genes.size() << " steps:\n";
        const std::string violation = run(shortest, &report);
        report << violation;
        return report.str();
    }
    return {};
}

#if defined(STEWARD_SANITIZED) || !defined(__OPTIMIZE__)
constexpr std::uint64_t kSchedules = 2'000;
#else
constexpr std::uint64_t kSchedules = 20'000;
#endif

}  // namespace

TEST_CASE("no schedule of a random walk breaks an invariant", "[machine][walk]") {
    CHECK(walk_seeds(1, kSchedules) == "");
}

TEST_CASE("no schedule of a long random walk breaks an invariant", "[machine][walk][.slow]") {
    CHECK(walk_seeds(1'000'000, 500'000) == "");
}

TEST_CASE("the random walk reaches every state and the end of the session", "[machine][walk]") {
    std::array<int, std::size(std::to_array({State::kStopped, State::kStarting, State::kRunning,
                                             State::kUnhealthy, State::kDeciding,
                                             State::kBackingOff, State::kStopping, State::kDegraded,
                                             State::kMisconfigured, State::kUnkillable}))>
        seen{};
    int finished = 0;
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        const Schedule schedule = schedule_of(seed);
        Walk walk(schedule.config, schedule.lies);
        for (const auto gene : schedule.genes) {
            REQUIRE(walk.take(gene) == "");
            ++seen[static_cast<std::size_t>(walk.state())];
        }
        finished += walk.finished() ? 1 : 0;
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
        INFO(to_string(static_cast<State>(i)));
        CHECK(seen[i] > 100);
    }
    CHECK(finished > 100);
    CHECK(finished < 450);
}

TEST_CASE("the invariants see a machine that breaks them", "[machine][walk]") {
    // A stop that is followed by a spawn, made up.
    const MachineConfig config;
    MachineState state;
    MachineInvariants invariants(config, state);
    const TimePoint now = TimePoint{} + 1s;
    CHECK(invariants.check(StopRequested{"stop"}, now,
                           step(config, state, StopRequested{"stop"}, now)) == "");
    Step made_up{state, {}};
    made_up.state.state = State::kStarting;
    made_up.state.since = now;
    made_up.state.tree = true;
    made_up.state.port = 5000;
    made_up.actions.emplace_back(std::in_place_type<Spawn>, Spawn{0});
    made_up.actions.emplace_back(std::in_place_type<Arm>, Arm{TimerName::kStartup, now + 30s});
    CHECK(invariants.check(FilesChanged{"x"}, now, made_up) ==
          "invariant 2: Spawn after a stop, and no start was requested since");
}

}  // namespace steward::tests
