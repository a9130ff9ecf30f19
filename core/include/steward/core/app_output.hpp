// AppOutput: what the app writes to stdout and stderr (OutputCapture, os.hpp), kept in a rotating
// file and, the end of it, in memory.
//
// Each instance gets two pipes. They are always drained, whatever becomes of the file: an app that
// blocks on its own output is the one thing that must not happen. What the file cannot take (disk
// full, a slow disk) waits in a buffer of at most `buffer_bytes`; beyond that whole lines are
// dropped and counted, and a note in the file says so when it takes lines again.
//
// A line in the file:  2026-11-22T10:22:33.123Z #3 err ModuleNotFoundError: No module named 'flask'
//   the time it was read (UTC) - the instance's generation - where it was written - the text
//   out, err    a whole line
//   out+, err+  not the end of its line, which goes on in the next record of the same instance and
//               stream: the line is longer than 64 KiB, or its end had not been written for a
//               second, or never was
//   log         not the app's: a note about lines that were dropped; its generation is 0
// Bytes that are not well-formed UTF-8, and control characters but the tab, stand as \xNN; a
// backslash stands for itself.
//
// app.log is renamed to app.log.1, that to app.log.2, and so on; a line is never divided between
// two files.
//
// The pipes of an instance are closed at their end, or 2 s after end() or the next open(): a
// descendant that still holds them open does not matter.
//
// Threads: open(), last_line(), await_line(), end() and flush() on the core's loop; reading and files on the log
// loop, which may wait for the disk (the pipes hold 1 MiB meanwhile); tail(), lines_since(),
// counters() anywhere, at any time, under a mutex that is never held across I/O.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "steward/core/os.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

enum class OutputStream : std::uint8_t { kOut, kErr };

struct OutputLine {
    std::uint64_t sequence = 0;  // 1, 2, 3 … over all instances
    WallTime wall{};             // when it was read
    std::uint64_t generation = 0;
    OutputStream stream = OutputStream::kOut;
    bool goes_on = false;  // the line's end is not in it: "out+", "err+"
    std::string text;      // escaped as in the file, without the newline
};

// The app's own bytes, newlines included; the notes are not counted. What is in neither waits in
// the buffer.
struct OutputCounters {
    std::uint64_t kept_lines = 0;  // records in the file
    std::uint64_t kept_bytes = 0;
    std::uint64_t dropped_lines = 0;
    std::uint64_t dropped_bytes = 0;
    std::uint64_t waiting_bytes = 0;
};

struct OutputOptions {
    std::string folder;  // made at the first open(), with its parents, 0700
    std::string file_name = "app.log";
    std::uint64_t max_file_bytes = std::uint64_t{10} << 20U;
    unsigned files = 3;  // with the one that is written
    std::size_t tail_bytes = std::size_t{256} << 10U;
    std::size_t buffer_bytes = std::size_t{4} << 20U;
    // Called on the log thread with what has just been read; must not wait for anything.
    std::function<void(const std::vector<OutputLine>&)> on_lines;
};

class AppOutput final : public OutputCapture {
  public:
    // Both loops must outlive the object, and neither may be running when it is destroyed.
    AppOutput(Scheduler& core_loop, Scheduler& log_loop, OutputOptions options);
    ~AppOutput() override;
    AppOutput(const AppOutput&) = delete;
    AppOutput& operator=(const AppOutput&) = delete;

    // Where the file is made, when that is known only later. Before the first open().
    void set_folder(const std::string& folder);

    // The write ends are blocking. Failure: no descriptors are left. A folder that cannot be made
    // is no failure.
    Result<Pipes> open(std::uint64_t generation) override;
    // Well-formed UTF-8, at most 300 bytes of the line's beginning; empty if there is none. Answers
    // exactly once, after 100 ms at the latest with what has been read until then.
    void last_line(std::uint64_t generation, std::function<void(std::string)> answer) override;
    // A moment is 20 ms.
    void await_line(std::uint64_t generation, const std::string& mark, Duration limit,
                    std::function<void(bool came)> answer) override;
    // The instance is gone: its pipes are closed within 2 s.
    void end(std::uint64_t generation);
    // Reads what is in the pipes now and writes what can be written; `done` comes on the core's
    // loop, exactly once, after `limit` at the latest.
    void flush(Duration limit, std::function<void()> done);

    // The most recent lines, at most so many, oldest first.
    std::vector<OutputLine> tail(std::size_t max_lines) const;
    // At most so many of the lines after that sequence number, oldest first. What is too old to be
    // in memory is missing: the first one's number tells.
    std::vector<OutputLine> lines_since(std::uint64_t sequence, std::size_t max_lines) const;
    OutputCounters counters() const;
    // The file that is written. Any thread.
    std::string path() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace steward::core
