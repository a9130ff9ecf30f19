// The state machine of one service: (state, input) -> (state', actions). Pure: no I/O, no clock, no
// randomness inside; the time comes in with the input. The Service (service.hpp) carries out the
// actions and turns the world into inputs; unit tests and the simulation call step() directly.
//
// States
//   stopped        nothing runs and nothing is planned. Cause: never started, a requested stop, or
//                  the policy's STAY_DOWN
//   deciding       a strategy has been asked and has not answered: the port strategy before a
//                  start, or the restart strategy after a failure. Each question carries an epoch;
//                  an answer with another epoch is dropped
//   starting       an instance has been ordered; it is not healthy yet
//   running        it has been healthy, or no probe can say (`healthy` tells; see below)
//   unhealthy      it failed its checks or its start-up time and is being taken down
//   stopping       it is being taken down for another reason; also: it has exited, the rest of its
//                  tree is being killed
//   backing_off    the restart strategy said: again, later
//   degraded       the restart strategy gave up, or no port can be had; one half-open start after
//                  --degraded-retry, doubling
//   misconfigured  it cannot work before somebody changes something; left by a request or a change
//                  of the app's files
//   unkillable     SIGKILL did not empty the tree in time; what follows waits for that
//
// Transitions (input: from -> to)
//   start           stopped, backing_off, degraded, misconfigured -> deciding (port) or starting
//                   deciding (restart) -> the same, once the tree is empty
//                   stopping, unhealthy, unkillable: a start follows once the tree is empty
//   restart         starting, running -> stopping, then a start; otherwise like start
//   stop            starting, running, unhealthy, deciding with a tree -> stopping -> stopped; all
//                   others -> stopped (unkillable stays until the tree is empty). A stack dump that
//                   was asked for is still awaited: SIGTERM up to 250 ms later
//   port found      deciding (port) -> starting
//   no port         deciding (port) -> degraded
//   port lost       found instead of spawning: starting -> deciding (port); stopping, unhealthy,
//                   unkillable -> as if the tree were empty
//                   otherwise the state stays, and the next start looks for a port
//   spawned         starting -> starting; -> running when no probe can or shall be made
//   spawn failed    starting -> misconfigured (exec, chdir), or deciding (no process could be made)
//   probe           starting -> running (healthy); running -> running; -> unhealthy at a threshold
//                   (see Health)
//   start-up timer  starting -> unhealthy; -> running when no probe could be made at all
//   dump ended      unhealthy, stopping -> the same, with SIGTERM
//   exited          starting, running -> deciding (restart), or stopping -> misconfigured or another
//                   port's start
//   empty           stopping, unhealthy, unkillable -> stopped, a start, deciding (restart) or
//                   misconfigured
//   decided         deciding (restart) -> backing_off, stopped (STAY_DOWN) or degraded (GIVE_UP)
//   backoff timer   backing_off -> starting or deciding (port)
//   degraded timer  degraded -> deciding (port) or starting (half-open)
//   shutdown timer  SIGKILL
//   kill timer      -> unkillable
//   files changed   misconfigured, degraded -> a start. Said by Service at most once in
//                   degraded_retry, unless the app's code has changed (ServiceConfig::watch_folder)
//   exit            any -> stopping -> stopped, and nothing starts any more
//
// Health
//   HEALTHY counts from health_successes in a row on; starting and running alike. Of failed probes
//   health_failures in a row make an app unhealthy, but one that had an excuse (its evidence,
//   app_activity.hpp: busy or traced) does not count: after it the count begins anew. An app that
//   goes on failing, with an excuse or without, is unhealthy busy_limit after the first failure of
//   the row. Without evidence (the app answered, it could not be looked at) there is no excuse. Nor
//   is there one at the end of the start-up time, which is its own limit; the cause names what the
//   app was doing then.
//   Taken down for failed probes or its start-up time while busy, hung or not to be told apart, an
//   app is first asked for a stack dump (stack_dump), for at most kDumpTime; SIGTERM follows.
//
// Invariants
//   1. At most one live instance: nothing is spawned while anything of the last tree may exist.
//   2. After a stop, nothing starts before a start is requested.
//   3. An automatic start follows a RESTART of the restart strategy, and no sooner than it said.
//      Half-open starts, requested starts and the tries of other ports at start-up (bounded by
//      startup_ports) are outside its budget. A start by changed files begins it anew, as a request
//      does, so those that no change of the code explains are degraded_retry apart.
//   4. Every wait has an end: each state but stopped, misconfigured and unkillable has a timer armed
//      or a question open (which the asked side answers in bounded time), or, in running, a probe, a
//      timer or the process itself to wait for.
//   5. Every transition carries a cause.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "steward/core/app_activity.hpp"
#include "steward/core/event.hpp"
#include "steward/core/time.hpp"

