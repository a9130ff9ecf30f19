// Service: one supervised app. Carries out what the state machine (machine.hpp) says and tells it
// what happened.
//
// Owned by the loop's thread; nothing in it blocks. It knows the world only through the interfaces
// of os.hpp.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "steward/core/machine.hpp"
#include "steward/core/os.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

// How the app is made to write its stacks to stderr.
struct StackDump {
    int signal = 0;    // 0: it cannot be
    std::string mark;  // what a line of the dump contains, that no other line does
};

struct ServiceConfig {
    std::string name;
    // {host} {port} {fd} {data_dir} {instance} are replaced in each argument.
    std::vector<std::string> argv;
    std::vector<std::pair<std::string, std::string>> environment;  // STEWARD_INSTANCE is added
    std::string directory;  // working directory; empty: the supervisor's
    std::string script;     // a file without which the command cannot work; empty: none
    std::string data_dir;
    // A change in this folder ends misconfigured and degraded; empty: none. After such a start the
    // next one comes no sooner than degraded_retry later, or programs that write there would wake the
    // app for ever; but changes of the code are somebody's work and count at once: of the program's
    // own file (a name in the folder; empty: none) and of those with its extension.
    std::string watch_folder;
    std::string watch_program;
    std::vector<std::string> watch_endings;  // only names that end so count; empty: all
    std::string address = "127.0.0.1";
    std::uint16_t base_port = 5000;
    std::uint16_t port_tries = 100;
    // With PortMode::kHandOver: whether LISTEN_FDS and LISTEN_PID tell of the socket, and how it was
    // handed over and what to try where the app does not take it, for causes; empty: it surely does.
    bool listen_variables = true;
    std::string hand_over_advice;
    MachineConfig machine;  // its stack_dump follows from the next
    StackDump stack_dump;
    std::string first_cause = "not started yet";           // of `stopped`, until the first start
    Duration metrics_interval = std::chrono::seconds(10);  // 0: none
};

// What the status shows; a copy, any thread may hold it.
struct ServiceStatus {
    std::string service;
    State state = State::kStopped;
    WallTime since{};
    std::string cause;
    bool healthy = false;
    std::uint16_t port = 0;  // 0: none
    std::string url;         // empty: none
    std::int32_t pid = 0;    // the app's; 0: none
    std::uint64_t restarts = 0;
    double uptime_s = 0;  // of this instance; 0: none
    std::optional<std::int64_t> startup_ms;
    std::uint64_t generation = 0;
    std::string instance_id;
    struct Exit {
        bool signaled = false;
        int code = 0;
        WallTime at{};
        std::string cause;
    };
    std::optional<Exit> last_exit;
    std::optional<std::int64_t> next_restart_ms;
    std::map<std::string, double> metrics;       // unlabelled series by name
    std::map<std::string, std::string> plugins;  // "health" -> "health_http 0.1.0"
    OutputCounters output;                       // of what the app has written in this session
};

// What a service is built from; all outlive it.
struct ServiceParts {
    Scheduler& scheduler;
    GuardianLink& guardian;
    PortKeeper& port;
    Strategies& strategies;
    OutputCapture& output;
    Os& os;
    std::function<void(Event)> publish;
    // The state machine. The simulation puts one in its place that is watched, or broken on purpose.
    std::function<Step(const MachineConfig&, MachineState, const Input&, TimePoint)> step =
        &core::step;
};

class Service {
  public:
    Service(ServiceConfig config, ServiceParts parts);
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    const ServiceConfig& config() const { return config_; }
    ServiceStatus status() const;
    const MachineState& machine() const { return state_; }

    using Settled = std::function<void(const ServiceStatus&)>;
    // The session's first start. Does nothing when the service has been started before.
    void start_for_client(const std::string& reason);
    // `settled` comes once it is healthy, or in a state that says why not (stopped, backing_off,
    // degraded, misconfigured, unkillable); possibly from inside the call.
    void start(const std::string& reason, Settled settled = {});
    void restart(const std::string& reason, Settled settled = {});
    // `settled` comes once it is stopped, or unkillable, or a later request to start has won over
    // the stop.
    void stop(const std::string& reason, Settled settled = {});
    // Ends the session: the tree, then the port, then the guardian. `finished` comes once, at the
    // latest exit_timeout + exit_kill_timeout + 100 ms from now, with what is left of the tree
    // (empty: nothing). A second call only adds at_once; its `finished` is not called.
    void exit(const std::string& reason, bool at_once,
              std::function<void(std::string left)> finished = {});

