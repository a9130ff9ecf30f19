// The seams between a service and the world: everything that Service (service.hpp) needs done goes
// through these interfaces.
//
// The real ones: GuardianClient, HeldPort, PluginStrategies, AppOutput, OsLinux. Unit tests and the
// simulation put fakes in their place (simulation/fake_world.hpp) and run without a process and
// without real time.
//
// Thread: all calls and all callbacks on the loop's thread. No call blocks on I/O, and no callback
// comes from inside the call that it answers, unless a function says so.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "steward/core/app_activity.hpp"
#include "steward/core/machine.hpp"
#include "steward/core/result.hpp"
#include "steward/core/time.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::core {

// ---- the process, by way of its guardian

struct SpawnRequest {
    std::uint64_t generation = 0;
    std::vector<std::string> argv;                                 // at least one
    std::vector<std::pair<std::string, std::string>> environment;  // exactly this
    std::string directory;                                         // empty: the supervisor's own
    int listener = -1;  // when >= 0: placed at descriptor 3; not owned
    bool listen_variables =
        true;      // with it LISTEN_FDS=1 and LISTEN_PID are added to the environment
    UniqueFd out;  // becomes 1
    UniqueFd err;  // becomes 2
};

// What became of a process tree; one generation after the other.
struct GuardianEvents {
    std::function<void(std::int32_t pid)> started;
    // No process of this generation is left when it is called.
    std::function<void(SpawnFailed)> spawn_failed;
    // After `started`. last_stderr_line is left empty.
    std::function<void(Exited)> exited;
    // After `exited`: nothing of the tree is left, not even a zombie. Not called after
    // spawn_failed.
    std::function<void()> empty;
};

class GuardianLink {
  public:
    virtual ~GuardianLink() = default;
    virtual void listen(GuardianEvents events) = 0;
    // Starts the guardian when there is none, and the app. Precondition: the last tree is empty.
    // Any failure is spawn_failed.
    virtual void spawn(SpawnRequest request) = 0;
    virtual void terminate() = 0;  // SIGTERM to the app's group
    virtual void kill() = 0;       // SIGKILL to the tree until it is empty
    // Asks the guardian for a sign of life: without it nothing would end the tree if the supervisor
    // were killed. No answer for 2 s: it is continued; none for 200 ms more: it is replaced, and the
    // app ends with it. Called at each probe; where no probes are made at each metrics sample; with
    // neither never, and a stopped guardian is then noticed at the next order or the app's end.
    virtual void check() = 0;
    // To the app's own process, at once. Nothing happens when it is gone.
    virtual void signal_app(int number) = 0;
    // The guardian's pid, whose descendants are the tree; 0 if there is none.
    virtual std::int32_t guardian_pid() const = 0;
    // What of the tree is still there, for people: "412 (python3, state D in rpc_wait_bit_killable),
    // 413 (sh, state Z, traced by 500 (gdb))".
    virtual std::string describe_tree() const = 0;
    // Lets the guardian go; it ends what is left by itself. `gone` comes when it has exited, or
    // after 60 ms.
    virtual void close(std::function<void()> gone) = 0;
};

// ---- the port

// What is said to those who connect while no instance will answer.
struct PortAnswer {
    std::string state;
    std::string cause;
    int retry_after_s = 1;
};

class PortKeeper {
  public:
    virtual ~PortKeeper() = default;
    // Binds, listens and keeps the port. Failure: why not, and nothing is held.
    virtual Status take(const std::string& host, std::uint16_t port) = 0;
    // For apps that bind for themselves: could it be bound now? Holds nothing.
    virtual Status test(const std::string& host, std::uint16_t port) = 0;
    // The held socket, blocking and listening again whatever the last instance did to it; -1 if
    // none.
    virtual int listener() = 0;
    // Begins or goes on answering 503 on the held socket.
    virtual void answer(const PortAnswer& answer) = 0;
    // Stops accepting before it returns; connections already accepted are still answered.
    virtual void stop_answering() = 0;
    // The end: answers what waits in the backlog, within a few ms, and closes.
    virtual void close(const PortAnswer& answer) = 0;
    // Has the app made the held socket one that others may share (SO_REUSEPORT)?
    virtual bool shareable() const = 0;
    // Why who connects to the held socket gets no answer: a connection waits there and nobody has
    // accepted any, and where what runs below `guardian_pid` listens instead, if that is found in a
    // few ms. Empty: none waits, or some other has been accepted.
    virtual std::string not_accepted(std::int32_t guardian_pid) = 0;
    // Who listens on the port: empty when it is a process below `guardian_pid`, else a text that
    // names the stranger.
    virtual std::string stranger_on(std::uint16_t port, std::int32_t guardian_pid) = 0;
};

// ---- the strategies

