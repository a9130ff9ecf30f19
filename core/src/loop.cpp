// The one file that includes Boost.Asio.
#include "steward/core/loop.hpp"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/descriptor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace steward::core {
namespace {

constexpr Duration kGridFrom = std::chrono::seconds(1);
constexpr Duration kGrid = std::chrono::milliseconds(20);
// A plugin's "never" may be any number; beyond this the arithmetic of timers would overflow.
constexpr TimePoint kFarthest{std::chrono::hours(24 * 365 * 100)};

// One watched descriptor. Asio reports readiness once per wait, so each report asks again.
struct Watched : std::enable_shared_from_this<Watched> {
    using Descriptor = boost::asio::posix::stream_descriptor;

    Watched(boost::asio::io_context& context, int fd) : descriptor(context, fd) {}

    void wait_read() {
        descriptor.async_wait(Descriptor::wait_read, [self = shared_from_this()](
                                                         const boost::system::error_code& error) {
            if (self->active && error != boost::asio::error::operation_aborted) {
                self->ready(true, false);
                if (self->active) {
                    self->wait_read();
                }
            }
        });
    }
    void wait_write() {
        descriptor.async_wait(Descriptor::wait_write, [self = shared_from_this()](
                                                          const boost::system::error_code& error) {
            if (self->active && error != boost::asio::error::operation_aborted) {
                self->ready(false, true);
                if (self->active) {
                    self->wait_write();
                }
            }
        });
    }
    // Ends the watch; the descriptor itself stays open, it belongs to somebody else.
    void end() {
        active = false;
        boost::system::error_code ignored;
        descriptor.cancel(ignored);
        descriptor.release();
    }

    Descriptor descriptor;
    Scheduler::Ready ready;
    bool active = true;
};

}  // namespace

struct Loop::Impl {
    // Hint 1: only one thread runs it. post() from other threads stays safe.
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
        context.get_executor()};
    std::unordered_map<TimerId, std::unique_ptr<boost::asio::steady_timer>> timers;
    TimerId next_timer = 1;
    std::unordered_map<int, std::shared_ptr<Watched>> watched;
    std::atomic<std::thread::id> thread{};
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() {
    for (auto& [fd, entry] : impl_->watched) {
        entry->end();
    }
}

void Loop::run() {
    impl_->thread = std::this_thread::get_id();
    while (!impl_->context.stopped()) {
        try {
            impl_->context.run();
        } catch (...) {
            // The loop goes on: the supervisor never ends because of an error.
            continue;
        }
    }
    impl_->thread = std::thread::id{};
}

void Loop::stop() {
    impl_->context.stop();
}

bool Loop::on_loop() const {
    return impl_->thread.load() == std::this_thread::get_id();
}

TimePoint Loop::now() const {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return TimePoint(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

void Loop::post(Task task) {
    boost::asio::post(impl_->context, std::move(task));
}

TimerId Loop::arm(TimePoint at, Task task) {
    at = std::clamp(at, TimePoint{}, kFarthest);
    if (at - now() >= kGridFrom) {
        const auto since = at.time_since_epoch();
        at = TimePoint((since + kGrid - Duration(1)) / kGrid * kGrid);
    }
    const TimerId id = impl_->next_timer++;
    // Asio's steady clock is CLOCK_MONOTONIC too, so the epochs agree.
    auto timer = std::make_unique<boost::asio::steady_timer>(
        impl_->context, std::chrono::steady_clock::time_point(at.time_since_epoch()));
    timer->async_wait([this, id, task = std::move(task)](const boost::system::error_code& error) {
        if (error || impl_->timers.erase(id) == 0) {
            return;
        }
        task();
    });
    impl_->timers.emplace(id, std::move(timer));
    return id;
}

void Loop::disarm(TimerId timer) {
    impl_->timers.erase(timer);
}

bool Loop::watch(int fd, Interest interest, Ready ready) {
    unwatch(fd);
    struct stat info {};
    if (fstat(fd, &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) {
        return false;
    }
    std::shared_ptr<Watched> entry;
    try {
        entry = std::make_shared<Watched>(impl_->context, fd);
    } catch (const boost::system::system_error&) {
        return false;
    }
    entry->ready = std::move(ready);
    impl_->watched[fd] = entry;
    if (interest != Interest::kWrite) {
        entry->wait_read();
    }
    if (interest != Interest::kRead) {
        entry->wait_write();
    }
    return true;
}

void Loop::unwatch(int fd) {
    const auto it = impl_->watched.find(fd);
    if (it == impl_->watched.end()) {
        return;
    }
    const auto entry = it->second;
    impl_->watched.erase(it);
    entry->end();
}

}  // namespace steward::core
