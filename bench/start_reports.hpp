// What apps/start_reporter.c and apps/subject.c say through a FIFO: when something began, and who.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "process.hpp"

namespace steward::bench {

struct StartReport {
    std::int64_t when = 0;  // the monotonic clock, in nanoseconds
    pid_t who = -1;
};

class StartReports {
  public:
    // Makes the FIFO.
    explicit StartReports(std::string path);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] int fd() const { return fd_.get(); }
    // What is there; does not wait.
    std::optional<StartReport> take();
    // Waits for the next one; throws after `patience_ms`.
    StartReport next(int patience_ms = 5000);

  private:
    std::string path_;
    Fd fd_;
};

}  // namespace steward::bench
