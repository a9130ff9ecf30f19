// EventLog: the last events of a supervisor, the one history that logs, notifications and
// explanations are made from.
//
// append(), subscribe() and unsubscribe() belong to the loop's thread; recent() may be called on any
// thread.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "steward/core/event.hpp"

namespace steward::core {

class EventLog {
  public:
    using SubscriberId = std::uint64_t;

    explicit EventLog(std::size_t capacity = 1000) : capacity_(capacity) {}

    // Numbers the event, keeps it and tells the subscribers, in the order in which they came. Of the
    // samples of a service only the newest is kept: they come all the time, and would push out what
    // happened.
    void append(Event event);
    SubscriberId subscribe(std::function<void(const Event&)> subscriber);
    // It is not called any more. Unknown ones are ignored. Subscribers may do both while they are
    // told; who comes then hears of the next event.
    void unsubscribe(SubscriberId id);

    // The last `count` events, oldest first.
    std::vector<Event> recent(std::size_t count) const;

  private:
    struct Subscriber {
        SubscriberId id;
        std::function<void(const Event&)> tell;
        bool left = false;  // while subscribers are told; it may be the one that runs
    };

    void tell(const Event& event);

    const std::size_t capacity_;
    mutable std::mutex mutex_;  // never held across a subscriber or I/O
    std::deque<Event> events_;
    std::uint64_t next_ = 1;
    std::list<Subscriber> subscribers_;  // the loop's thread alone, as are the next two
    SubscriberId last_subscriber_ = 0;
    int telling_ = 0;
};

}  // namespace steward::core
