// Console: text for people on a descriptor that they may not read (a full pipe, a terminal after
// Ctrl-S), written by a thread of its own, so that nobody else ever waits for it.
//
// While nobody reads, at most kQueuedBytes wait; what is beyond is dropped, and a line says how
// much once the reading goes on. A descriptor that is closed swallows everything. Any thread.
#pragma once
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

#include "steward/mcp/stdio_writer.hpp"

namespace steward::host {

class Console {
  public:
    static constexpr std::size_t kQueuedBytes = std::size_t{256} * 1024;

    // Works on a copy of `fd`; `thread` names the thread that writes.
    Console(int fd, const char* thread);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;

    // Queues `text` and a newline; never waits.
    void line(const std::string& text);
    // Waits until what was queued is written, at the latest until `deadline`.
    void flush(std::chrono::steady_clock::time_point deadline);

  private:
    static mcp::StdioWriter::Options options(Console& self, const char* thread);
    void tell_dropped();

    std::mutex mutex_;      // never held across I/O
    std::size_t told_ = 0;  // guarded by mutex_; of the dropped lines, those that were told of
    mcp::StdioWriter writer_;
};

}  // namespace steward::host