namespace steward::core {

enum class State {
    kStopped,
    kStarting,
    kRunning,
    kUnhealthy,
    kDeciding,
    kBackingOff,
    kStopping,
    kDegraded,
    kMisconfigured,
    kUnkillable,
};
// As the status shows it: "backing_off".
std::string_view to_string(State state);

// How the app comes to its port.
enum class PortMode {
    kNone,      // it has none
    kHandOver,  // it is given the listening socket
    kOwnBind,   // it binds a port number that it is given
};

struct MachineConfig {
    PortMode port_mode = PortMode::kHandOver;
    bool health_enabled = true;  // false: `--health none`, it is healthy while it lives
    Duration health_interval = std::chrono::seconds(5);
    Duration health_timeout = std::chrono::seconds(2);
    int health_failures = 3;
    int health_successes = 1;
    // From the first failed probe of a row to the end of patience with a busy app; 0: none.
    Duration busy_limit = std::chrono::seconds(60);
    bool stack_dump = false;  // the app writes one when it is asked to
    Duration startup_timeout = std::chrono::seconds(30);
    int startup_ports = 3;
    Duration shutdown_timeout = std::chrono::seconds(10);
    Duration exit_timeout = std::chrono::milliseconds(800);
    // From SIGKILL to `unkillable`, and from --exit-timeout's SIGKILL to the end without an empty
    // tree.
    Duration kill_timeout = std::chrono::seconds(5);
    Duration exit_kill_timeout = std::chrono::milliseconds(90);
    Duration degraded_retry = std::chrono::seconds(60);
    Duration degraded_retry_cap = std::chrono::minutes(10);

    bool probes() const { return health_enabled && port_mode != PortMode::kNone; }
};

// Requests wait in the held port's backlog when the next start is no further away than this; else
// they are answered.
inline constexpr Duration kBacklogWait = std::chrono::seconds(2);
// The time that a stack dump has to appear in the app's output.
inline constexpr Duration kDumpTime = std::chrono::milliseconds(200);
// The longest delay that a restart strategy may ask for.
inline constexpr Duration kLongestDelay = std::chrono::hours(24);

// ---- inputs

enum class Origin { kClient, kRequest, kAutomatic, kHalfOpen, kOtherPort, kFilesChanged };
std::string_view to_string(Origin origin);

struct StartRequested {
    std::string reason;
    // kClient: the session's first start; kRequest: somebody asked (failures before it are
    // forgiven).
    Origin origin = Origin::kRequest;
};
struct StopRequested {
    std::string reason;
};
struct RestartRequested {
    std::string reason;
};
// The session ends. `at_once`: SIGKILL without a grace time (a second signal).
struct ExitRequested {
    std::string reason;
    bool at_once = false;
};
struct SkippedPort {
    std::uint16_t port;
    std::string cause;
};
struct PortFound {
    std::uint64_t epoch;
    std::uint16_t port;
    std::vector<SkippedPort> skipped;
    std::string why;
};
struct PortNotFound {
    std::uint64_t epoch;
    std::string cause;
    std::vector<SkippedPort> skipped;
};
// The held port is ours no more: the app has shut the socket down and somebody else has the port.
struct PortLost {
    std::string cause;
    bool instead_of_spawn = false;  // found when Spawn was to be carried out; nothing was started
};
struct Spawned {
    std::int32_t pid;
};
struct SpawnFailed {
    std::string cause;
    int sys_errno;
    bool retryable;  // no process could be made; not the command's fault
};
struct Exited {
    bool signaled;
    int code;                      // exit code or signal number
    std::string last_stderr_line;  // may be empty
    std::string note;              // what else is known ("the guardian was killed"), may be empty
    std::string output_tail = {};  // the last lines of stderr, for the record alone; may be empty
};
struct TreeEmpty {};
enum class Verdict { kHealthy, kUnhealthy, kUnknown };
struct ProbeResult {
    std::uint64_t epoch;
    Verdict verdict;
    std::string detail;
    Evidence evidence{};  // of a probe that was not answered in time
};
// The probe's deadline says nothing (the machine slept): ask again at once; a start-up gets
// health_timeout more, if need be.
struct ProbeVoided {
    std::uint64_t epoch;
};
enum class DecisionAction { kRestart, kStayDown, kGiveUp };
struct Decided {
    std::uint64_t epoch;
    DecisionAction action;
    Duration delay;
    std::string why;
};
struct FilesChanged {
    std::string what;
};
struct DumpEnded {
    std::uint64_t generation;
    bool came;  // false: nothing that looks like one in kDumpTime
};
enum class TimerName { kStartup, kProbe, kBackoff, kShutdown, kKill, kDegraded };
inline constexpr std::size_t kTimerCount = 6;
struct TimerFired {
    TimerName timer;
};

using Input =
    std::variant<StartRequested, StopRequested, RestartRequested, ExitRequested, PortFound,
                 PortNotFound, PortLost, Spawned, SpawnFailed, Exited, TreeEmpty, ProbeResult,
                 ProbeVoided, Decided, FilesChanged, TimerFired, DumpEnded>;

// ---- actions

// Ask the port strategy, try its candidates, answer PortFound or PortNotFound with this epoch.
struct SearchPort {
    std::uint64_t epoch;
    std::vector<std::uint16_t> excluded;
};
// Start the instance `generation` on the port that was found. Answer: Spawned, SpawnFailed, or
// PortLost with instead_of_spawn.
struct Spawn {
    std::uint64_t generation;
};
// Ask the app for a stack dump. Answer: DumpEnded with this generation, after kDumpTime at the
// latest.
struct DumpStack {
    std::uint64_t generation;
};
struct Terminate {};  // SIGTERM to the app's group
struct Kill {};       // SIGKILL to the tree until it is empty
// Ask the restart strategy about MachineState::history. Answer: Decided with this epoch.
struct AskRestart {
    std::uint64_t epoch;
};
struct StartProbe {
    std::uint64_t epoch;
    TimePoint deadline;
    std::uint32_t attempt;
};
struct CancelProbe {};
// Arming an armed timer replaces it.
struct Arm {
    TimerName timer;
    TimePoint at;
};
struct Disarm {
    TimerName timer;
};
struct Emit {
    Event event;
};
// The session is over for this service; `left` names what could not be killed, or is empty. Said
// once.
struct Finish {
    std::string left;
};

using Action = std::variant<SearchPort, Spawn, Terminate, Kill, AskRestart, StartProbe, CancelProbe,
                            Arm, Disarm, Emit, Finish, DumpStack>;

// ---- state

// What the restart strategy is told; the kinds are those of steward/restart.h.
struct HistoryEvent {
    std::uint32_t kind = 0;
    std::int32_t code = 0;
    TimePoint at{};
    Duration uptime{};
    Duration healthy_for{};
};
inline constexpr std::size_t kHistoryLimit = 256;

struct LastExit {
    bool signaled = false;
    int code = 0;
    TimePoint at{};
    std::string cause;
};

struct MachineState {
    State state = State::kStopped;
    TimePoint since{};  // of `state`
    std::string cause = "not started yet";
    bool healthy = false;
    bool exiting = false;
    bool finished = false;  // Finish has been said
    std::optional<TimePoint>
        kill_by;  // SIGKILL ordered: the tree is empty then, or it is unkillable
    std::optional<TimePoint>
        exit_by;  // exiting, SIGKILL ordered: the session ends then at the latest

