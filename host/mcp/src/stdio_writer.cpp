#include "steward/mcp/stdio_writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace steward::mcp {

struct StdioWriter::State {
    enum class Kind { kPipe, kSocket, kOther };

    int fd = -1;
    Kind kind = Kind::kOther;
    Options options;
    std::mutex mutex;
    std::condition_variable work;  // there is something to write, or it is time to stop
    std::condition_variable idle;  // everything is written, or the thread has ended
    // Guarded by mutex.
    std::string queue;
    bool stopping = false;
    bool waiting = false;  // the thread sleeps and has to be woken
    bool ended = false;
    bool congested = false;
    bool calling = false;  // a callback is running
    // Written under mutex, read by any thread.
    std::atomic<std::size_t> queued{0};  // queue plus what is being written
    std::atomic<bool> is_congested{false};
    std::atomic<bool> is_behind{false};
    std::atomic<bool> failed{false};
    std::atomic<std::size_t> dropped_notifications{0};
    std::atomic<std::size_t> dropped_answers{0};
    std::thread thread;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (fd >= 0) {
            ::close(fd);
        }
    }

    void set_congested(bool value) noexcept {
        congested = value;
        is_congested = value;
    }

    bool write_all(const std::string& bytes);
    bool wait_writable() const noexcept;
    std::size_t write_some(std::string_view bytes) const noexcept;
    void wake() noexcept;
    void account(std::size_t written);
    void fail(int error);
    template <typename Callback>
    void call(std::unique_lock<std::mutex>& lock, const Callback& callback);
};

namespace {

// How long the destructor waits for a thread that is about to end.
constexpr std::chrono::milliseconds kStopGrace(50);
// A queue that a burst has blown up is given back.
constexpr std::size_t kKeptCapacity = 1U * 1024 * 1024;

}  // namespace

bool StdioWriter::State::wait_writable() const noexcept {
    // Only when somebody else has made the shared description non-blocking.
    pollfd descriptor{fd, POLLOUT, 0};
    return ::poll(&descriptor, 1, -1) > 0 || errno == EINTR;
}

