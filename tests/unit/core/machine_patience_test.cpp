// The state machine: how long an app may fail its checks, by what it does meanwhile, and the stack
// dump before it is taken down.
#include "machine_driver.hpp"

namespace steward::tests {
namespace {

using namespace std::chrono_literals;
using namespace core;

Evidence evidence(Condition condition) {
    return {condition, std::string(to_string(condition)) + ": as it was seen"};
}

// The next probe fails 2 s after its time, as one without an answer does.
void fail(MachineDriver& driver, Condition condition) {
    if (!driver.s().probing) {
        driver.advance(driver.until(TimerName::kProbe));
    }
    driver.stall(2s).feed(ProbeResult{driver.s().epoch, Verdict::kUnhealthy,
                                      "GET /health: no answer within 2 s", evidence(condition)});
}

MachineConfig dumping_config() {
    MachineConfig config;
    config.stack_dump = true;
    return config;
}

}  // namespace

TEST_CASE("a busy app is left alone until its limit, then taken down with that cause",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_running();
    fail(driver, Condition::kBusy);
    const auto first = driver.now();
    for (int i = 2; driver.state() == State::kRunning; ++i) {
        REQUIRE(driver.now() - first < 60s);
        CHECK_FALSE(driver.s().healthy);
        CHECK(driver.s().failures == i - 1);
        if (i == 5) {
            CHECK(driver.cause() ==
                  "GET /health: no answer within 2 s (failure 4, tolerated for at most 1 min); "
                  "busy: as it was seen");
        }
        fail(driver, Condition::kBusy);
    }
    // Checks begin every 5 s.
    CHECK(driver.now() - first >= 60s);
    CHECK(driver.now() - first <= 65s);
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.cause() ==
          "13 failed health checks in a row in 1 min, the last: GET /health: no answer within 2 "
          "s; busy: as it was seen; tolerated for at most 1 min");
    CHECK(driver.count<Terminate>() == 1);
    const auto unhealthy = driver.events(EventName::kServiceUnhealthy);
    REQUIRE(unhealthy.size() == 1);
    CHECK(unhealthy[0].fields ==
          Fields{{"condition", std::string("busy")}, {"failures", std::int64_t{13}}});
}

TEST_CASE("a busy app that answers again is healthy, and its limit begins anew",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_running();
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 8; ++i) {
            fail(driver, Condition::kBusy);
        }
        driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
        CHECK(driver.s().healthy);
    }
    CHECK(driver.state() == State::kRunning);
}

TEST_CASE("a traced app is left alone like a busy one, a stopped or dead one is not",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_running();
    const auto condition = GENERATE(Condition::kTraced, Condition::kStopped, Condition::kDead,
                                    Condition::kUnknown, Condition::kHung, Condition::kNotAsked);
    fail(driver, condition);
    fail(driver, condition);
    CHECK(driver.state() == State::kRunning);
    fail(driver, condition);
    if (condition == Condition::kTraced) {
        CHECK(driver.state() == State::kRunning);
    } else {
        CHECK(driver.state() == State::kUnhealthy);
        CHECK(driver.cause() ==
              "3 failed health checks in a row, the last: GET /health: no answer within 2 s; " +
                  evidence(condition).text);
    }
}

TEST_CASE("an app that hangs after it was busy has its failures counted from then on",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_running();
    for (int i = 0; i < 5; ++i) {
        fail(driver, Condition::kBusy);
    }
    fail(driver, Condition::kHung);
    fail(driver, Condition::kHung);
    CHECK(driver.state() == State::kRunning);
    fail(driver, Condition::kHung);
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.cause() ==
          "8 failed health checks in a row in 35 s, the last: GET /health: no answer within 2 s; "
          "hung: as it was seen");
}

TEST_CASE("being busy now and then does not make the limit longer", "[machine][health]") {
    MachineDriver driver;
    driver.to_running();
    fail(driver, Condition::kBusy);
    const auto first = driver.now();
    while (driver.state() == State::kRunning) {
        REQUIRE(driver.now() - first < 60s);
        fail(driver, driver.s().failures % 3 == 0 ? Condition::kBusy : Condition::kHung);
    }
    CHECK(driver.now() - first <= 65s);
}

