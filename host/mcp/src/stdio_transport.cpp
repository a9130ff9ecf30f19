#include "steward/mcp/stdio_transport.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <limits>
#include <system_error>
#include <utility>

namespace steward::mcp {
namespace {

constexpr std::size_t kChunkBytes = 64U * 1024;
constexpr short kGone = POLLERR | POLLNVAL;

}  // namespace

StdioTransport::StdioTransport(Options options)
    : options_(std::move(options)),
      reader_(options_.max_line),
      event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      output_watched_(options_.output >= 0),
      chunk_(kChunkBytes) {
    if (event_fd_ < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
}

StdioTransport::~StdioTransport() {
    ::close(event_fd_);
}

void StdioTransport::wake() noexcept {
    const std::uint64_t one = 1;
    // Can only fail when the counter is full, and then the loop is awake anyhow.
    [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof(one));
}

void StdioTransport::post(std::function<void()> task) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    wake();
}

void StdioTransport::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    wake();
}

StdioTransport::TimerId StdioTransport::arm(Clock::time_point when, std::function<void()> fn) {
    const TimerId id = ++last_timer_;
    timers_.emplace(when, Timer{id, std::move(fn)});
    return id;
}

void StdioTransport::disarm(TimerId id) noexcept {
    const auto found = std::find_if(timers_.begin(), timers_.end(),
                                    [id](const auto& entry) { return entry.second.id == id; });
    if (found != timers_.end()) {
        timers_.erase(found);
    }
}

template <typename Work>
void StdioTransport::guarded(Work work) noexcept {
    try {
        work();
    } catch (const std::exception& error) {
        if (options_.on_trouble) {
            options_.on_trouble(error.what());
        }
    }
}

void StdioTransport::run() {
    for (;;) {
        bool stopping = false;
        {
            // Read before the tasks are run, so that those posted before stop() still are.
            const std::lock_guard<std::mutex> lock(mutex_);
            stopping = stopping_;
        }
        guarded([this] { run_tasks(); });
        if (!stopping) {
            guarded([this] { run_timers(); });
            guarded([this] { deliver_lines(); });
        }
        if (options_.on_idle) {
            guarded(options_.on_idle);
        }
        if (stopping) {
            return;
        }
        guarded([this] { wait(); });
    }
}

bool StdioTransport::is_paused() const {
    return options_.paused && options_.paused();
}

int StdioTransport::timeout_ms() const {
    if (timers_.empty()) {
        return -1;
    }
    const auto left = timers_.begin()->first - Clock::now();
    if (left <= Clock::duration::zero()) {
        return 0;
    }
    // Rounded up: a timer that is woken too early would spin.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max()));
}

void StdioTransport::wait() {
    const bool held_back = backlog_ || is_paused();
    // While nothing may be read, a hang-up of the client still has to be seen. Once it is seen, the
    // rest is read whatever the pause: it is no more than the pipe holds.
    short input_events = POLLIN;
    if (held_back && !input_hung_up_) {
        input_events = POLLRDHUP;
    }
    std::array<pollfd, 3> descriptors = {{
        {event_fd_, POLLIN, 0},
        {input_open_ ? options_.input : -1, input_events, 0},
        {output_watched_ ? options_.output : -1, 0, 0},
    }};
    if (::poll(descriptors.data(), descriptors.size(), timeout_ms()) < 0) {
        return;  // EINTR, or no memory: try again
    }
    if ((descriptors[0].revents & POLLIN) != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(event_fd_, &count, sizeof(count));
    }
    if ((descriptors[2].revents & (kGone | POLLHUP)) != 0) {
        output_watched_ = false;
        if (options_.on_output_closed) {
            options_.on_output_closed();
        }
    }
    const short input = descriptors[1].revents;
    if ((input & POLLNVAL) != 0) {
        end_input();
        return;
    }
    if ((input & (POLLHUP | POLLRDHUP | POLLERR)) != 0) {
        input_hung_up_ = true;
    }
    if (input != 0 && (!held_back || input_hung_up_)) {
        read_input();
    }
}

void StdioTransport::read_input() {
    const ssize_t count = ::read(options_.input, chunk_.data(), chunk_.size());
    if (count > 0) {
        reader_.append({chunk_.data(), static_cast<std::size_t>(count)});
        if (options_.on_bytes) {
            options_.on_bytes();
        }
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
        end_input();
    }
}

void StdioTransport::end_input() {
    input_open_ = false;
    reader_.finish();
}

void StdioTransport::deliver_lines() {
    for (;;) {
        // The rest of a client that has hung up is served at once: nobody may wait for it to read.
        backlog_ = input_open_ && !input_hung_up_ && is_paused();
        if (backlog_) {
            return;
        }
        const LineReader::Event event = reader_.next();
        if (event.kind == LineReader::Kind::kNone) {
            break;
        }
        if (event.kind == LineReader::Kind::kOversize) {
            if (options_.on_oversize) {
                options_.on_oversize(options_.max_line);
            }
        } else if (event.kind == LineReader::Kind::kLost) {
            if (options_.on_lost) {
                options_.on_lost();
            }
        } else if (options_.on_line) {
            options_.on_line(event.text);
        }
    }
    if (!input_open_ && !eof_reported_) {
        eof_reported_ = true;
        if (options_.on_eof) {
            options_.on_eof();
        }
    }
}

void StdioTransport::run_timers() {
    const auto now = Clock::now();
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const std::function<void()> fn = std::move(timers_.begin()->second.fn);
        timers_.erase(timers_.begin());
        fn();
    }
}

void StdioTransport::run_tasks() {
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        tasks.swap(tasks_);
    }
    for (auto& task : tasks) {
        guarded(task);
        task = nullptr;  // what it holds is let go on this thread, before the next one runs
    }
}

}  // namespace steward::mcp
