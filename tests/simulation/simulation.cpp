#include "simulation.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "machine_invariants.hpp"
#include "plugins/restart_backoff/policy.hpp"
#include "steward/core/plugin_strategies.hpp"

namespace steward::simulation {
namespace {

using namespace std::chrono_literals;
using core::Duration;
using core::PortMode;
using core::TimePoint;

// After the last item: long enough for every wait but the longest backoffs.
constexpr Duration kQuiet = 120s;
constexpr Duration kAfterExit = 3s;
constexpr Duration kAfterEnd = 60s;

core::RestartAnswer ask_policy(const core::RestartQuestion& question, TimePoint now,
                               std::uint64_t entropy) {
    std::vector<steward_event> events;
    events.reserve(question.history.size());
    for (const auto& e : question.history) {
        events.push_back({e.kind, e.code, e.at.time_since_epoch().count(), e.uptime.count(),
                          e.healthy_for.count()});
    }
    const auto decision = restart_backoff::decide(
        restart_backoff::Settings{},
        {events, sdk::TimePoint(now.time_since_epoch()), entropy, question.total_restarts});
    constexpr std::array kActions{core::DecisionAction::kRestart, core::DecisionAction::kStayDown,
                                  core::DecisionAction::kGiveUp};
    return {kActions[static_cast<std::size_t>(decision.action)],
            std::chrono::duration_cast<Duration>(decision.delay), decision.why};
}

class Run {
  public:
    Run(const Schedule& schedule, const Options& options)
        : schedule_(schedule),
          options_(options),
          invariants_(world_, schedule.config, options.doubles.only) {
        if (options.doubles.machine) {
            machine_ = options.doubles.machine();
        }
        world_.os.seed(schedule.seed);
        world_.play({});
        connect();
        auto parts = world_.parts();
        parts.step = [this](const core::MachineConfig& config, core::MachineState state,
                            const core::Input& input,
                            TimePoint now) { return step(config, std::move(state), input, now); };
        world_.output.line_takes = std::chrono::milliseconds(1);
        service_ = std::make_unique<core::Service>(schedule.config, std::move(parts));
        machine_invariants_.emplace(schedule.config.machine, service_->machine());
    }

    Outcome run() {
        try {
            play();
        } catch (const std::exception& e) {
            invariants_.broken("progress", e.what());
        }
        outcome_.broken = invariants_.result();
        outcome_.at = now();
        if (options_.trace && outcome_.broken) {
            *options_.trace << stamp() << "BROKEN " << outcome_.broken->name << ": "
                            << outcome_.broken->what << '\n';
        }
        return outcome_;
    }

  private:
    void play() {
        Duration last{-1};
        for (const auto& item : schedule_.items) {
            // Items of one instant follow each other at once, before anything else happens.
            if (item.at > last && !run_to(item.at)) {
                return;
            }
            last = item.at;
            if (!apply(item)) {
                return;
            }
        }
        if (!run_to(now() + kQuiet)) {
            return;
        }
        if (!exit_asked_) {
            apply({now(), Kind::kExit, 0});
        }
        if (!run_to(now() + kAfterExit)) {
            return;
        }
        invariants_.at_end(*service_);
        service_.reset();  // What the parts still answer must find nobody.
        world_.scheduler.advance(kAfterEnd);
    }

    // False: something is broken.
    bool run_to(Duration at) {
        const auto until = begin_ + at;
        while (world_.scheduler.step(until)) {
            if (++outcome_.steps > options_.max_steps) {
                invariants_.broken("progress", "more steps than a schedule may take");
            }
            if (!after_task()) {
                return false;
            }
        }
        world_.scheduler.advance_to(until);
        return after_task();
    }

    bool after_task() {
        if (options_.doubles.world) {
            options_.doubles.world(world_);
        }
        invariants_.after_step(*service_);
        return !invariants_.result().has_value();
    }