TEST_CASE("with --busy-limit 0 a busy app is treated as any other", "[machine][health]") {
    MachineConfig config;
    config.busy_limit = 0s;
    MachineDriver driver(config);
    driver.to_running();
    for (int i = 0; i < 3; ++i) {
        CHECK(driver.state() == State::kRunning);
        fail(driver, Condition::kBusy);
    }
    CHECK(driver.state() == State::kUnhealthy);
}

TEST_CASE("the end of the start-up time is the limit of a busy app too, and says so",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_starting();
    driver.stall(30s).feed(ProbeResult{driver.s().epoch, Verdict::kUnhealthy,
                                       "GET /health: no answer within 30 s",
                                       evidence(Condition::kBusy)});
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.cause() ==
          "not healthy within 30 s: GET /health: no answer within 30 s; busy: as it was seen");
}

TEST_CASE("with --health-successes 3 the third HEALTHY in a row counts", "[machine][health]") {
    MachineConfig config;
    config.health_successes = 3;
    MachineDriver driver(config);
    driver.to_starting();
    for (int i = 0; i < 2; ++i) {
        driver.probe(Verdict::kHealthy);
        CHECK(driver.state() == State::kStarting);
        CHECK(driver.until(TimerName::kProbe) == 500ms);
        driver.advance(500ms);
    }
    SECTION("at the start") {
        driver.probe(Verdict::kHealthy);
        CHECK(driver.state() == State::kRunning);
        CHECK(driver.s().healthy);
        driver.fail_probes(1);
        for (int i = 0; i < 2; ++i) {
            driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
            CHECK_FALSE(driver.s().healthy);
            CHECK(driver.s().failures == 0);
            CHECK(driver.cause() ==
                  "HEALTHY " + std::to_string(i + 1) + " of 3 in a row: GET /health: 200");
        }
        driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
        CHECK(driver.s().healthy);
        CHECK(driver.events(EventName::kServiceHealthy).size() == 1);
        // UNKNOWN is neither for nor against it.
        driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kUnknown);
        CHECK_FALSE(driver.s().healthy);
        driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
        CHECK(driver.s().healthy);
    }
    SECTION("not when one between fails") {
        driver.probe(Verdict::kUnhealthy, "GET /health: 500");
        driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
        CHECK(driver.state() == State::kStarting);
    }
    SECTION("and too few of them by the end of the start-up time are not enough") {
        driver.advance(driver.s().startup_by - driver.now() + 250ms);
        CHECK(driver.state() == State::kUnhealthy);
        CHECK(driver.cause() == "not healthy within 30 s: GET /health: 200, HEALTHY 2 of 3");
    }
}

