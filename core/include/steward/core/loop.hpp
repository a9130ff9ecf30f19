// Loop: the Scheduler on Boost.Asio. One thread runs it; the supervisor's loop and each plugin's
// thread have one each.
#pragma once
#include <memory>

#include "steward/core/scheduler.hpp"

namespace steward::core {

class Loop final : public Scheduler {
  public:
    Loop();
    ~Loop() override;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Runs until stop(); the calling thread is the loop's thread from now on. A task that throws
    // ends neither the loop nor the program: the exception is dropped (std::bad_alloc is the only
    // one that tasks are expected to let through).
    void run();
    // Ends run() after the current task. Any thread.
    void stop();
    // Is this the thread that is in run()? Any thread.
    bool on_loop() const;

    TimePoint now() const override;
    void post(Task task) override;
    TimerId arm(TimePoint at, Task task) override;
    void disarm(TimerId timer) override;
    bool watch(int fd, Interest interest, Ready ready) override;
    void unwatch(int fd) override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace steward::core
