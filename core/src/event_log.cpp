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
    tell(event);
}

void EventLog::tell(const Event& event) {
    struct Telling {
        EventLog& log;
        explicit Telling(EventLog& l) : log(l) { ++log.telling_; }
        ~Telling() {
            if (--log.telling_ == 0) {
                log.subscribers_.remove_if([](const Subscriber& s) { return s.left; });
            }
        }
        Telling(const Telling&) = delete;
        Telling& operator=(const Telling&) = delete;
    };
    const Telling telling(*this);
    const SubscriberId newest = last_subscriber_;
    for (const auto& subscriber : subscribers_) {
        if (!subscriber.left && subscriber.id <= newest) {
            subscriber.tell(event);
        }
    }
}

EventLog::SubscriberId EventLog::subscribe(std::function<void(const Event&)> subscriber) {
    subscribers_.push_back({++last_subscriber_, std::move(subscriber)});
    return last_subscriber_;
}

void EventLog::unsubscribe(SubscriberId id) {
    const auto found = std::find_if(subscribers_.begin(), subscribers_.end(),
                                    [id](const Subscriber& s) { return s.id == id; });
    if (found == subscribers_.end()) {
        return;
    }
    if (telling_ > 0) {
        found->left = true;
    } else {
        subscribers_.erase(found);
    }
}

std::vector<Event> EventLog::recent(std::size_t count) const {
    const std::lock_guard lock(mutex_);
    const auto n = std::min(count, events_.size());
    return {events_.end() - static_cast<std::ptrdiff_t>(n), events_.end()};
}

}  // namespace steward::core
