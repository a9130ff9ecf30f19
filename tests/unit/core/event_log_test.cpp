// EventLog: what it keeps, and what it tells to whom.
#include "steward/core/event_log.hpp"

#include <string>
#include <vector>

#include "catch.hpp"

using steward::core::Event;
using steward::core::EventLog;
using steward::core::EventName;

namespace {

Event event(EventName name, std::string service = "app") {
    Event out;
    out.name = name;
    out.service = std::move(service);
    return out;
}

std::vector<std::uint64_t> numbers(const std::vector<Event>& events) {
    std::vector<std::uint64_t> out;
    for (const auto& e : events) {
        out.push_back(e.sequence);
    }
    return out;
}

}  // namespace

TEST_CASE("events are numbered from 1, and the last ones are kept, oldest first") {
    EventLog log(3);
    for (int i = 0; i < 5; ++i) {
        log.append(event(EventName::kServiceStart));
    }
    CHECK(numbers(log.recent(100)) == std::vector<std::uint64_t>{3, 4, 5});
    CHECK(numbers(log.recent(2)) == std::vector<std::uint64_t>{4, 5});
    CHECK(log.recent(0).empty());
}

TEST_CASE("subscribers hear every event with its number, in the order in which they came") {
    EventLog log(1);
    std::vector<std::string> heard;
    log.subscribe([&](const Event& e) { heard.push_back("first " + std::to_string(e.sequence)); });
    log.subscribe([&](const Event& e) { heard.push_back("second " + std::to_string(e.sequence)); });
    log.append(event(EventName::kMetrics));
    log.append(event(EventName::kMetrics));
    CHECK(heard == std::vector<std::string>{"first 1", "second 1", "first 2", "second 2"});
}

TEST_CASE("samples do not push out what happened: the newest of each service is kept") {
    EventLog log(4);
    log.append(event(EventName::kServiceStart));
    for (int i = 0; i < 1000; ++i) {
        log.append(event(EventName::kMetrics, "app"));
        log.append(event(EventName::kMetrics, "other"));
    }
    log.append(event(EventName::kServiceExit));
    CHECK(numbers(log.recent(100)) == std::vector<std::uint64_t>{1, 2000, 2001, 2002});
}

TEST_CASE("a subscriber that has left is not told any more") {
    EventLog log;
    int first = 0;
    int second = 0;
    const auto id = log.subscribe([&](const Event&) { ++first; });
    log.subscribe([&](const Event&) { ++second; });
    log.append(event(EventName::kServiceStart));
    log.unsubscribe(id);
    log.unsubscribe(id);
    log.append(event(EventName::kServiceStart));
    CHECK(first == 1);
    CHECK(second == 2);
}

TEST_CASE("subscribers come and go while they are told") {
    EventLog log;
    int own = 0;
    int late = 0;
    std::uint64_t other = 0;
    std::uint64_t self = 0;
    self = log.subscribe([&](const Event&) {
        ++own;
        log.subscribe([&](const Event&) { ++late; });
        log.unsubscribe(other);
        log.unsubscribe(self);
    });
    other = log.subscribe([&](const Event&) { FAIL("it has left"); });
    log.append(event(EventName::kServiceStart));
    CHECK(own == 1);
    CHECK(late == 0);  // it hears of the next one
    log.append(event(EventName::kServiceStart));
    CHECK(own == 1);
    CHECK(late == 1);
}