    bool apply(const Item& item) {
        if (options_.trace) {
            *options_.trace << to_string(item) << '\n';
        }
        if (is_request(item.kind)) {
            request(item.kind, item.value);
        } else {
            ++outcome_.faults;
            fault(item.kind, item.value);
        }
        return after_task();
    }

    // ---- requests

    void request(Kind kind, std::uint64_t value) {
        switch (kind) {
            case Kind::kClientStart:
                invariants_.start_asked(*service_, /*by_client=*/true);
                service_->start_for_client("a client came");
                break;
            case Kind::kStart:
                invariants_.start_asked(*service_, /*by_client=*/false);
                service_->start("start was asked for", settled(/*for_stop=*/false, value));
                break;
            case Kind::kStop: {
                auto callback = settled(/*for_stop=*/true, value);
                service_->stop("stop was asked for", std::move(callback));
                break;
            }
            case Kind::kRestart:
                invariants_.start_asked(*service_, /*by_client=*/false);
                service_->restart("restart was asked for", settled(/*for_stop=*/false, value));
                break;
            default:
                exit_asked_ = true;
                invariants_.exit_asked();
                service_->exit("the session ends", kind == Kind::kExitNow,
                               [this](const std::string& left) {
                                   note("finished, left: " + left);
                                   invariants_.finished(left);
                               });
                break;
        }
    }

    core::Service::Settled settled(bool for_stop, std::uint64_t value) {
        const auto id = invariants_.request(for_stop);
        return [this, id, value](const core::ServiceStatus& status) {
            note("settled " + std::to_string(id) + ": " + std::string(to_string(status.state)));
            invariants_.settled(id, status);
            if (options_.doubles.settles_twice) {
                invariants_.settled(id, status);
            }
            // Some who hear it ask for something else at once; each only once.
            if (value % 8 == 0) {
                request(Kind::kStart, 1);
            } else if (value % 8 == 1 && value > 1) {
                request(Kind::kStop, 2);
            }
        };
    }

    // ---- faults

    void fault(Kind kind, std::uint64_t value) {
        static constexpr std::array<Duration, 4> kStalls{300ms, 1200ms, 3s, 40s};
        static constexpr std::array<Duration, 3> kSleeps{500ms, 2s, 3600s};
        const auto port = static_cast<std::uint16_t>(schedule_.config.base_port + value % kPorts);
        switch (kind) {
            case Kind::kNextApp:
                world_.plans.push_back(plan_of(value));
                break;
            case Kind::kEnds: {
                auto end = end_of(value);
                world_.output.lines[service_->machine().generation] =
                    std::exchange(end.last_stderr_line, {});
                ends(std::move(end));
                break;
            }
            case Kind::kHealth:
                world_.health = health_of(value);
                break;
            case Kind::kFreezes:
                world_.os.tracer = value % 3 == 0 ? "4242 (gdb)" : "";
                world_.freeze();
                break;
            case Kind::kThaws:
                world_.thaw();
                break;
            case Kind::kBusy:
                world_.set_busy(value % 4 != 0);
                break;
            case Kind::kHidden:
                world_.os.unreadable = value % 2 == 0 ? "/proc/101/stat cannot be read" : "";
                break;
            case Kind::kIgnoresTerm:
                world_.ignores_term = value % 2 == 0;
                break;
            case Kind::kUnkillable:
                world_.app().kill_takes.reset();
                break;
            case Kind::kReleased:
                world_.release();
                break;
            case Kind::kLeavesChildren:
                world_.app().leaves_children = true;
                break;
            case Kind::kGuardianDies:
                world_.guardian_dies();
                break;
            case Kind::kPortTaken:
                if (port != world_.port.held() && port != own_port()) {
                    world_.port.in_use[port] = "another program has it";
                }
                break;
            case Kind::kPortFreed:
                world_.port.in_use.erase(port);
                break;
            case Kind::kSocketShut:
                shuts_socket_ = true;
                break;
            case Kind::kStranger:
                world_.port.stranger = value % 2 == 0 ? "77 (thief)" : "";
                break;
            case Kind::kRestartAnswers:
                restart_mode_ = value % 9;
                break;
            case Kind::kPortAnswers:
                port_mode_ = value % 5;
                break;
            case Kind::kQuarantined:
                quarantined_ = true;
                break;
            case Kind::kFileChanges:
                if (world_.os.watching()) {
                    world_.os.change_file(value % 3 == 0 ? "app.log" : "app.py");
                }
                break;
            case Kind::kScriptMissing:
                if (value % 2 == 0) {
                    world_.os.missing_files.insert(schedule_.config.script);
                } else {
                    world_.os.missing_files.clear();
                }
                break;
            case Kind::kOutputFails:
                world_.output.open_error.reset();
                if (value % 2 == 0) {
                    world_.output.open_error = core::Error{"cannot make a pipe", EMFILE};
                }
                break;
            case Kind::kLineSlow:
                world_.output.line_takes = std::chrono::milliseconds(1 + value % 100);
                world_.output.dump_takes = std::chrono::milliseconds(value % 300);
                break;
            case Kind::kWallJumps:
                world_.os.wall_jump += std::chrono::hours(static_cast<int>(value % 200) - 100);
                break;
            case Kind::kStalls: {
                const auto by = kStalls[value % kStalls.size()];
                world_.scheduler.stall(by);
                invariants_.disturbed(by);
                break;
            }
            case Kind::kSuspends:
                world_.os.suspend(kSleeps[value % kSleeps.size()]);
                invariants_.disturbed({});
                break;
            default:
                break;
        }
    }

