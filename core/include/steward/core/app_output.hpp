// AppOutput: what the app writes to stdout and stderr (OutputCapture, os.hpp), kept in a rotating
// file and, the end of it, in memory.
//
// Each instance gets two pipes. They are always drained, whatever becomes of the file: an app that
// blocks on its own output is the one thing that must not happen. So one thread reads the pipes and
// does nothing that can wait; another writes the file. Between them is a buffer of `buffer_bytes`;
// what the file cannot take (disk full, a slow disk, a write that never returns) waits there, and
// what does not fit is dropped, whole lines at a time, and counted.
//
// The account: every byte that the app wrote is read, and then it is kept (in the file), dropped or
// waiting, exactly (OutputCounters, os.hpp). Where lines are missing the file has a note with their
// number and bytes as soon as it takes lines again, and on_trouble is told when it begins and when
// it is over. Rotation loses nothing; what was in a file that it removed is counted as expired.
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
// Threads: open(), last_lines(), await_line(), end() and flush() on the core's loop; reading on the output loop,
// which waits for nothing; files on the log loop, which may wait for the disk as long as it likes;
// tail(), lines_since(), counters() anywhere, at any time, under a mutex that is never held across
// I/O.
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

// The file takes less than the app writes, or takes all again.
struct OutputTrouble {
    bool over = false;
    std::string cause;  // one sentence
    // When it is over: what was dropped since it began.
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
};

struct OutputOptions {
    std::string folder;  // made at the first open(), with its parents, 0700
    std::string file_name = "app.log";
    std::uint64_t max_file_bytes = std::uint64_t{10} << 20U;
    unsigned files = 3;  // with the one that is written
    std::size_t tail_bytes = std::size_t{256} << 10U;
    std::size_t buffer_bytes = std::size_t{4} << 20U;
    // There are lines after those of before (lines_since()). On the output loop; must not wait for
    // anything.
    std::function<void()> on_lines;
    // Once when it begins, once when there has been none for a second. The same.
    std::function<void(OutputTrouble)> on_trouble;
};

class AppOutput final : public OutputCapture {
  public:
    // The loops are three threads; they must outlive the object, and none may be running when it is
    // destroyed.
    AppOutput(Scheduler& core_loop, Scheduler& output_loop, Scheduler& log_loop,
              OutputOptions options);
    ~AppOutput() override;
    AppOutput(const AppOutput&) = delete;
    AppOutput& operator=(const AppOutput&) = delete;

    // Where the file is made, when that is known only later. Before the first open().
    void set_folder(const std::string& folder);

    // The write ends are blocking. Failure: no descriptors are left. A folder that cannot be made
    // is no failure.
    Result<Pipes> open(std::uint64_t generation) override;
    // Answers exactly once, after 100 ms at the latest with what has been read until then.
    void last_lines(std::uint64_t generation, std::function<void(LastLines)> answer) override;
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
    // The number of the last line; 0 before the first.
    std::uint64_t last_sequence() const;
    OutputCounters counters() const override;
    // The file that is written. Any thread.
    std::string path() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace steward::core
