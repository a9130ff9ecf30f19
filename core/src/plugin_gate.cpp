#include "plugin_gate.hpp"

#include <utility>
#include <vector>

namespace steward::core {

void PluginGate::post(Scheduler& loop, Scheduler::Task task) {
    const std::lock_guard lock(mutex_);
    if (open_) {
        loop.post(std::move(task));
    }
}

void PluginGate::close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
}

void keep_for_ever(const void* object) noexcept {
    try {
        static std::mutex mutex;
        static auto& kept = *new std::vector<const void*>();
        const std::lock_guard lock(mutex);
        kept.push_back(object);
    } catch (...) {
        return;  // No memory: kept all the same, only not noted.
    }
}

}  // namespace steward::core
