// Session: one running supervisor with its threads, from start to the end of the process. What
// `steward mcp` and `steward run` share: the loop, the log, the state folder, signals, the start of
// the app and the end of everything.
//
// Threads: `loop` (everything of the core) and `log` (files) are started here; the caller's own
// thread is the third. Functions say which thread may call them; "any" means any.
#pragma once
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "console.hpp"
#include "options.hpp"
#include "steward/core/event.hpp"
#include "steward/core/supervisor.hpp"

namespace steward::host {

class Session {
  public:
    struct Setup {
        Options options;
        core::Severity console =
            core::Severity::kWarning;  // from which severity on events go to stderr
        bool watch_parent = false;     // the death of the parent ends the session
        // What is written for people beside the log; it is flushed with it at the end. May be null.
        std::shared_ptr<Console> screen = nullptr;
    };

    // Starts the threads; no process, no file, no socket. Signals must be blocked already
    // (block_signals()), or they end the process as they always do.
    explicit Session(Setup setup);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Loads and checks the plugins now; waits for it. Returns the error, or an empty text. Main
    // thread, before serving.
    std::string prepare_plugins();

    // Any thread; runs on the loop's thread.
    void post(std::function<void()> task);

    // ---- the loop's thread
    core::Service& service();
    core::Supervisor& supervisor();
    core::Loop& loop();
    // The status object as it is now, on one line / as an object is made by status_object(). Who
    // gets it may have seen what status_version() does not count yet: so it does.
    std::string status_json();
    const std::string& log_file() const;

    using Settled = core::Service::Settled;
    // The session's first start, because a client is there; later ones do nothing.
    void start_for_client(const std::string& reason);
    void start(const std::string& reason, Settled settled);
    void restart(const std::string& reason, Settled settled);
    // Without a start before there is nothing to stop: settled at once.
    void stop(const std::string& reason, Settled settled);

    // ---- any thread
    // Counts what may have changed the status, before anybody is told of it.
    std::uint64_t status_version() const;
    // A line for the log that is no event.
    void log(core::Severity severity, const std::string& source, const std::string& text);
    // Ends the session: the app's tree, then the process with exit code 0. `at_once`: without a
    // grace time.
    void end(const std::string& reason, bool at_once = false);
    // `last` is called on the loop's thread when the tree is gone: it writes what is left to say,
    // wherever it likes, within `limit`, and calls `done`; the process waits no longer.
    void on_end(std::function<void(core::Duration limit, std::function<void()> done)> last);
    // Called on the loop's thread after each change of the status, and for each event.
    void on_change(std::function<void()> changed);
    // Called on the loop's thread when the app has written lines.
    void on_output(std::function<void()> written);

    // Waits for the end. Only a sanitizer build returns (the exit code); others leave the process
    // from the loop's thread.
    int wait();
    // Ends the threads of a session that is over (sanitizer builds). Nothing of it may be used any
    // more.
    void halt();

    // SIGTERM, SIGHUP and SIGINT.
    static sigset_t ending_signals();
    // Blocks the signals that end a session in this thread and those that it starts. Main thread,
    // first thing.
    static void block_signals();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace steward::host
