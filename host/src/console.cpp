#include "console.hpp"

#include <fcntl.h>

#include <fmt/core.h>

namespace steward::host {

Console::Console(int fd, const char* thread)
    : writer_(fcntl(fd, F_DUPFD_CLOEXEC, 3), options(*this, thread)) {}

mcp::StdioWriter::Options Console::options(Console& self, const char* thread) {
    mcp::StdioWriter::Options options;
    options.thread_name = thread;
    options.high_water = kQueuedBytes;
    options.low_water = kQueuedBytes / 2;
    options.hard_limit = 2 * kQueuedBytes;
    options.on_drained = [&self] { self.tell_dropped(); };
    return options;
}

void Console::line(const std::string& text) {
    if (!writer_.congested()) {
        tell_dropped();
    }
    writer_.enqueue(text, mcp::LineKind::kNotification);
}

void Console::tell_dropped() {
    const std::lock_guard lock(mutex_);
    const auto dropped = writer_.dropped_notifications();
    if (dropped > told_) {
        writer_.enqueue(fmt::format("{} lines were dropped: nobody read them", dropped - told_));
        told_ = dropped;
    }
}

void Console::flush(std::chrono::steady_clock::time_point deadline) {
    writer_.flush(deadline);
}

}  // namespace steward::host
