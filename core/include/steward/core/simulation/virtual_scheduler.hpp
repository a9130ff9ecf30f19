// VirtualScheduler: the Scheduler on a clock that stands still until the test moves it.
//
// Deterministic: tasks run in the order in which they were posted, then timers by their time and,
// at the same time, in the order in which they were armed. Nothing runs inside post(), arm() or
// watch(). One thread: the test's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "steward/core/scheduler.hpp"

namespace steward::simulation {

class VirtualScheduler final : public core::Scheduler {
  public:
    using Duration = core::Duration;
    using TimePoint = core::TimePoint;
    using Task = core::Scheduler::Task;

    VirtualScheduler() = default;

    TimePoint now() const override { return now_; }
    void post(Task task) override;
    core::TimerId arm(TimePoint at, Task task) override;
    void disarm(core::TimerId timer) override;
    bool watch(int fd, core::Interest interest, Ready ready) override;
    void unwatch(int fd) override;

    // Runs everything that is due at the present moment: posted tasks and timers.
    void run_ready();
    // Lets the time pass; each timer runs at its own time.
    void advance(Duration by) { advance_to(now_ + by); }
    void advance_to(TimePoint until);
    // Runs one task and nothing else: a posted one, or the next timer at its own time. False: there
    // is none before `until`, and nothing has changed.
    bool step(TimePoint until);
    // Moves to the next timer and runs what is due then. False: there is none, nothing has changed.
    bool run_next();
    // Lets the time pass until nothing is posted and no timer is armed. False: there still was
    // something after `limit`.
    bool run_until_idle(Duration limit);
    // Lets the time pass, timer by timer, until done() says so. False: it did not within `limit`.
    bool run_until(const std::function<bool()>& done, Duration limit);
    // The thread of the loop does not run for this long: time passes, and what was due meanwhile is
    // late.
    void stall(Duration by) { now_ += by; }

    // A watched descriptor has become ready. False: it is not watched.
    bool make_ready(int fd, bool readable, bool writable);
    bool watches(int fd) const { return watched_.count(fd) != 0; }

    std::size_t armed() const { return timers_.size(); }
    std::optional<TimePoint> next_timer() const;

  private:
    using Key = std::pair<TimePoint, core::TimerId>;

    bool run_one();
    void check_progress();

    // Not zero, so that an unset TimePoint never looks like the present.
    TimePoint now_ = TimePoint{} + std::chrono::seconds(1000);
    core::TimerId last_id_ = 0;
    std::deque<Task> posted_;
    std::map<Key, Task> timers_;
    std::map<core::TimerId, TimePoint> times_;
    std::map<int, Ready> watched_;
    std::uint64_t tasks_at_this_time_ = 0;
};

}  // namespace steward::simulation
