// Fakes of everything that core/os.hpp names, on a VirtualScheduler: a service runs on them without
// a process and without real time.
//
// Two ways to drive them. By hand: the test calls world.guardian.started(), exited(), empty() and
// answers the questions that the fakes keep. By plan: with world.play(plan) each spawned app
// behaves as its AppPlan says, until the next play(). Faults (late or missing answers, failing
// calls) are members that can be set at any time, so that a seeded schedule can set them.
//
// Each fake writes what it was asked to do into one journal, in order, and breaches of its contract
// into `breaches`. One thread, like the scheduler. No callback comes from inside the call that it
// answers.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "steward/core/os.hpp"
#include "steward/core/service.hpp"
#include "steward/core/simulation/virtual_scheduler.hpp"

namespace steward::simulation {

// What the fakes were asked to do ("spawn 1", "terminate", "answer stopped"), and what broke their
// contract.
struct Journal {
    std::vector<std::string> lines;
    std::vector<std::string> breaches;

    void add(std::string line) { lines.push_back(std::move(line)); }
    void breach(std::string what) { breaches.push_back(std::move(what)); }
    // How many lines begin so.
    int count(const std::string& beginning) const;
    // Where the first line from `from` on that begins so is; the number of lines if there is none.
    std::size_t find(const std::string& beginning, std::size_t from = 0) const;
    void clear() { lines.clear(); }
};

// How one instance behaves.
struct AppPlan {
    using Duration = core::Duration;
    std::optional<core::SpawnFailed> spawn_error;        // it cannot be started at all
    Duration exec_takes = std::chrono::milliseconds(2);  // from the order to `started`
    std::optional<Duration> healthy_after =
        std::chrono::milliseconds(50);   // from `started`; none: it hangs
    std::optional<Duration> ends_after;  // from `started`; none: it lives
    bool ends_by_signal = false;
    int end_code = 1;       // exit code or signal of that end
    std::string last_line;  // on stderr, at that end
    std::optional<Duration> term_takes =
        std::chrono::milliseconds(20);  // SIGTERM -> exit 0; none: ignored
    std::optional<Duration> kill_takes =
        std::chrono::milliseconds(1);  // SIGKILL -> empty tree; none: unkillable
    bool leaves_children =
        false;  // after its end the tree is empty only when it is killed; else it is empty at once
    Duration report_takes{};  // from its end, a zombie until then, to the report of it
};

class FakeGuardian final : public core::GuardianLink {
  public:
    FakeGuardian(VirtualScheduler& scheduler, Journal& journal)
        : scheduler_(scheduler), journal_(journal) {}

    void listen(core::GuardianEvents events) override { events_ = std::move(events); }
    void spawn(core::SpawnRequest request) override;
    void terminate() override;
    void kill() override;
    void check() override {
        if (on_check) {
            on_check();
        }
    }
    void signal_app(int number) override;
    std::int32_t guardian_pid() const override { return spawns_.empty() ? 0 : kGuardianPid; }
    std::string describe_tree() const override { return tree_ ? left_text : std::string(); }
    void close(std::function<void()> gone) override;

    // ---- by hand: what the guardian reports
    void started(std::int32_t pid);
    void started() { started(next_pid_++); }
    void spawn_failed(core::SpawnFailed failed);
    void exited(int code) { report_exit({false, code, {}, {}}); }
    void killed(int signal) { report_exit({true, signal, {}, {}}); }
    void report_exit(core::Exited exited);
    void empty();

    // ---- what it knows
    bool tree() const { return tree_; }
    bool alive() const { return alive_; }
    bool spawning() const { return spawning_; }
    std::int32_t pid() const { return pid_; }
    const std::vector<core::SpawnRequest>& spawns() const { return spawns_; }
    const core::SpawnRequest& last_spawn() const { return spawns_.back(); }
    bool closed() const { return closed_; }

