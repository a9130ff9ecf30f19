// EventWriter: turns events into the structured log (JSON lines, rotated) and into text for the
// terminal or the AI tool's log.
//
// The one user of spdlog. write() and line() may be called on any thread and never wait: the
// file is written on the log thread, at most kMaxWaiting entries behind; what is beyond is dropped
// and counted. Before open() the entries are kept in memory. stderr has a thread of its own
// (console.hpp), for which the log thread does not wait either.
#pragma once
#include <memory>
#include <string>

#include "steward/core/event.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::host {

class EventWriter {
  public:
    static constexpr std::size_t kMaxWaiting = 10'000;

    // `console`: from which severity on readable text goes to stderr.
    EventWriter(core::Scheduler& log_loop, core::Severity console);
    ~EventWriter();
    EventWriter(const EventWriter&) = delete;
    EventWriter& operator=(const EventWriter&) = delete;

    // Begins to write to <folder>/steward.log. Log thread. Returns why not, or an empty text.
    std::string open(const std::string& folder);

    void write(const core::Event& event);
    // A line that is no event (a plugin's, the protocol's): to the log file, and to stderr from
    // `console` on.
    void line(core::Severity severity, const std::string& source, const std::string& text);
    // Everything given so far is in the file when it comes back, and on stderr if that is read
    // within 40 ms. Log thread.
    void flush();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace steward::host