    // The port that an app which binds for itself has.
    std::uint16_t own_port() const {
        return world_.guardian.alive() ? service_->machine().port : std::uint16_t{0};
    }

    void ends(core::Exited end) {
        if (world_.guardian.alive()) {
            world_.app_ends(std::move(end));
        }
    }

    // ---- the parts

    void connect() {
        auto spawn = std::exchange(world_.guardian.on_spawn, {});
        world_.guardian.on_spawn = [this, spawn](const core::SpawnRequest& request) {
            note("spawn " + std::to_string(request.generation));
            invariants_.spawned(request);
            prepare_app();
            spawn(request);
        };
        watch(world_.guardian.on_terminate, "TERM");
        watch(world_.guardian.on_kill, "KILL");
        world_.guardian.on_exit = [this] {
            if (std::exchange(shuts_socket_, false)) {
                world_.port.lose();
            }
        };
        auto probe = std::exchange(world_.strategies.on_probe, {});
        world_.strategies.on_probe = [this, probe](const core::ProbeQuestion& question) {
            invariants_.probe_asked();
            probe(question);
        };
        world_.strategies.on_answered = [this](const core::ProbeAnswer& answer) {
            invariants_.probe_answered(answer);
        };
        world_.strategies.on_decide = [this](const core::RestartQuestion& question) {
            auto answer = decide(question);
            if (options_.doubles.decision) {
                answer.first = options_.doubles.decision(std::move(answer.first));
            }
            invariants_.decided(answer.first);
            return answer;
        };
        world_.strategies.on_propose = [this](const core::PortQuestion& question) {
            return propose(question);
        };
        world_.on_event = [this](const core::Event& event) {
            note(std::string(to_string(event.name)) + ": " + event.cause);
            invariants_.published(event);
        };
    }

    void watch(std::function<void()>& order, const char* name) {
        auto inner = std::exchange(order, {});
        order = [this, inner, name] {
            note(name);
            invariants_.signalled(*service_);
            inner();
        };
    }

    // An app that binds for itself finds its port taken in the meantime.
    void prepare_app() {
        const auto port = service_->machine().port;
        if (schedule_.config.machine.port_mode != PortMode::kOwnBind ||
            world_.port.in_use.count(port) == 0) {
            return;
        }
        if (world_.plans.empty()) {
            world_.plans.emplace_back();
        }
        auto& plan = world_.plans.front();
        plan.healthy_after.reset();
        plan.ends_after = 3ms;
        plan.ends_by_signal = false;
        plan.end_code = port % 2 == 0 ? 98 : 1;
        plan.last_line = "OSError: [Errno 98] Address already in use";
    }

