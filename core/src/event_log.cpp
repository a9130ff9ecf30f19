#include "steward/core/event_log.hpp"

#include <algorithm>
#include <iterator>

namespace steward::core {

void EventLog::append(Event event) {
    {
        const std::lock_guard lock(mutex_);
        event.sequence = next_++;
        if (event.name == EventName::kMetrics) {
            const auto older =
                std::find_if(events_.rbegin(), events_.rend(), [&event](const Event& e) {
                    return e.name == EventName::kMetrics && e.service == event.service;
                });
            if (older != events_.rend()) {
                events_.erase(std::next(older).base());
            }
        }
        events_.push_back(event);
        if (events_.size() > capacity_) {
            events_.pop_front();
        }
    }
    for (const auto& subscriber : subscribers_) {
        subscriber(event);
    }
}

void EventLog::subscribe(std::function<void(const Event&)> subscriber) {
    subscribers_.push_back(std::move(subscriber));
}

std::vector<Event> EventLog::recent(std::size_t count) const {
    const std::lock_guard lock(mutex_);
    const auto n = std::min(count, events_.size());
    return {events_.end() - static_cast<std::ptrdiff_t>(n), events_.end()};
}

}  // namespace steward::core