    // Called after each step that changed the status.
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

  private:
    struct Waiter {
        bool for_stop;
        Settled settled;
    };

    void feed(Input input);
    void take_inputs();
    void perform(Action& action);
    void answer_unasked(const Action& action);
    void perform_search(const SearchPort& action);
    void ask_ports(std::uint64_t epoch);
    std::uint16_t last_port() const;
    void try_candidates(std::uint64_t epoch, const PortProposal& proposal);
    std::string port_tries_text() const;
    int held_listener();
    PortLost port_lost(bool instead_of_spawn) const;
    std::string not_taken() const;
    std::string binds_itself(const std::string& last_line) const;
    void perform_spawn(const Spawn& action);
    void perform_ask(const AskRestart& action);
    void perform_probe(const StartProbe& action);
    void perform_dump(const DumpStack& action);
    AppLook look();
    void judge_probe(const StartProbe& action, Duration slept_before, const ProbeAnswer& answer);
    void perform_finish(const Finish& action);
    void arm(TimerName name, TimePoint at);
    void disarm(TimerName name);
    void sync_responder();
    void sync_watch();
    void sync_metrics();
    void take_sample();
    // An exit that waits for the last lines of stderr.
    struct PendingExit {
        Exited exited;
        bool port_is_lost = false;
        bool noted = false;  // whether it may have been a kill for want of memory
    };
    void note_memory_kill(PendingExit& pending) const;
    void on_exited(Exited exited);
    void ask_last_lines();
    void end_pending_exit(LastLines lines);
    void feed_exited(Exited exited, bool port_is_lost);
    void on_empty();
    void on_folder_change(const std::string& name);
    bool is_code(const std::string& name) const;
    void settle_waiters();
    bool settled(bool for_stop) const;
    PortAnswer port_answer() const;
    std::string substituted(const std::string& text) const;
    void publish(Event event);
    WallTime wall_of(TimePoint at) const;
    // A moment as the wall's clock showed it then: worked out once, or it would be another one each
    // time somebody asks.
    struct Stamp {
        TimePoint at{};
        WallTime wall{};
    };
    void note_times();

    ServiceConfig config_;
    ServiceParts parts_;
    MachineState state_;
    std::deque<Input> inputs_;
    bool stepping_ = false;
    std::array<TimerId, kTimerCount> timers_{};
    TimerId responder_timer_ = 0;
    TimerId metrics_timer_ = 0;
    TimerId change_timer_ = 0;
    std::string changed_code_;  // what of the code has changed since the timer was armed first
    std::optional<TimePoint> changes_from_;  // no start by other changes sooner
    bool answering_ = false;
    bool watching_ = false;
    bool exit_asked_ = false;
    bool port_closed_ = false;  // the session is over; nobody answers any more
    std::optional<PendingExit> pending_exit_;
    bool empty_pending_ = false;  // the tree was empty meanwhile
    std::vector<Waiter> waiters_;
    std::function<void(std::string)> finished_;
    std::function<void()> changed_;
    std::string instance_id_;
    AppLook last_look_;  // of the last failed probe of the row, else from before the first one
    std::optional<std::uint64_t> oom_kills_;  // when this instance was started
    std::map<std::string, double> metrics_;
    Stamp step_;     // of the step in progress: what happens in it happens at one time
    Stamp since_;    // state_.since
    Stamp exit_at_;  // state_.last_exit
    // The search for a port in progress.
    struct Search {
        std::vector<std::uint16_t> excluded;
        std::vector<SkippedPort> skipped;
        std::uint32_t attempt = 0;
        std::uint32_t tried = 0;
    } search_;
    std::string finish_left_;
    // Callbacks of the parts may come after the service is gone.
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace steward::core
