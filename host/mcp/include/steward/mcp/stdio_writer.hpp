// Writes lines to a descriptor from a thread of its own, so that no other thread ever waits for
// somebody who does not read. With Options::held the caller writes what the descriptor takes
// without waiting, which is nearly everything, and the thread the rest: that saves waking it.
//
// Bounds: from `high_water` queued bytes on it is congested: notifications are dropped, answers are
// kept, and the owner of stdin is expected to stop reading (StdioTransport does), so that the
// client's own requests wait in its pipe. Below `low_water` on_drained is called. Answers to calls
// that were in flight already still come; beyond `hard_limit` they are dropped and counted too.
//
// Long before that, from `behind_water` on, the client is behind: what it need not hear of each time
// had better wait until on_caught_up, when everything is written.
//
// Thread rule: enqueue, send_held, congested, is_behind, flush and the counters from any thread;
// callbacks run on the writer's thread and must neither block nor throw.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "steward/mcp/types.hpp"

namespace steward::mcp {

class StdioWriter {
  public:
    struct Options {
        const char* thread_name = "out";  // at most 15 bytes; has to last
        std::size_t behind_water = 64U * 1024;
        std::size_t high_water = 4U * 1024 * 1024;
        std::size_t low_water = 1U * 1024 * 1024;
        std::size_t hard_limit = 64U * 1024 * 1024;
        // Lines wait for send_held(), flush(), or for so many bytes of them. 0: they do not wait.
        // With it SIGPIPE must be ignored in the whole process, as any thread may write.
        std::size_t held = 0;
        // The descriptor cannot be written any more (errno); once. Later lines are thrown away.
        std::function<void(int error)> on_error;
        // The queue is below low_water after it was congested.
        std::function<void()> on_drained;
        // The queue is empty after the client was behind.
        std::function<void()> on_caught_up;
    };

    // Takes ownership of `fd`, which stays in blocking mode, and starts the thread.
    StdioWriter(int fd, Options options);
    // Stops the thread; what is queued is lost (flush first). When the thread is stuck in a write
    // it is left behind, with the descriptor, and ends with that write.
    ~StdioWriter();
    StdioWriter(const StdioWriter&) = delete;
    StdioWriter& operator=(const StdioWriter&) = delete;

    // Queues `line` and a newline; never blocks on I/O. False when the line was dropped.
    bool enqueue(std::string_view line, LineKind kind = LineKind::kAnswer);

    // Sends the lines that are held: at once from this thread as far as that needs no waiting, the
    // rest from the writer's.
    void send_held();

    [[nodiscard]] bool congested() const noexcept;
    [[nodiscard]] bool is_behind() const noexcept;
    [[nodiscard]] bool failed() const noexcept;
    // Bytes that are not written yet.
    [[nodiscard]] std::size_t queued_bytes() const noexcept;
    [[nodiscard]] std::size_t dropped_notifications() const noexcept;
    [[nodiscard]] std::size_t dropped_answers() const noexcept;

    // Waits until everything queued is written, at the latest until `deadline`. False when it is
    // not, or cannot be.
    bool flush(std::chrono::steady_clock::time_point deadline);

  private:
    struct State;
    static void run(const std::shared_ptr<State>& state);
    std::shared_ptr<State> state_;
};

}  // namespace steward::mcp
