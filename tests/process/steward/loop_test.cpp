// Apps that fail again and again: the delays, the end of the patience, what the port says then, and
// the tries after it.
#include <algorithm>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"

namespace steward::tests {
namespace {

using Numbers = std::vector<std::int64_t>;

// From each exit to the start that follows it, in milliseconds.
Numbers waits(const std::vector<Json>& events) {
    Numbers found;
    std::int64_t exit = -1;
    for (const auto& event : events) {
        if (text_at(event, "event") == "service.exit") {
            exit = milliseconds_of(event);
        } else if (text_at(event, "event") == "service.start" && exit >= 0) {
            found.push_back(milliseconds_of(event) - exit);
        }
    }
    return found;
}

// An app that works from the moment on at which the file exists.
Arguments works_when(const std::string& file) {
    return Arguments{"/bin/sh", "-c", "test -e \"$0\" || exit 3; exec \"$@\"", file} + test_app();
}

}  // namespace

TEST_CASE("the delays of an app that exits at once double up to the cap, and are kept") {
    Bed bed(settings({"restart_backoff.max_restarts=10", "restart_backoff.base_ms=20",
                      "restart_backoff.cap_ms=200", "restart_backoff.jitter_percent=0"}),
            test_app({"--exit-code", "3"}));
    const Json degraded = bed.wait_event("service.degraded");
    const Numbers expected{20, 40, 80, 160, 200, 200, 200, 200, 200, 200};
    CHECK(bed.numbers("service.restart_scheduled", "delay_ms") == expected);
    CHECK_THAT(text_at(degraded, "cause"),
               Catch::Contains("exit code 3") && Catch::Contains("10 restarts"));

    const Numbers kept = waits(bed.sandbox().events());
    REQUIRE(kept.size() == expected.size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
        INFO("restart " << i + 1);
        CHECK(kept[i] >= expected[i] - 1);  // The log's times are whole milliseconds.
        CHECK(kept[i] <= expected[i] + 150);
    }
    const Json status = bed.status();
    CHECK(text_at(status, "state") == "degraded");
    CHECK(number_at(status, "restarts") == 10);
    CHECK(number_at(status, "last_exit.code") == 3);
}

TEST_CASE(
    "with no option given there are five restarts, 250 ms times 2^n give or take a fifth, then "
    "degraded") {
    Bed bed({}, test_app({"--exit-code", "3"}));
    bed.wait_event("service.degraded", {}, Milliseconds(15'000));
    const Numbers delays = bed.numbers("service.restart_scheduled", "delay_ms");
    REQUIRE(delays.size() == 5);
    std::int64_t full = 250;
    for (const auto delay : delays) {
        CHECK(delay >= full * 8 / 10);
        CHECK(delay <= full * 12 / 10);
        full *= 2;
    }
    CHECK(number_at(bed.status(), "restarts") == 5);
    const std::int64_t next = number_at(bed.status(), "next_restart_ms");
    CHECK(next > 55'000);
    CHECK(next <= 60'000);
}

TEST_CASE(
    "degraded, the port answers 503, when to come again, and the cause, in the form that was asked "
    "for") {
    Bed bed(settings({"restart_backoff.base_ms=5", "restart_backoff.jitter_percent=0"}),
            test_app({"--exit-code", "3", "--stderr-line", "no <database>"}));
    const Json status =
        bed.wait_status([](const Json& now) { return text_at(now, "state") == "degraded"; });
    CHECK(bed.numbers("service.restart_scheduled", "delay_ms") == Numbers{5, 10, 20, 40, 80});
    CHECK(number_at(status, "restarts") == 5);
    const auto port = static_cast<std::uint16_t>(number_at(status, "port"));

    struct Case {
        const char* path;
        const char* accept;
        bool json;
    };
    const auto asked =
        GENERATE(Case{"/health", "", true}, Case{"/health", "Accept: text/html\r\n", true},
                 Case{"/", "Accept: application/json\r\n", true}, Case{"/", "", false},
                 Case{"/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", false});
    INFO(asked.path << " " << asked.accept);
    const Answer answer = fetch(port, asked.path, asked.accept, Milliseconds(1000));
    REQUIRE(answer.status == 503);
    const int retry_after = std::stoi(answer.header("Retry-After"));
    CHECK(retry_after >= 55);
    CHECK(retry_after <= 60);
    if (asked.json) {
        CHECK_THAT(answer.header("Content-Type"), Catch::StartsWith("application/json"));
        const Json body = parse_json(answer.body);
        CHECK(text_at(body, "state") == "degraded");
        CHECK(text_at(body, "cause") == text_at(status, "cause"));
        CHECK_THAT(text_at(body, "cause"),
                   Catch::Contains("exit code 3: no <database>") && Catch::Contains("5 restarts"));
    } else {
        CHECK_THAT(answer.header("Content-Type"), Catch::StartsWith("text/html"));
        CHECK_THAT(answer.body, Catch::Contains("exit code 3: no &lt;database&gt;") &&
                                    Catch::Contains("degraded"));
    }
}

TEST_CASE(
    "during a delay of more than two seconds the port says so, and from then on requests wait for "
    "the app") {
    Sandbox files;
    const std::string file = files.file("works");
    Bed bed(settings({"restart_backoff.base_ms=3000", "restart_backoff.jitter_percent=0"}),
            works_when(file));
    const Json status =
        bed.wait_status([](const Json& now) { return text_at(now, "state") == "backing_off"; });
    const auto port = static_cast<std::uint16_t>(number_at(status, "port"));
    const std::int64_t next = number_at(status, "next_restart_ms");
    REQUIRE(next > 2000);
    REQUIRE(next <= 3000);
    const Answer refused = fetch(port, "/health", {}, Milliseconds(900));
    REQUIRE(refused.status == 503);
    CHECK(std::stoi(refused.header("Retry-After")) <= 3);

    files.write("works", "");
    REQUIRE_NOTHROW(
        bed.wait_status([](const Json& now) { return number_at(now, "next_restart_ms") < 1900; },
                        Milliseconds(2000)));
    const Answer waited = fetch(port, "/health", {}, Milliseconds(3000));
    REQUIRE(waited.status == 200);
    CHECK(number_at(bed.wait_healthy(2), "restarts") == 1);
}

TEST_CASE(
    "an app that gets healthy and crashes again and again is given up, if it is never healthy for "
    "long") {
    Bed bed(settings({"restart_backoff.base_ms=5", "restart_backoff.jitter_percent=0",
                      "restart_backoff.stable_ms=60000"}),
            test_app({"--crash-after-ms", "100"}));
    const Json degraded = bed.wait_event("service.degraded");
    CHECK(bed.events("service.healthy").size() == 6);
    CHECK(bed.numbers("service.restart_scheduled", "delay_ms") == Numbers{5, 10, 20, 40, 80});
    CHECK_THAT(text_at(degraded, "cause"),
               Catch::Contains("SIGABRT") && Catch::Contains("60 s of health"));
}

TEST_CASE(
    "an app that was healthy for long enough before each crash is restarted every time, with the "
    "first delay") {
    Bed bed(settings({"restart_backoff.base_ms=5", "restart_backoff.jitter_percent=0",
                      "restart_backoff.stable_ms=50"}),
            test_app({"--crash-after-ms", "400"}));
    REQUIRE(wait_until([&] { return bed.events("service.restart_scheduled").size() >= 8; }));
    CHECK(bed.events("service.degraded").empty());
    const Numbers delays = bed.numbers("service.restart_scheduled", "delay_ms");
    CHECK(std::all_of(delays.begin(), delays.end(), [](std::int64_t delay) { return delay == 5; }));
}

TEST_CASE(
    "degraded, one start is tried after --degraded-retry, then after twice that, outside the count "
    "of restarts") {
    Sandbox files;
    const std::string file = files.file("works");
    Bed bed(settings({"restart_backoff.max_restarts=0"}) + Arguments{"--degraded-retry", "150ms"},
            works_when(file));
    bed.wait_event("service.degraded",
                   [](const Json& event) { return number_at(event, "next_restart_ms") == 1200; });
    CHECK(bed.numbers("service.degraded", "next_restart_ms") == Numbers{150, 300, 600, 1200});
    const Numbers kept = waits(bed.sandbox().events());
    REQUIRE(kept.size() == 3);
    std::int64_t expected = 150;
    for (const auto wait : kept) {
        CHECK(wait >= expected - 1);  // How much later is the scheduler's business.
        expected *= 2;
    }
    for (const auto& start : bed.events("service.start")) {
        CHECK(text_at(start, "origin") ==
              (number_at(start, "generation") == 1 ? "client" : "half_open"));
    }

    files.write("works", "");
    const Json healthy = bed.wait_healthy(5, Milliseconds(2500));
    CHECK(number_at(healthy, "restarts") == 0);
    CHECK(number_at(healthy, "generation") == 5);
    CHECK(fetch(static_cast<std::uint16_t>(number_at(healthy, "port")), "/health").status == 200);
}

}  // namespace steward::tests
