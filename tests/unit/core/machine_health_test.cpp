// Health checks of a running app.
#include "machine_driver.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

TEST_CASE("a running app is probed at the interval, counted from the start of the probe before",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_running().advance(5s);
    const auto probe = driver.last<StartProbe>();
    CHECK(probe.deadline == driver.now() + 2s);
    driver.advance(1500ms).probe(Verdict::kHealthy);
    CHECK(driver.until(TimerName::kProbe) == 3500ms);
}

TEST_CASE("a probe that took longer than the interval is followed by the next at once",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_running().advance(5s);
    driver.stall(7s).probe(Verdict::kHealthy);
    CHECK(driver.armed(TimerName::kProbe) == driver.now());
}

TEST_CASE("three failures in a row make it unhealthy", "[machine][health]") {
    MachineDriver driver;
    driver.to_running().fail_probes(2);
    CHECK(driver.state() == State::kRunning);
    CHECK_FALSE(driver.s().healthy);
    CHECK(driver.cause() == "GET /health: no answer within 2 s (failure 2 of 3)");
    CHECK(driver.events(EventName::kProbeFailed).size() == 1);
    driver.fail_probes(1);
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.count<Terminate>() == 1);
    CHECK(driver.until(TimerName::kShutdown) == 10s);
    CHECK(driver.cause() ==
          "3 failed health checks in a row, the last: GET /health: no answer within 2 s");
    CHECK(driver.events(EventName::kServiceUnhealthy).size() == 1);
    CHECK(driver.s().history.back().kind == STEWARD_EV_HEALTH);
    CHECK(driver.s().history.back().code == 3);
    driver.signal(15);
    CHECK(driver.count<Kill>() == 1);
    driver.empty();
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<AskRestart>() == 1);
    CHECK(driver.s().history.size() ==
          1);  // The exit that we made ourselves is no failure of its own.
}

TEST_CASE("a healthy answer forgives the failures before it", "[machine][health]") {
    MachineDriver driver;
    driver.to_running().fail_probes(2);
    driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
    CHECK(driver.s().healthy);
    CHECK(driver.events(EventName::kServiceHealthy).size() == 1);
    driver.fail_probes(2);
    CHECK(driver.state() == State::kRunning);
}

TEST_CASE("an app that was never HEALTHY has been healthy for no time", "[machine][health]") {
    MachineDriver driver;
    driver.to_starting().advance(31s);
    REQUIRE(driver.state() == State::kRunning);
    for (int i = 0; i < 50; ++i) {
        driver.probe(Verdict::kUnknown, "health_http is quarantined");
        driver.advance(driver.until(TimerName::kProbe));
    }
    SECTION("at its end") {
        driver.signal(9);
        CHECK(driver.s().history.back().uptime > 200s);
        CHECK(driver.s().history.back().healthy_for == 0s);
    }
    SECTION("from its first HEALTHY on") {
        driver.probe(Verdict::kHealthy).stall(3s).signal(9);
        CHECK(driver.s().history.back().healthy_for == 3s);
    }
}

TEST_CASE("with the health check off, or nothing to probe, running is being well",
          "[machine][health]") {
    MachineConfig config;
    if (GENERATE(false, true)) {
        config.health_enabled = false;
    } else {
        config.port_mode = PortMode::kNone;
    }
    MachineDriver driver(config);
    driver.start();
    if (driver.state() == State::kDeciding) {
        driver.port();
    }
    driver.spawned().stall(90s).signal(9);
    CHECK(driver.s().history.back().healthy_for == 90s);
}

TEST_CASE("UNKNOWN never counts, for or against the app", "[machine][health]") {
    MachineDriver driver;
    driver.to_running().fail_probes(2);
    for (int i = 0; i < 50; ++i) {
        driver.advance(driver.until(TimerName::kProbe))
            .probe(Verdict::kUnknown, "no descriptor left");
        REQUIRE(driver.state() == State::kRunning);
    }
    CHECK(driver.s().failures == 2);
    CHECK_FALSE(driver.s().healthy);
    CHECK(driver.cause() == "health unknown: no descriptor left");
    driver.fail_probes(1);
    CHECK(driver.state() == State::kUnhealthy);
}

TEST_CASE("a voided probe is asked again at once and counts nothing", "[machine][health]") {
    MachineDriver driver;
    driver.to_running().fail_probes(2);
    driver.advance(driver.until(TimerName::kProbe));
    const auto old = driver.s().epoch;
    driver.feed(ProbeVoided{old});
    CHECK(driver.state() == State::kRunning);
    CHECK(driver.s().failures == 2);
    CHECK(driver.count<StartProbe>() == 1);
    CHECK(driver.last<StartProbe>().epoch != old);
    CHECK(driver.last<StartProbe>().deadline == driver.now() + 2s);
    driver.feed(ProbeResult{old, Verdict::kUnhealthy, "late"});
    CHECK(driver.s().failures == 2);
}

TEST_CASE("the answer to a probe of the last instance is dropped", "[machine][health]") {
    MachineDriver driver;
    driver.to_running().advance(5s);
    const auto old = driver.s().epoch;
    driver.signal(9);
    CHECK(driver.count<CancelProbe>() == 1);
    driver.empty().decide(DecisionAction::kRestart, 0ms).spawned(101);
    REQUIRE(driver.s().probing);
    driver.feed(ProbeResult{old, Verdict::kHealthy, "late"});
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().probing);
}

TEST_CASE("one failure is enough with --health-failures 1", "[machine][health]") {
    MachineConfig config;
    config.health_failures = 1;
    MachineDriver driver(config);
    driver.to_running().fail_probes(1);
    CHECK(driver.state() == State::kUnhealthy);
}

TEST_CASE("the policy is told how long it had been healthy without a break", "[machine][history]") {
    MachineDriver driver;
    driver.to_running();
    // Probes at 5 s steps: healthy for 20 s, one failure, healthy for 5 s, then three failures.
    for (int i = 0; i < 3; ++i) {
        driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
    }
    driver.fail_probes(1);
    driver.advance(driver.until(TimerName::kProbe)).probe(Verdict::kHealthy);
    driver.fail_probes(3);
    const auto& event = driver.s().history.back();
    CHECK(event.kind == STEWARD_EV_HEALTH);
    CHECK(event.healthy_for == 20s);
    CHECK(event.uptime == 40s);
    CHECK(event.at == driver.now());
}

TEST_CASE("SIGKILL follows when SIGTERM has not ended an unhealthy app in time",
          "[machine][health]") {
    MachineDriver driver;
    driver.to_unhealthy();
    driver.advance(9999ms);
    CHECK(driver.count<Kill>() == 0);
    driver.advance(1ms);
    CHECK(driver.count<Kill>() == 1);
    CHECK(driver.state() == State::kUnhealthy);
    driver.advance(5s);
    CHECK(driver.state() == State::kUnkillable);
    CHECK(driver.cause() == "still there 5 s after SIGKILL");
    CHECK(driver.events(EventName::kServiceUnkillable).size() == 1);
    driver.signal(9).empty();
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<AskRestart>() == 1);
}

}  // namespace steward::tests