    std::pair<core::RestartAnswer, Duration> decide(const core::RestartQuestion& question) {
        const auto entropy = world_.os.entropy();
        const auto fallback = [&] { return core::fallback_restart(question, entropy); };
        if (quarantined_) {
            return {fallback(), 0ms};
        }
        auto answer = ask_policy(question, world_.scheduler.now(), entropy);
        const bool restarts = answer.action == core::DecisionAction::kRestart;
        switch (restart_mode_) {
            case 1:
                return {answer, 240ms};
            case 2:
                return {fallback(), 250ms};  // Late.
            case 3:
                return {fallback(), 1ms};  // Nonsense, refused.
            case 4:
                return {{core::DecisionAction::kStayDown, {}, "stay down"}, 1ms};
            case 5:
                return {{core::DecisionAction::kGiveUp, {}, ""}, 1ms};
            case 6:
            case 7:
            case 8:
                if (restarts) {
                    static constexpr std::array<Duration, 3> kDelays{0ms, 24h, 48h};
                    answer.delay = kDelays[restart_mode_ - 6];
                }
                return {answer, 0ms};
            default:
                return {answer, 1ms};
        }
    }

    std::pair<core::PortProposal, Duration> propose(const core::PortQuestion& question) {
        const auto sequential = [&](std::size_t count) {
            return core::PortProposal{core::fallback_ports(question, count), "port_sequential"};
        };
        if (quarantined_) {
            return {sequential(128), 0ms};
        }
        switch (port_mode_) {
            case 1:
                return {sequential(2), 240ms};
            case 2:
                return {sequential(128), 250ms};  // Late: the fallback.
            case 3: {
                auto proposal = sequential(1);
                proposal.candidates.insert(proposal.candidates.begin(), {0, 1, 65535, 0});
                proposal.candidates.insert(proposal.candidates.end(), question.excluded.begin(),
                                           question.excluded.end());
                proposal.candidates.push_back(proposal.candidates[4]);
                return {proposal, 1ms};
            }
            case 4:
                return {core::PortProposal{{}, "port_sequential"}, 1ms};
            default:
                return {sequential(2), 1ms};
        }
    }

    core::Step step(const core::MachineConfig& config, core::MachineState state,
                    const core::Input& input, TimePoint now) {
        const auto before = state.state;
        auto result = machine_ ? machine_(config, std::move(state), input, now)
                               : core::step(config, std::move(state), input, now);
        if (auto violation = machine_invariants_->check(input, now, result); !violation.empty()) {
            invariants_.broken("machine", std::move(violation));
        }
        if (options_.trace && result.state.state != before) {
            note("-> " + std::string(to_string(result.state.state)) + ": " + result.state.cause);
        }
        return result;
    }

    // ---- the trace

    Duration now() const { return world_.scheduler.now() - begin_; }
    std::string stamp() const {
        const Item at{now(), Kind::kStart, 0};
        return to_string(at).substr(0, kStampWidth);
    }
    void note(const std::string& what) {
        if (options_.trace) {
            *options_.trace << stamp() << "  | " << what << '\n';
        }
    }

    static constexpr std::uint64_t kPorts = 6;
    static constexpr std::size_t kStampWidth = 17;

    const Schedule& schedule_;
    const Options& options_;
    FakeWorld world_;
    const TimePoint begin_ = world_.scheduler.now();
    ServiceInvariants invariants_;
    std::optional<tests::MachineInvariants> machine_invariants_;
    Machine machine_;
    std::unique_ptr<core::Service> service_;
    Outcome outcome_;

    bool exit_asked_ = false;
    bool shuts_socket_ = false;
    bool quarantined_ = false;
    std::uint64_t restart_mode_ = 0;
    std::uint64_t port_mode_ = 0;
};

}  // namespace

Outcome simulate(const Schedule& schedule, const Options& options) {
    return Run(schedule, options).run();
}

}  // namespace steward::simulation
