// What becomes of an app that is killed or stands still.
#include <csignal>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

pid_t pid_in(const Json& status) {
    return static_cast<pid_t>(number_at(status, "pid"));
}

// SIGKILL, and its end.
void kill_app(const Json& status) {
    const auto app = pidfd_of(pid_in(status));
    REQUIRE(::kill(pid_in(status), SIGKILL) == 0);
    REQUIRE(ends_within(app, Milliseconds(1000)));
}

}  // namespace

TEST_CASE(
    "after kill -9 the web app is healthy again on the same port, and status and log tell why") {
    Bed bed({}, /*app=*/{});
    const Json before = bed.wait_healthy();
    const auto port = static_cast<std::uint16_t>(number_at(before, "port"));

    kill_app(before);
    const auto killed = Clock::now();
    // The app is down now: this request waits for the new instance.
    const Answer answer = fetch(port, "/health");
    const auto waited = Clock::now() - killed;
    INFO(answer.trouble << answer.head << answer.body);
    REQUIRE(answer.status == 200);
    CHECK(waited < std::chrono::seconds(10));

    const Json after = bed.wait_healthy(2);
    CHECK(text_at(parse_json(answer.body), "instance") == text_at(after, "instance_id"));
    CHECK(text_at(after, "instance_id") != text_at(before, "instance_id"));
    CHECK(number_at(after, "port") == port);
    CHECK(number_at(after, "restarts") == 1);
    CHECK(number_at(after, "generation") == 2);
    CHECK(pid_in(after) != pid_in(before));
    CHECK(number_at(after, "last_exit.signal") == 9);
    CHECK_THAT(text_at(after, "last_exit.cause"), Catch::Contains("killed by signal 9 (SIGKILL)"));
    CHECK_THAT(text_at(after, "cause"), Catch::Contains("killed by signal 9 (SIGKILL)"));

    const Json exit = bed.wait_event("service.exit");
    CHECK_THAT(text_at(exit, "cause"), Catch::Contains("killed by signal 9 (SIGKILL)"));
    CHECK(number_at(exit, "signal") == 9);
    CHECK(number_at(exit, "generation") == 1);
    CHECK_THAT(text_at(bed.wait_event("service.restart_scheduled"), "cause"),
               Catch::Contains("SIGKILL"));
}

TEST_CASE(
    "a request that comes while the app is down is answered by the next instance, whichever it "
    "is") {
    Bed bed(quick_restarts());
    for (std::int64_t generation = 1; generation <= 5; ++generation) {
        const Json before = bed.wait_healthy(generation);
        const auto port = static_cast<std::uint16_t>(number_at(before, "port"));
        kill_app(before);
        const Answer answer = fetch(port, "/health", {}, Milliseconds(2000));
        INFO(answer.trouble);
        REQUIRE(answer.status == 200);
        const Json after = bed.wait_healthy(generation + 1);
        CHECK(text_at(parse_json(answer.body), "instance") == text_at(after, "instance_id"));
        CHECK(number_at(after, "port") == port);
        CHECK(number_at(after, "restarts") == generation);
    }
}

TEST_CASE(
    "a stopped app is unhealthy at once in the status, and after the thresholds it is replaced") {
    Bed bed(quick_restarts() + Arguments{"--health-interval", "300ms", "--health-timeout", "500ms",
                                         "--health-failures", "2", "--shutdown-timeout", "200ms"});
    const Json before = bed.wait_healthy();
    const pid_t app = pid_in(before);
    const auto end = pidfd_of(app);

    REQUIRE(::kill(app, SIGSTOP) == 0);
    REQUIRE(wait_until([app] { return state_of(app) == 'T'; }, Milliseconds(1000)));
    const auto stopped = Clock::now();
    const Json at_once = bed.status();
    CHECK_FALSE(at(at_once, "healthy").convert<bool>());
    CHECK(pid_in(at_once) == app);

    // Two failures, 300 ms and 500 ms apart at most, then SIGTERM, which it cannot obey, and
    // SIGKILL.
    const Json unhealthy = bed.wait_event("service.unhealthy", {}, Milliseconds(3000));
    CHECK_THAT(text_at(unhealthy, "cause"), Catch::Contains("2 failed health checks in a row"));
    CHECK(bed.numbers("probe.failed", "failures") == std::vector<std::int64_t>{1, 2});
    REQUIRE(ends_within(end, Milliseconds(1500)));
    const Json after = bed.wait_healthy(2, Milliseconds(2000));
    CHECK(Clock::now() - stopped < std::chrono::seconds(5));
    CHECK(number_at(after, "restarts") == 1);
    CHECK(number_at(after, "port") == number_at(before, "port"));
    // What led to it, not the signal that ended it.
    CHECK_THAT(text_at(after, "cause"),
               Catch::Contains("restarted after: 2 failed health checks in a row"));
}

TEST_CASE("an app that answers unhealthy is replaced only after that many failures in a row") {
    Bed bed(quick_restarts() + Arguments{"--health-interval", "50ms", "--health-failures", "4"});
    const Json before = bed.wait_healthy();
    const auto port = static_cast<std::uint16_t>(number_at(before, "port"));
    REQUIRE(fetch(port, "/unhealthy").status == 200);
    bed.wait_event("probe.failed",
                   [](const Json& event) { return number_at(event, "failures") == 2; });
    REQUIRE(fetch(port, "/healthy").status == 200);
    bed.wait_event("service.healthy", [](const Json& event) {
        return text_at(event, "cause").starts_with("healthy again");
    });
    CHECK(number_at(bed.status(), "restarts") == 0);
    CHECK(pid_in(bed.status()) == pid_in(before));

    REQUIRE(fetch(port, "/unhealthy").status == 200);
    const Json unhealthy = bed.wait_event("service.unhealthy");
    CHECK_THAT(text_at(unhealthy, "cause"), Catch::Contains("4 failed health checks in a row"));
    CHECK(number_at(bed.wait_healthy(2), "restarts") == 1);
}

}  // namespace steward::tests