TEST_CASE("a hung or busy app is asked for a stack dump before SIGTERM", "[machine][health]") {
    auto config = dumping_config();
    config.health_failures = 1;
    config.busy_limit = 0s;
    MachineDriver driver(config);
    driver.to_running();
    fail(driver, GENERATE(Condition::kHung, Condition::kBusy, Condition::kUnknown));
    REQUIRE(driver.state() == State::kUnhealthy);
    REQUIRE(driver.s().dumping);
    CHECK(driver.count<Terminate>() == 0);
    CHECK(driver.last<DumpStack>().generation == 1);
    const auto cause = driver.cause();

    SECTION("which comes") {
        driver.feed(DumpEnded{1, true});
        CHECK(driver.count<Terminate>() == 1);
        CHECK(driver.until(TimerName::kShutdown) == 10s);
        CHECK(driver.cause() == cause + "; stack dump in the app's log");
        driver.signal(15).empty();
        CHECK(driver.cause() == cause + "; stack dump in the app's log");
        driver.decide(DecisionAction::kRestart);
        CHECK_THAT(driver.events(EventName::kServiceRestartScheduled).at(0).cause,
                   Catch::Contains("; stack dump in the app's log; "));
    }
    SECTION("which does not come") {
        driver.feed(DumpEnded{1, false});
        CHECK(driver.count<Terminate>() == 1);
        CHECK(driver.cause() == cause + "; it wrote no stack dump");
    }
    SECTION("which nobody speaks of again: 250 ms at most") {
        driver.advance(249ms);
        CHECK(driver.count<Terminate>() == 0);
        driver.advance(1ms);
        CHECK(driver.count<Terminate>() == 1);
        CHECK(driver.until(TimerName::kShutdown) == 10s);
        driver.feed(DumpEnded{1, true});
        CHECK(driver.actions().empty());
    }
    SECTION("the end of the session does not wait for it") {
        driver.end();
        CHECK(driver.count<Terminate>() == 1);
        CHECK(driver.until(TimerName::kShutdown) == 800ms);
        driver.feed(DumpEnded{1, true});
        CHECK(driver.actions().empty());
    }
    SECTION("nor does a second signal") {
        driver.end(/*at_once=*/true);
        CHECK(driver.count<Kill>() == 1);
    }
    SECTION("a stop keeps its own cause") {
        driver.stop();
        driver.feed(DumpEnded{1, true});
        CHECK(driver.count<Terminate>() == 1);
        CHECK(driver.cause() == "stopped by flask_stop");
    }
    SECTION("an app that ends by the signal has ended") {
        driver.signal(10);
        CHECK(driver.count<Kill>() == 1);
        CHECK(driver.count<Terminate>() == 0);
    }
    SECTION("an answer for another instance is none") {
        driver.feed(DumpEnded{7, true});
        CHECK(driver.s().dumping);
    }
}

TEST_CASE("an app that stands still, is traced, or answers is not asked for a stack dump",
          "[machine][health]") {
    auto config = dumping_config();
    config.health_failures = 1;
    config.busy_limit = 0s;
    MachineDriver driver(config);
    driver.to_running();
    fail(driver,
         GENERATE(Condition::kStopped, Condition::kTraced, Condition::kDead, Condition::kNotAsked));
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.count<DumpStack>() == 0);
    CHECK(driver.count<Terminate>() == 1);
}

TEST_CASE("an app that has never been healthy is not asked: it may not know the signal yet",
          "[machine][health]") {
    MachineDriver driver(dumping_config());
    driver.to_starting();
    driver.stall(30s).feed(ProbeResult{driver.s().epoch, Verdict::kUnhealthy, "GET /health: late",
                                       evidence(Condition::kHung)});
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.count<DumpStack>() == 0);
    CHECK(driver.count<Terminate>() == 1);
}

TEST_CASE("the evidence is that of the last probe, and none when that was answered",
          "[machine][health]") {
    auto config = MachineConfig{};
    config.health_successes = 3;
    MachineDriver driver(config);
    driver.to_starting();
    driver.feed(ProbeResult{driver.s().epoch, Verdict::kUnhealthy, "GET /health: late",
                            evidence(Condition::kHung)});
    driver.advance(25ms);
    driver.stall(30s).feed(
        ProbeResult{driver.s().epoch, Verdict::kHealthy, "GET /health: 200", {}});
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.cause() == "not healthy within 30 s: GET /health: 200, HEALTHY 1 of 3");
}

TEST_CASE("a policy that begins with the failure does not say it twice", "[machine][health]") {
    MachineDriver driver;
    driver.to_unhealthy();
    driver.signal(15).empty();
    driver.feed(Decided{driver.s().epoch, DecisionAction::kRestart, 250ms,
                        "3 failed health checks in a row: restart 1 of 5 in 250 ms"});
    CHECK(driver.cause() ==
          "3 failed health checks in a row, the last: GET /health: no answer within 2 s; restart "
          "1 of 5 in 250 ms");
    SECTION("nor of an exit, and 3 is not 35") {
        driver.advance(250ms).spawned(101).code(35).empty();
        driver.feed(Decided{driver.s().epoch, DecisionAction::kRestart, 250ms,
                            "exit code 3: restart 2 of 5"});
        CHECK(driver.cause() == "exit code 35; exit code 3: restart 2 of 5");
    }
}

}  // namespace steward::tests