    // ---- hooks of a plan or a simulation; called after the fake has done its own
    std::function<void(const core::SpawnRequest&)> on_spawn;
    std::function<void()> on_check;
    std::function<void()> on_terminate;
    std::function<void()> on_kill;
    std::function<void()> on_exit;  // just before it is reported
    core::Duration close_takes = std::chrono::milliseconds(1);
    std::string left_text = "412 (python3, D)";

    static constexpr std::int32_t kGuardianPid = 90;

  private:
    VirtualScheduler& scheduler_;
    Journal& journal_;
    core::GuardianEvents events_;
    std::vector<core::SpawnRequest> spawns_;
    std::int32_t next_pid_ = 101;
    std::int32_t pid_ = 0;
    bool tree_ = false;
    bool spawning_ = false;
    bool alive_ = false;
    bool closed_ = false;
};

class FakePort final : public core::PortKeeper {
  public:
    explicit FakePort(Journal& journal) : journal_(journal) {}

    core::Status take(const std::string& host, std::uint16_t port) override;
    core::Status test(const std::string& host, std::uint16_t port) override;
    int listener() override;
    void answer(const core::PortAnswer& answer) override;
    void stop_answering() override;
    void close(const core::PortAnswer& answer) override;
    std::string stranger_on(std::uint16_t port, std::int32_t guardian_pid) override;
    std::string not_accepted(std::int32_t) override { return unaccepted; }
    bool shareable() const override { return may_be_shared; }

    std::map<std::uint16_t, std::string> in_use;  // why each cannot be had
    std::string stranger;                         // who answers in the app's place
    bool may_be_shared = false;                   // the app has set SO_REUSEPORT on the held socket
    std::string unaccepted;                       // why connections on the held socket wait

    // The app shuts the socket down and another process takes the port.
    void lose() {
        if (held_ == 0) {
            return;
        }
        in_use[held_] = "port " + std::to_string(held_) + " is used by 77 (thief)";
        held_ = 0;
    }

    std::uint16_t held() const { return held_; }
    bool answering() const { return answering_; }
    const core::PortAnswer& last_answer() const { return last_answer_; }
    bool closed() const { return closed_; }

    static constexpr int kListener = 1000;  // never opened

  private:
    core::Status attempt(const char* verb, std::uint16_t port);

    Journal& journal_;
    std::uint16_t held_ = 0;
    bool answering_ = false;
    bool closed_ = false;
    core::PortAnswer last_answer_;
};

// Answers from queues; with an empty queue: ports upwards from `first`, RESTART after 250 ms, no
// metrics. A probe is kept until the test or the plan answers it.
class FakeStrategies final : public core::Strategies {
  public:
    FakeStrategies(VirtualScheduler& scheduler, Journal& journal)
        : scheduler_(scheduler), journal_(journal) {}

    void propose_ports(const core::PortQuestion& question,
                       std::function<void(core::PortProposal)> answer) override;
    void decide_restart(const core::RestartQuestion& question,
                        std::function<void(core::RestartAnswer)> answer) override;
    void probe(const core::ProbeQuestion& question,
               std::function<void(core::ProbeAnswer)> answer) override;
    void cancel_probe() override;
    void sample(const core::MetricsQuestion& question,
                std::function<void(std::vector<core::Metric>)> answer) override;
    std::map<std::string, std::string> names() const override { return plugin_names; }

    // ---- scripts
    std::deque<core::PortProposal> proposals;
    std::size_t proposal_size = 8;  // of the default answer
    std::deque<core::RestartAnswer> decisions;
    core::RestartAnswer default_decision{core::DecisionAction::kRestart,
                                         std::chrono::milliseconds(250), "by default"};
    std::deque<std::vector<core::Metric>> samples;
    core::Duration answer_takes{};  // of every answer but the probe's
    bool hold_decisions = false;    // kept until release_decision()
    bool hold_proposals = false;
    // Instead of the queues: the answer, and how long it takes.
    std::function<std::pair<core::RestartAnswer, core::Duration>(const core::RestartQuestion&)>
        on_decide;
    std::function<std::pair<core::PortProposal, core::Duration>(const core::PortQuestion&)>
        on_propose;
    // Called just before the answer is handed over.
    std::function<void(const core::ProbeAnswer&)> on_answered;
    std::map<std::string, std::string> plugin_names{{"health", "fake_health 1.0"},
                                                    {"restart", "fake_restart 1.0"},
                                                    {"port", "fake_port 1.0"},
                                                    {"metrics", "none"}};
    std::function<void(const core::ProbeQuestion&)> on_probe;

