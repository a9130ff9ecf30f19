// The loop as the core sees it: time, timers, descriptors, and the way in from other threads.
//
// Loop (loop.hpp) is the real one; tests and the simulation have a virtual one
// (simulation/virtual_scheduler.hpp). Everything but post() belongs to the thread that runs the
// loop.
#pragma once
#include <cstdint>
#include <functional>

#include "steward/core/time.hpp"

namespace steward::core {

using TimerId = std::uint64_t;  // 0 is never used

enum class Interest { kRead, kWrite, kReadWrite };

class Scheduler {
  public:
    using Task = std::function<void()>;

    virtual ~Scheduler() = default;

    virtual TimePoint now() const = 0;

    // Runs the task on the loop's thread, after what was posted before; never from inside post().
    // Any thread.
    virtual void post(Task task) = 0;

    // Runs the task once at `at` or soon after. Timers a second and more away are rounded up to a
    // common 20 ms grid, so that many of them share a wake-up.
    virtual TimerId arm(TimePoint at, Task task) = 0;
    // The task is not run any more. An id that has fired, or 0, is ignored.
    virtual void disarm(TimerId timer) = 0;

    // Calls ready(readable, writable) each time the descriptor is ready (an error or hang-up counts
    // as readable), until unwatch(). Watching again replaces interest and callback. False: this
    // kind of descriptor cannot be watched (a file).
    using Ready = std::function<void(bool readable, bool writable)>;
    virtual bool watch(int fd, Interest interest, Ready ready) = 0;
    // Must come before the descriptor is closed. A descriptor that is not watched is ignored.
    virtual void unwatch(int fd) = 0;
};

}  // namespace steward::core
