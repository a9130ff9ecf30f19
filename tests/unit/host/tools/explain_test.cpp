// Why a service is in its state, told from its status and its events.
#include "explain.hpp"

#include <Poco/JSON/Array.h>

#include "catch.hpp"

using namespace steward;
using namespace steward::host;
using core::Event;
using core::EventName;
using core::State;

namespace {

// 2026-11-22T10:22:33Z and so many milliseconds more.
core::WallTime at_ms(std::int64_t ms) {
    return core::WallTime(std::chrono::microseconds(1795342953'000'000 + ms * 1000));
}

Event event(EventName name, std::int64_t ms, const std::string& cause,
            const std::string& service = "promptbin") {
    Event out;
    out.name = name;
    out.service = service;
    out.generation = 3;
    out.cause = cause;
    out.wall = at_ms(ms);
    return out;
}

core::ServiceStatus status(State state, const std::string& cause) {
    core::ServiceStatus out;
    out.service = "promptbin";
    out.state = state;
    out.cause = cause;
    out.since = at_ms(0);
    return out;
}

std::string text_of(const core::ServiceStatus& status, std::int64_t now_ms = 1500) {
    return explanation(status, {}, at_ms(now_ms))->getValue<std::string>("text");
}

}  // namespace

TEST_CASE("an explanation tells state, cause, history and the next step", "[explain]") {
    auto backing_off = status(State::kBackingOff, "killed by signal 9 (SIGKILL); restart 2 of 5.");
    backing_off.next_restart_ms = 480;
    auto exit = event(EventName::kServiceExit, -20, "killed by signal 9 (SIGKILL)");
    exit.fields = {{"signal", std::int64_t{9}}, {"uptime_ms", std::int64_t{123}}};
    const auto out = explanation(
        backing_off, {event(EventName::kServiceHealthy, -100, "healthy"), exit}, at_ms(1500));
    CHECK(out->getValue<std::string>("state") == "backing_off");
    CHECK(out->getValue<std::string>("since") == "2026-11-22T10:22:33.000Z");
    CHECK(out->getObject("next")->getValue<std::string>("action") == "start");
    CHECK(out->getObject("next")->getValue<int>("in_ms") == 480);
    REQUIRE(out->getArray("transitions")->size() == 2);
    const auto last = out->getArray("transitions")->getObject(1);
    CHECK(last->getValue<std::string>("event") == "service.exit");
    CHECK(last->getValue<std::string>("ts") == "2026-11-22T10:22:32.980Z");
    CHECK(last->getObject("fields")->getValue<int>("signal") == 9);
    CHECK(out->getValue<std::string>("text") ==
          "promptbin has been backing_off for 1.5 s: killed by signal 9 (SIGKILL); restart 2 of 5. "
          "The next start comes in 480 ms; flask_restart does it at once.\n"
          "What happened last:\n"
          "2026-11-22T10:22:32.900Z service.healthy (instance 3): healthy\n"
          "2026-11-22T10:22:32.980Z service.exit (instance 3): killed by signal 9 (SIGKILL)");
}

TEST_CASE("an explanation has the last 20 events of its service, without samples", "[explain]") {
    std::vector<Event> events;
    for (int i = 0; i < 50; ++i) {
        events.push_back(event(EventName::kProbeFailed, i, "failure " + std::to_string(i)));
        events.push_back(event(EventName::kMetrics, i, "a sample"));
        events.push_back(event(EventName::kServiceExit, i, "not ours", "other"));
    }
    const auto out = explanation(status(State::kRunning, "healthy"), events, at_ms(60));
    const auto told = out->getArray("transitions");
    REQUIRE(told->size() == 20);
    CHECK(told->getObject(0)->getValue<std::string>("cause") == "failure 30");
    CHECK(told->getObject(19)->getValue<std::string>("cause") == "failure 49");
    CHECK(out->get("next").isEmpty());
}

TEST_CASE("each state has its outlook", "[explain]") {
    const std::vector<std::pair<State, std::string>> rows{
        {State::kStopped, "flask_start"},
        {State::kStarting, "first healthy answer"},
        {State::kRunning, "does not count as healthy"},
        {State::kUnhealthy, "taken down"},
        {State::kDeciding, "has been asked"},
        {State::kBackingOff, "next start comes in"},
        {State::kStopping, "being ended"},
        {State::kDegraded, "one try in"},
        {State::kMisconfigured, "mend"},
        {State::kUnkillable, "SIGKILL"},
    };
    for (const auto& [state, part] : rows) {
        INFO(core::to_string(state));
        CHECK_THAT(text_of(status(state, "a cause")), Catch::Contains(part));
    }
    auto running = status(State::kRunning, "a cause");
    running.healthy = true;
    CHECK_THAT(text_of(running), Catch::Contains("nothing needs to be done"));
    auto degraded = status(State::kDegraded, "a cause");
    degraded.next_restart_ms = 59'900;
    CHECK_THAT(text_of(degraded), Catch::Contains("one try in 59.9 s"));
    CHECK(explanation(degraded, {}, at_ms(0))->getObject("next")->getValue<std::string>("action") ==
          "try_once");
}

TEST_CASE("durations are told in the unit that fits, and never below nothing", "[explain]") {
    const auto stopped = status(State::kStopped, "a cause");
    CHECK_THAT(text_of(stopped, -5000), Catch::Contains("for 0 ms:"));
    CHECK_THAT(text_of(stopped, 999), Catch::Contains("for 999 ms:"));
    CHECK_THAT(text_of(stopped, 119'999), Catch::Contains("for 119.9 s:"));
    CHECK_THAT(text_of(stopped, 120'000), Catch::Contains("for 2 min:"));
    CHECK_THAT(text_of(stopped, 7'200'000), Catch::Contains("for 2 h:"));
}