    // ---- by hand
    bool probing() const { return static_cast<bool>(probe_answer_); }
    // Precondition: probing(). The answer comes from the loop, as the real one does.
    void answer_probe(core::Verdict verdict, std::string detail = "GET /health: 200",
                      std::string instance_id = {}, bool timed_out = false);
    void release_decision(core::RestartAnswer answer);
    void release_proposal(core::PortProposal answer);

    // ---- what it was asked
    std::vector<core::PortQuestion> port_questions;
    std::vector<core::RestartQuestion> restart_questions;
    std::vector<core::ProbeQuestion> probe_questions;
    std::vector<core::MetricsQuestion> metrics_questions;

  private:
    void later(std::function<void()> task) { later(answer_takes, std::move(task)); }
    void later(core::Duration takes, std::function<void()> task);

    VirtualScheduler& scheduler_;
    Journal& journal_;
    std::function<void(core::ProbeAnswer)> probe_answer_;
    std::function<void(core::RestartAnswer)> held_decision_;
    std::function<void(core::PortProposal)> held_proposal_;
};

class FakeOutput final : public core::OutputCapture {
  public:
    FakeOutput(VirtualScheduler& scheduler, Journal& journal)
        : scheduler_(scheduler), journal_(journal) {}

    core::Result<Pipes> open(std::uint64_t generation) override;
    void last_lines(std::uint64_t generation, std::function<void(core::LastLines)> answer) override;
    void await_line(std::uint64_t generation, const std::string& mark, core::Duration limit,
                    std::function<void(bool came)> answer) override;
    core::OutputCounters counters() const override { return {}; }

    // From a signal to the awaited line; none: it does not come.
    std::optional<core::Duration> dump_takes = std::chrono::milliseconds(3);
    std::optional<core::Error> open_error;
    std::map<std::uint64_t, std::string> lines;  // by generation
    core::Duration line_takes{};                 // zero: answers at once, within the call

    // Somebody waits for a last line.
    bool reading() const { return reading_ != 0; }

  private:
    int reading_ = 0;
    VirtualScheduler& scheduler_;
    Journal& journal_;
};

class FakeOs final : public core::Os {
  public:
    FakeOs(VirtualScheduler& scheduler, Journal& journal)
        : scheduler_(scheduler), journal_(journal) {}

    core::WallTime wall() override;
    std::chrono::seconds utc_offset(core::WallTime) override { return zone; }
    std::uint64_t entropy() override { return ++entropy_state_ * 0x9e3779b97f4a7c15ULL; }
    core::Duration slept() override { return slept_; }
    bool runs(std::int32_t pid) override { return frozen.count(pid) == 0; }
    core::AppLook look(const core::LookQuestion& question) override;
    int check_file(const std::string& file) override {
        return missing_files.count(file) == 0 ? 0 : ENOENT;
    }
    std::optional<std::uint64_t> oom_kills() override { return killed_for_memory; }
    void watch_folder(const std::string& folder, std::function<void(std::string)> changed) override;

    // The machine sleeps: no time passes for the loop.
    void suspend(core::Duration by) { slept_ += by; }
    // Precondition: a folder is watched.
    void change_file(const std::string& name) { changed_(name); }
    bool watching() const { return static_cast<bool>(changed_); }
    // From now on the app uses a whole core, or nothing.
    void set_busy(bool busy);
    std::optional<core::TimePoint> busy_since() const { return busy_since_; }
    void seed(std::uint64_t seed) { entropy_state_ = seed; }

