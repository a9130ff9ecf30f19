#include "steward/core/simulation/virtual_scheduler.hpp"

#include <algorithm>
#include <stdexcept>

namespace steward::simulation {
namespace {

// More tasks than this without the time moving are a loop that never ends.
constexpr std::uint64_t kTaskLimit = 1'000'000;

}  // namespace

void VirtualScheduler::post(Task task) {
    posted_.push_back(std::move(task));
}

core::TimerId VirtualScheduler::arm(TimePoint at, Task task) {
    const core::TimerId id = ++last_id_;
    timers_.emplace(Key{at, id}, std::move(task));
    times_.emplace(id, at);
    return id;
}

void VirtualScheduler::disarm(core::TimerId timer) {
    if (const auto found = times_.find(timer); found != times_.end()) {
        timers_.erase(Key{found->second, timer});
        times_.erase(found);
    }
}

bool VirtualScheduler::watch(int fd, core::Interest, Ready ready) {
    watched_[fd] = std::move(ready);
    return true;
}

void VirtualScheduler::unwatch(int fd) {
    watched_.erase(fd);
}

bool VirtualScheduler::make_ready(int fd, bool readable, bool writable) {
    const auto found = watched_.find(fd);
    if (found == watched_.end()) {
        return false;
    }
    const Ready ready = found->second;  // A copy: it may unwatch itself.
    ready(readable, writable);
    return true;
}

std::optional<VirtualScheduler::TimePoint> VirtualScheduler::next_timer() const {
    if (timers_.empty()) {
        return std::nullopt;
    }
    return timers_.begin()->first.first;
}

void VirtualScheduler::check_progress() {
    if (++tasks_at_this_time_ > kTaskLimit) {
        throw std::runtime_error("virtual scheduler: a million tasks ran without the time moving");
    }
}

bool VirtualScheduler::run_one() {
    Task task;
    if (!posted_.empty()) {
        task = std::move(posted_.front());
        posted_.pop_front();
    } else if (!timers_.empty() && timers_.begin()->first.first <= now_) {
        const auto first = timers_.begin();
        times_.erase(first->first.second);
        task = std::move(first->second);
        timers_.erase(first);
    } else {
        return false;
    }
    check_progress();
    task();
    return true;
}

bool VirtualScheduler::step(TimePoint until) {
    if (run_one()) {
        return true;
    }
    const auto next = next_timer();
    if (!next || *next > until) {
        return false;
    }
    now_ = std::max(now_, *next);
    tasks_at_this_time_ = 0;
    return run_one();
}

void VirtualScheduler::run_ready() {
    tasks_at_this_time_ = 0;
    while (run_one()) {
    }
}

void VirtualScheduler::advance_to(TimePoint until) {
    run_ready();
    for (auto next = next_timer(); next && *next <= until; next = next_timer()) {
        now_ = std::max(now_, *next);
        run_ready();
    }
    now_ = std::max(now_, until);
}

bool VirtualScheduler::run_next() {
    run_ready();
    const auto next = next_timer();
    if (!next) {
        return false;
    }
    now_ = std::max(now_, *next);
    run_ready();
    return true;
}

bool VirtualScheduler::run_until_idle(Duration limit) {
    return run_until([this] { return posted_.empty() && timers_.empty(); }, limit);
}

bool VirtualScheduler::run_until(const std::function<bool()>& done, Duration limit) {
    const TimePoint end = now_ + limit;
    run_ready();
    while (!done()) {
        const auto next = next_timer();
        if (!next || *next > end) {
            now_ = std::max(now_, end);
            return done();
        }
        run_next();
    }
    return true;
}

}  // namespace steward::simulation
