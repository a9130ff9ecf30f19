// The loop of the mcp thread: reads lines from stdin, runs posted tasks and timers, and notices
// when the client's end of stdout goes away.
//
// O_NONBLOCK is never set: the descriptors are shared with other processes. poll() says when read()
// will not block. After the end of stdin it goes on with tasks and timers until it is stopped.
//
// Thread rule: run() and everything that it calls is the mcp thread; arm, disarm and `on_*` belong
// to it too. post, stop and wake from any thread. arm may also be called before run().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "steward/mcp/line_reader.hpp"

namespace steward::mcp {

class StdioTransport {
  public:
    using Clock = std::chrono::steady_clock;
    using TimerId = std::uint64_t;

    struct Options {
        int input = 0;
        int output = -1;  // only watched for the loss of its reader; -1: not watched
        std::size_t max_line = LineReader::kDefaultLimit;
        // Bytes were read, a whole line or not. Optional.
        std::function<void()> on_bytes;
        std::function<void(std::string_view line)> on_line;
        std::function<void(std::size_t limit)> on_oversize;
        // A line was thrown away for want of memory. Optional.
        std::function<void()> on_lost;
        // stdin has ended (or failed); complete lines and an unterminated last one came before.
        std::function<void()> on_eof;
        // Nobody reads stdout any more.
        std::function<void()> on_output_closed;
        // While it says true no line is delivered and nothing is read, unless the client has hung
        // up: then the rest of the pipe is read so that its end is seen. Ask for another look with
        // wake(). Optional.
        std::function<bool()> paused;
        // Everything that was there is done: the loop is about to wait. Optional.
        std::function<void()> on_idle;
        // A callback, task or timer has thrown; the loop goes on. Must not throw itself. Optional.
        std::function<void(std::string_view what)> on_trouble;
    };

    explicit StdioTransport(Options options);
    // run() has returned. Tasks that never ran are destroyed. Closes neither input nor output.
    ~StdioTransport();
    StdioTransport(const StdioTransport&) = delete;
    StdioTransport& operator=(const StdioTransport&) = delete;

    // Serves until stop().
    void run();

    // Runs `task` on the mcp thread, after what it is doing now. Tasks run in the order of posting.
    void post(std::function<void()> task);
    // Lets run() return soon; what was posted before is run first.
    void stop();
    // Lets the loop look at `paused` again.
    void wake() noexcept;

    // Runs `fn` once at `when`.
    TimerId arm(Clock::time_point when, std::function<void()> fn);
    // Unknown and finished timers are ignored.
    void disarm(TimerId id) noexcept;

  private:
    struct Timer {
        TimerId id = 0;
        std::function<void()> fn;
    };

    void wait();
    [[nodiscard]] int timeout_ms() const;
    [[nodiscard]] bool is_paused() const;
    void read_input();
    void deliver_lines();
    void end_input();
    void run_timers();
    void run_tasks();
    template <typename Work>
    void guarded(Work work) noexcept;

    Options options_;
    LineReader reader_;
    int event_fd_ = -1;
    bool input_open_ = true;
    bool eof_reported_ = false;
    bool input_hung_up_ = false;
    bool output_watched_ = false;
    bool backlog_ = false;  // lines are buffered that `paused` has held back
    std::vector<char> chunk_;
    std::multimap<Clock::time_point, Timer> timers_;
    TimerId last_timer_ = 0;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;  // guarded by mutex_
    bool stopping_ = false;                     // guarded by mutex_
};

}  // namespace steward::mcp