    std::set<std::int32_t> frozen;  // processes that are stopped, zombies or gone
    std::set<std::string> missing_files;
    // What a look at the app sees; set where it is not what the members above make of it.
    std::string tracer;
    std::string unreadable;
    std::optional<std::uint32_t> queued = 0;
    std::optional<std::uint64_t> killed_for_memory = 0;
    core::Duration wall_jump{};   // somebody has set the clock
    std::chrono::seconds zone{};  // how far it is from UTC

  private:
    VirtualScheduler& scheduler_;
    Journal& journal_;
    std::uint64_t entropy_state_ = 0;
    core::Duration slept_{};
    core::Duration used_{};  // until busy_since_
    std::optional<core::TimePoint> busy_since_;
    std::function<void(std::string)> changed_;
};

// All fakes, the events that a service published, and the plans of its apps.
class FakeWorld {
  public:
    FakeWorld();
    FakeWorld(const FakeWorld&) = delete;
    FakeWorld& operator=(const FakeWorld&) = delete;

    core::ServiceParts parts();
    // From now on apps behave as planned: the next ones in `plans`, then each like `plan`.
    void play(AppPlan plan);

    // Events of this name, oldest first.
    std::vector<core::Event> named(core::EventName name) const;

    VirtualScheduler scheduler;
    Journal journal;
    FakeGuardian guardian{scheduler, journal};
    FakePort port{journal};
    FakeStrategies strategies{scheduler, journal};
    FakeOutput output{scheduler, journal};
    FakeOs os{scheduler, journal};
    std::vector<core::Event> events;
    std::function<void(const core::Event&)> on_event;
    std::deque<AppPlan> plans;
    // Faults of the app that runs, to be set at any time.
    bool hangs = false;  // answers no probe
    // Answers no probe and uses a core, until it is set to false or the app's end.
    void set_busy(bool busy) { os.set_busy(busy && guardian.alive() && !ended_); }
    bool ignores_term = false;
    // What probes are answered from now on; otherwise as planned.
    struct Health {
        using Duration = core::Duration;
        core::Verdict verdict = core::Verdict::kHealthy;
        std::string detail = "GET /health: 200";
        // None: not by the deadline; UNKNOWN comes a moment after it, as for a plugin that is late.
        std::optional<Duration> takes = std::chrono::milliseconds(1);
        bool foreign = false;  // the answer carries another instance's id
    };
    std::optional<Health> health;

    // It is stopped, or a zombie whose end has not been reported.
    bool app_stands_still() const { return frozen_ || ended_; }
    // The plan of the app that runs, to be changed at any time.
    AppPlan& app() { return current_; }
    // The app ends now, by itself. Ignored when there is none.
    void app_ends(core::Exited exited) { end(std::move(exited)); }
    // SIGSTOP and SIGCONT: a stopped app answers no probe, and TERM waits.
    void freeze();
    void thaw();
    // What could not be killed can be now, and a SIGKILL that was ordered has its effect.
    void release();
    // The guardian is killed at this instant: the supervisor inherits the tree and empties it.
    void guardian_dies();

  private:
    using Duration = core::Duration;
    void begin(const core::SpawnRequest& request);
    void end(core::Exited exited);
    void report_end(core::Exited exited);
    void sweep(bool starting);
    void terminated();
    void killed();
    void answer(const core::ProbeQuestion& question);
    void after(core::Duration by, std::function<void()> task);  // for this instance only

    AppPlan plan_;
    AppPlan current_;
    std::uint64_t instance_ = 0;
    bool ended_ = false;  // the app is dead, reported or not
    bool frozen_ = false;
    bool term_pending_ = false;  // while it is frozen
    bool kill_ordered_ = false;
    core::TimePoint healthy_at_{};
};

}  // namespace steward::simulation