struct PortQuestion {
    std::string address;
    std::uint16_t base = 0;
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    std::vector<std::uint16_t> excluded;  // ascending
    std::uint32_t attempt = 1;
};
struct PortProposal {
    std::vector<std::uint16_t> candidates;  // empty: exhausted
    std::string by;  // who answered: "port_sequential", "built-in fallback (…)"
};
// All that the answer depends on: the same question always has the same answer.
struct RestartQuestion {
    std::vector<HistoryEvent> history;  // the last one asks
    std::uint64_t total_restarts = 0;
    TimePoint now{};
    std::uint64_t entropy = 0;
    WallTime wall{};  // at `now`, and how far the zone was from UTC then
    std::chrono::seconds utc_offset{};
};
struct RestartAnswer {
    DecisionAction action = DecisionAction::kGiveUp;
    Duration delay{};
    std::string why;
};
struct ProbeQuestion {
    std::int32_t pid = 0;
    TimePoint deadline{};
    std::string address;
    std::uint16_t port = 0;
    std::uint32_t attempt = 1;
    std::string instance_id;
};
struct ProbeAnswer {
    Verdict verdict = Verdict::kUnknown;
    std::string detail;
    std::string instance_id;  // what the answer claims to be
    bool timed_out = false;   // it is UNHEALTHY because no answer came in time
};
struct MetricsQuestion {
    std::int32_t app_pid = 0;
    std::int32_t tree_pid = 0;
    std::string address;
    std::uint16_t port = 0;
};
struct Metric {
    std::string name;
    std::string help;
    std::string unit;
    bool counter = false;
    double value = 0;
    std::vector<std::pair<std::string, std::string>> labels;
};

// The four slots of a service. Every question is answered exactly once in bounded time, by the
// strategy or by the built-in fallback; callbacks never come from inside the call.
class Strategies {
  public:
    virtual ~Strategies() = default;
    virtual void propose_ports(const PortQuestion& question,
                               std::function<void(PortProposal)> answer) = 0;
    virtual void decide_restart(const RestartQuestion& question,
                                std::function<void(RestartAnswer)> answer) = 0;
    virtual void probe(const ProbeQuestion& question, std::function<void(ProbeAnswer)> answer) = 0;
    // The probe in flight, if any, is answered soon; the answer no longer matters.
    virtual void cancel_probe() = 0;
    // No answer is an empty list.
    virtual void sample(const MetricsQuestion& question,
                        std::function<void(std::vector<Metric>)> answer) = 0;
    // {"health": "health_http 0.1.0", …}; "none" where there is none.
    virtual std::map<std::string, std::string> names() const = 0;
};

// ---- the app's output

// The app's own bytes, newlines included, over all its instances; notes and the heads of lines do
// not count. At any time, exactly:
//     read_bytes = kept_bytes + dropped_bytes + waiting_bytes
// and once all instances have ended and nothing waits, read_bytes is what they have written.
struct OutputCounters {
    std::uint64_t read_bytes = 0;  // taken from the pipes
    std::uint64_t kept_lines = 0;  // records in the file
    std::uint64_t kept_bytes = 0;  // written to the file, whole records
    std::uint64_t dropped_lines = 0;
    std::uint64_t dropped_bytes = 0;  // never written: the file did not take them in time
    std::uint64_t waiting_bytes = 0;  // in memory: for the file, or for the end of their line
    // Of kept_bytes, those in files that rotation has removed since. What else happened to the
    // files (somebody deleted one) is not counted.
    std::uint64_t expired_bytes = 0;
};

// What an instance wrote last to stderr; of lines that are not blank, well-formed UTF-8 without
// control characters.
struct LastLines {
    static constexpr std::size_t kMaxBytes = 2048;
    std::string last;  // the last one's beginning, at most 300 bytes; may be empty
    std::string tail;  // the last ten, `last` included, at most kMaxBytes; separated by '\n'
};

class OutputCapture {
  public:
    virtual ~OutputCapture() = default;
    struct Pipes {
        UniqueFd out;
        UniqueFd err;
    };
    // Write ends for a new instance.
    virtual Result<Pipes> open(std::uint64_t generation) = 0;
    // The last lines that the instance wrote to stderr; waits at most 100 ms for what is still in
    // the pipe.
    virtual void last_lines(std::uint64_t generation, std::function<void(LastLines)> answer) = 0;
    // Waits until the instance has written a line with `mark` in it to stderr, later than this
    // call, and then nothing for a moment (what follows the line is there too), for at most
    // `limit`. False: the line has not come by then.
    virtual void await_line(std::uint64_t generation, const std::string& mark, Duration limit,
                            std::function<void(bool came)> answer) = 0;
    virtual OutputCounters counters() const = 0;
};

// ---- the rest

struct LookQuestion {
    std::int32_t app_pid = 0;
    std::int32_t tree_pid = 0;  // the guardian, whose descendants are the tree; 0: there is none
    std::string address;
    std::uint16_t port = 0;
};

class Os {
  public:
    virtual ~Os() = default;
    virtual WallTime wall() = 0;
    // How far the machine's time zone is from UTC at that moment, to the east. Does not block.
    virtual std::chrono::seconds utc_offset(WallTime at) = 0;
    virtual std::uint64_t entropy() = 0;
    // CLOCK_BOOTTIME - CLOCK_MONOTONIC; grows by the time that the machine slept.
    virtual Duration slept() = 0;
    // Does the process live, neither stopped nor a zombie?
    virtual bool runs(std::int32_t pid) = 0;
    // What the app is doing, for weigh(); `at` is left empty.
    virtual AppLook look(const LookQuestion& question) = 0;
    // 0 when it is a regular file that can be read, else errno.
    virtual int check_file(const std::string& file) = 0;
    // How many processes the kernel's out-of-memory killer has killed on this machine; nullopt: it
    // does not say.
    virtual std::optional<std::uint64_t> oom_kills() = 0;
    // Calls changed(name) for each thing in the folder that is written, created, renamed or deleted;
    // the last watch replaces the one before. While there is no such folder, when it may have come. An
    // empty folder, or one that cannot be watched: none.
    virtual void watch_folder(const std::string& folder,
                              std::function<void(std::string name)> changed) = 0;
};

}  // namespace steward::core
