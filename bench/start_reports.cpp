#include "start_reports.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace steward::bench {

StartReports::StartReports(std::string path) : path_(std::move(path)) {
    // For reading and writing, so that it never ends; non-blocking, so that a deadline holds.
    if (mkfifo(path_.c_str(), 0600) != 0) {
        fail(path_);
    }
    fd_.reset(open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

std::optional<StartReport> StartReports::take() {
    std::int64_t report[2];
    if (read(fd_.get(), report, sizeof report) != sizeof report) {
        return std::nullopt;
    }
    return StartReport{report[0], static_cast<pid_t>(report[1])};
}

StartReport StartReports::next(int patience_ms) {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (poll(&ready, 1, patience_ms) > 0) {
        if (const auto report = take()) {
            return *report;
        }
    }
    throw std::runtime_error(path_ + ": the app was not started in time");
}

}  // namespace steward::bench