    std::uint64_t generation = 0;
    std::uint64_t restarts = 0;
    std::uint64_t epoch = 0;  // of the open question or probe; each new one counts up
    std::uint16_t port = 0;   // 0: none yet
    std::int32_t pid = 0;     // of the live app; 0: none
    bool tree = false;        // something of an instance may exist
    bool probing = false;

    // What follows once the tree is empty (states stopping, unhealthy, unkillable).
    enum class After {
        kStopped,
        kDecide,
        kStart,
        kOtherPort,
        kMisconfigured,
        kFinish
    } after = After::kStopped;
    std::string after_cause;
    Origin after_origin = Origin::kRequest;
    Origin origin = Origin::kClient;  // of the current start
    std::string start_cause;          // why it was made: "restarted after: ..."
    // deciding: which question; the restart strategy's answer may come before the tree is empty.
    enum class Question { kNone, kPort, kRestart } question = Question::kNone;
    std::optional<Decided> decision;

    TimePoint ordered_at{};     // of the current start
    TimePoint startup_by{};     // starting: to be healthy then; startup_timeout from the order to
                                // spawn, more if the loop was late
    TimePoint spawned_at{};     // of the live instance
    TimePoint probe_at{};       // start of the current probe
    TimePoint asked_at{};       // when the restart strategy was asked; its delay counts from here
    TimePoint next_start_at{};  // backing_off, degraded
    std::optional<Duration> startup;  // from the order to the first healthy answer of this instance
    int failures = 0;                 // probes failed in a row
    int unexcused = 0;                // the last so many of them without an excuse
    int successes = 0;                // HEALTHY since the last failure, at most health_successes
    TimePoint failing_since{};        // the first of `failures`
    Evidence evidence;                // of the last failed probe
    std::uint32_t attempt = 0;        // probes of this instance
    bool answered = false;            // some probe could be made
    std::string last_detail;          // of the last probe
    bool dumping = false;             // unhealthy: SIGTERM waits for the stack dump
    // Since it counts as healthy (health_successes answers in a row) and no probe has failed; without
    // probes: since it runs.
    std::optional<TimePoint> well_since;
    Duration well_for{};        // the longest such time of this instance
    Duration degraded_retry{};  // the next half-open wait; 0: the configured first one
    std::vector<std::uint16_t> refused_ports;  // by the app itself, in the current search
    std::optional<LastExit> last_exit;
    std::vector<HistoryEvent> history;
};

struct Step {
    MachineState state;
    std::vector<Action> actions;
};

// One step. Total: every input is defined in every state (what does not fit is ignored). Throws
// only std::bad_alloc.
Step step(const MachineConfig& config, MachineState state, const Input& input, TimePoint now);

// Does the supervisor itself answer on the held port (503), because no instance will soon? Requests
// wait in the backlog while an instance exists or the next start is at most two seconds away.
bool answers_itself(const MachineState& state, TimePoint now);

// "exit code 3", "killed by signal 9 (SIGKILL)".
std::string describe_exit(bool signaled, int code);

}  // namespace steward::core