// Writes what is taken without waiting; whatever is wrong, the thread will see it too.
std::size_t StdioWriter::State::write_some(std::string_view bytes) const noexcept {
    ssize_t count = 0;
    if (kind == Kind::kSocket) {
        count = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (kind == Kind::kPipe && bytes.size() <= PIPE_BUF) {
        // A pipe that polls writable has room for PIPE_BUF bytes, and nobody else fills it.
        pollfd descriptor{fd, POLLOUT, 0};
        if (::poll(&descriptor, 1, 0) == 1 && descriptor.revents == POLLOUT) {
            count = ::write(fd, bytes.data(), bytes.size());
        }
    }
    return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void StdioWriter::State::wake() noexcept {
    if (waiting) {
        waiting = false;
        work.notify_one();
    }
}

// Runs a callback without the lock, and never once the destructor has been entered.
template <typename Callback>
void StdioWriter::State::call(std::unique_lock<std::mutex>& lock, const Callback& callback) {
    if (stopping) {
        return;
    }
    calling = true;
    lock.unlock();
    callback();
    lock.lock();
    calling = false;
    idle.notify_all();
}

void StdioWriter::State::account(std::size_t written) {
    std::unique_lock<std::mutex> lock(mutex);
    queued -= written;
    if (congested && queued < options.low_water) {
        set_congested(false);
        if (options.on_drained) {
            call(lock, options.on_drained);
        }
    }
    // The lock may have been given up: what was queued meanwhile is written first.
    if (is_behind && queued == 0) {
        is_behind = false;
        if (options.on_caught_up) {
            call(lock, options.on_caught_up);
        }
    }
}

void StdioWriter::State::fail(int error) {
    std::unique_lock<std::mutex> lock(mutex);
    failed = true;
    queue.clear();
    queued = 0;
    set_congested(false);
    is_behind = false;
    if (options.on_error) {
        call(lock, [&] { options.on_error(error); });
    }
}

bool StdioWriter::State::write_all(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::write(fd, bytes.data() + done, bytes.size() - done);
        if (count > 0) {
            done += static_cast<std::size_t>(count);
            account(static_cast<std::size_t>(count));
            continue;
        }
        const int error = count == 0 ? EIO : errno;
        const bool again = error == EINTR || (error == EAGAIN && wait_writable());
        if (!again) {
            fail(error);
            return false;
        }
    }
    return true;
}

StdioWriter::StdioWriter(int fd, Options options) : state_(std::make_shared<State>()) {
    struct stat about {};
    state_->fd = fd;
    if (::fstat(fd, &about) == 0) {
        state_->kind = S_ISFIFO(about.st_mode)   ? State::Kind::kPipe
                       : S_ISSOCK(about.st_mode) ? State::Kind::kSocket
                                                 : State::Kind::kOther;
    }
    state_->options = std::move(options);
    state_->thread = std::thread([state = state_] { run(state); });
}

void StdioWriter::run(const std::shared_ptr<State>& state) {
    // EPIPE is enough; the signal would end the process.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    pthread_setname_np(pthread_self(), state->options.thread_name);
    std::string chunk;
    std::unique_lock<std::mutex> lock(state->mutex);
    while (!state->stopping && !state->failed) {
        if (state->queue.empty()) {
            state->idle.notify_all();
            state->waiting = true;
            state->work.wait(lock);
            state->waiting = false;
            continue;
        }
        chunk.clear();
        if (chunk.capacity() > kKeptCapacity) {
            chunk.shrink_to_fit();
        }
        chunk.swap(state->queue);
        lock.unlock();
        const bool written = state->write_all(chunk);
        lock.lock();
        if (!written) {
            break;
        }
    }
    state->ended = true;
    state->idle.notify_all();
}

StdioWriter::~StdioWriter() {
    bool ended = false;
    {
        std::unique_lock<std::mutex> lock(state_->mutex);
        state_->stopping = true;
        state_->work.notify_all();
        state_->idle.wait(lock, [&] { return !state_->calling; });
        ended = state_->idle.wait_for(lock, kStopGrace, [&] { return state_->ended; });
    }
    if (ended) {
        state_->thread.join();
    } else {
        state_->thread.detach();
    }
}

bool StdioWriter::enqueue(std::string_view line, LineKind kind) {
    State& state = *state_;
    const std::lock_guard<std::mutex> lock(state.mutex);
    const std::size_t after = state.queued + line.size() + 1;
    if (state.failed || state.stopping) {
        return false;
    }
    if (kind == LineKind::kNotification && (state.congested || after > state.options.high_water)) {
        ++state.dropped_notifications;
        // The next ones go the same way, however short, until on_drained: one gap, not many.
        if (state.queued >= state.options.low_water) {
            state.set_congested(true);
        }
        return false;
    }
    if (after > state.options.hard_limit) {
        ++state.dropped_answers;
        return false;
    }
    try {
        // First the room for both, so that no line can ever lack its newline.
        if (state.queue.capacity() - state.queue.size() <= line.size()) {
            state.queue.reserve(state.queue.size() + line.size() + 1);
        }
        state.queue.append(line);
        state.queue += '\n';
    } catch (const std::exception&) {
        ++state.dropped_answers;
        return false;
    }
    state.queued = after;
    if (after >= state.options.high_water) {
        state.set_congested(true);
    }
    if (after >= state.options.behind_water) {
        state.is_behind = true;
    }
    if (state.queue.size() >= state.options.held) {
        state.wake();
    }
    return true;
}

void StdioWriter::send_held() {
    State& state = *state_;
    const std::lock_guard<std::mutex> lock(state.mutex);
    // A thread that is awake takes the queue itself, behind what it is writing.
    if (!state.waiting || state.queue.empty()) {
        return;
    }
    const std::size_t written = state.write_some(state.queue);
    state.queue.erase(0, written);
    state.queued -= written;
    if (state.queue.empty()) {
        state.idle.notify_all();
    } else {
        state.wake();
    }
}

bool StdioWriter::congested() const noexcept {
    return state_->is_congested;
}

bool StdioWriter::is_behind() const noexcept {
    return state_->is_behind;
}

bool StdioWriter::failed() const noexcept {
    return state_->failed;
}

std::size_t StdioWriter::queued_bytes() const noexcept {
    return state_->queued;
}

std::size_t StdioWriter::dropped_notifications() const noexcept {
    return state_->dropped_notifications;
}

std::size_t StdioWriter::dropped_answers() const noexcept {
    return state_->dropped_answers;
}

bool StdioWriter::flush(std::chrono::steady_clock::time_point deadline) {
    State& state = *state_;
    std::unique_lock<std::mutex> lock(state.mutex);
    state.wake();
    state.idle.wait_until(lock, deadline,
                          [&] { return state.queued == 0 || state.failed || state.ended; });
    return state.queued == 0 && !state.failed;
}

}  // namespace steward::mcp
