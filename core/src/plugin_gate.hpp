// PluginGate: the way from the plugins' threads into the loop, closed before the loop ends.
//
// A plugin that hangs cannot be waited for: its thread is abandoned, and when the plugin comes back
// after all, the loop and everything on it may be gone.
#pragma once
#include <mutex>

#include "steward/core/scheduler.hpp"

namespace steward::core {

class PluginGate {
  public:
    // Runs the task on the loop's thread; drops it once the gate is closed. Any thread.
    void post(Scheduler& loop, Scheduler::Task task);
    // No loop is touched any more when it returns. Any thread.
    void close();

  private:
    std::mutex mutex_;
    bool open_ = true;  // guarded by mutex_
};

// Notes an object that is never freed, because nothing proves that no plugin uses it any more: a
// leak checker finds it here. Any thread.
void keep_for_ever(const void* object) noexcept;

}  // namespace steward::core
