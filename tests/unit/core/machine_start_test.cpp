// Starts: the port, the order to spawn, the start-up time.
#include "machine_driver.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

namespace {

std::string text_field(const Event& event, const std::string& name) {
    for (const auto& [key, value] : event.fields) {
        if (key == name && std::holds_alternative<std::string>(value)) {
            return std::get<std::string>(value);
        }
    }
    return "(none)";
}

std::int64_t int_field(const Event& event, const std::string& name) {
    for (const auto& [key, value] : event.fields) {
        if (key == name && std::holds_alternative<std::int64_t>(value)) {
            return std::get<std::int64_t>(value);
        }
    }
    return -1;
}

// Refuses the current port as the app does, and lets its tree end.
void refuse_port(MachineDriver& driver, std::uint16_t port) {
    driver.port(port).spawned();
    driver.code(98).empty();
}

}  // namespace

TEST_CASE("the first start asks for a port before anything is spawned", "[machine][start]") {
    MachineDriver driver;
    driver.start();
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<SearchPort>() == 1);
    CHECK(driver.count<Spawn>() == 0);
    CHECK(driver.s().port == 0);
    CHECK(driver.s().generation == 1);
    CHECK(text_field(driver.events(EventName::kServiceStart).at(0), "origin") == "client");

    driver.feed(
        PortFound{driver.s().epoch, 5001, {{5000, "in use by 77"}}, "proposed by port_sequential"});
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.count<Spawn>() == 1);
    CHECK(driver.s().port == 5001);
    const auto skipped = driver.events(EventName::kPortSkipped);
    REQUIRE(skipped.size() == 1);
    CHECK(int_field(skipped[0], "port") == 5000);
    CHECK(skipped[0].cause == "in use by 77");
    CHECK(int_field(driver.events(EventName::kPortChosen).at(0), "port") == 5001);
}

TEST_CASE("an app without a port is spawned at once and runs without a probe", "[machine][start]") {
    MachineConfig config;
    config.port_mode = PortMode::kNone;
    MachineDriver driver(config);
    driver.start();
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.count<SearchPort>() == 0);
    driver.spawned();
    CHECK(driver.state() == State::kRunning);
    CHECK(driver.count<StartProbe>() == 0);
    CHECK_FALSE(driver.s().healthy);
    CHECK(driver.cause() == "no port to probe: give {port}, {fd} or --health none");
}

TEST_CASE("with --health none it is healthy as soon as it lives", "[machine][start]") {
    MachineConfig config;
    config.health_enabled = false;
    config.port_mode = GENERATE(PortMode::kNone, PortMode::kHandOver, PortMode::kOwnBind);
    MachineDriver driver(config);
    driver.to_starting();
    CHECK(driver.state() == State::kRunning);
    CHECK(driver.s().healthy);
    CHECK(driver.count<StartProbe>() == 0);
    CHECK(driver.events(EventName::kServiceHealthy).size() == 1);
    driver.advance(1h);
    CHECK(driver.state() == State::kRunning);
    driver.signal(11);
    CHECK_FALSE(driver.s().healthy);
    CHECK(driver.state() == State::kDeciding);
}

TEST_CASE("with the socket handed over one probe waits until the start-up deadline",
          "[machine][start]") {
    MachineDriver driver;
    driver.start().port().advance(1s);
    driver.spawned();
    const auto probe = driver.last<StartProbe>();
    CHECK(probe.deadline == driver.now() - 1s + 30s);
    CHECK(probe.attempt == 1);
    driver.advance(29s - 1ms);
    CHECK(driver.count<StartProbe>() == 0);
}

TEST_CASE("the time that the search for a port took is not taken from the app's start-up time",
          "[machine][start]") {
    MachineDriver driver;
    driver.start().advance(40s);
    driver.port();
    CHECK(driver.until(TimerName::kStartup) == 30s + 250ms);
    driver.spawned();
    CHECK(driver.last<StartProbe>().deadline == driver.now() + 30s);
}

TEST_CASE("a healthy answer ends the start-up", "[machine][start]") {
    MachineDriver driver;
    driver.to_starting().advance(700ms).probe(Verdict::kHealthy);
    CHECK(driver.state() == State::kRunning);
    CHECK(driver.s().healthy);
    CHECK(driver.s().startup == 700ms);
    const auto healthy = driver.events(EventName::kServiceHealthy);
    REQUIRE(healthy.size() == 1);
    CHECK(int_field(healthy[0], "startup_ms") == 700);
    CHECK(int_field(healthy[0], "restarts") == 0);
    CHECK(int_field(healthy[0], "port") == 5000);
    CHECK_FALSE(driver.armed(TimerName::kStartup));
    CHECK(driver.until(TimerName::kProbe) == 5s);
}

TEST_CASE("an app that binds for itself is probed after 25 ms growing to 500 ms",
          "[machine][start]") {
    MachineDriver driver(own_bind_config());
    driver.to_starting();
    const TimePoint ordered = driver.now();
    CHECK(driver.last<StartProbe>().deadline == ordered + 2s);
    for (const auto wait : {25ms, 50ms, 100ms, 200ms, 400ms, 500ms, 500ms, 500ms}) {
        driver.probe(Verdict::kUnhealthy, "connection refused");
        REQUIRE(driver.state() == State::kStarting);
        CHECK(driver.until(TimerName::kProbe) == wait);
        driver.advance(wait);
        CHECK(driver.count<StartProbe>() == 1);
    }
    driver.probe(Verdict::kHealthy);
    CHECK(driver.state() == State::kRunning);
}

TEST_CASE("a probe of an app that binds for itself ends with the start-up time",
          "[machine][start]") {
    MachineDriver driver(own_bind_config());
    driver.to_starting().advance(29s).probe(Verdict::kUnhealthy, "connection refused");
    driver.advance(25ms);
    CHECK(driver.last<StartProbe>().deadline == driver.now() - 29025ms + 30s);
}

TEST_CASE(
    "a start-up time-out with the socket handed over goes to the restart policy, on the same port",
    "[machine][start]") {
    MachineDriver driver;
    driver.to_starting().advance(30s).probe(Verdict::kUnhealthy,
                                            "GET /health: no answer within 30 s");
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.count<Terminate>() == 1);
    CHECK(driver.cause() == "not healthy within 30 s: GET /health: no answer within 30 s");
    CHECK(driver.s().history.back().kind == STEWARD_EV_START_TIMEOUT);
    CHECK(driver.s().history.back().uptime == 30s);
    CHECK(driver.s().history.back().healthy_for == 0s);
    driver.signal(15).empty();
    CHECK(driver.count<AskRestart>() == 1);
    driver.decide(DecisionAction::kRestart, 0ms);
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().port == 5000);
    CHECK(driver.s().restarts == 1);
}

TEST_CASE("a start-up time-out of an app that binds for itself leads to another port",
          "[machine][start]") {
    MachineDriver driver(own_bind_config());
    driver.to_starting().advance(30s).probe(Verdict::kUnhealthy, "connection refused");
    CHECK(driver.state() == State::kUnhealthy);
    driver.signal(15).empty();
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.last<SearchPort>().excluded == std::vector<std::uint16_t>{5000});
    CHECK(driver.s().restarts == 0);
    CHECK(text_field(driver.events(EventName::kServiceStart).at(0), "origin") == "other_port");
    CHECK(int_field(driver.events(EventName::kPortSkipped).at(0), "port") == 5000);
}

TEST_CASE("a port that timed out is no failure in the restart policy's history",
          "[machine][start]") {
    MachineDriver driver(own_bind_config());
    driver.to_starting().advance(30s).probe(Verdict::kUnhealthy, "connection refused");
    driver.signal(15).empty();
    driver.port(5001).spawned().probe(Verdict::kHealthy).signal(11);
    REQUIRE(driver.s().history.size() == 1);
    CHECK(driver.s().history[0].kind == STEWARD_EV_SIGNAL);
}

TEST_CASE("the start-up timer ends a start that no probe answers", "[machine][start]") {
    MachineDriver driver;
    driver.start().port();
    driver.advance(30s + 249ms);
    CHECK(driver.state() == State::kStarting);
    driver.advance(1ms);
    CHECK(driver.state() == State::kUnhealthy);
    CHECK(driver.cause() == "not healthy within 30 s: no answer");
    CHECK(driver.count<Terminate>() == 1);
}

TEST_CASE("when no probe can be made at all, the start-up ends in running, without a restart",
          "[machine][start]") {
    MachineDriver driver;
    driver.to_starting();
    while (driver.state() == State::kStarting) {
        REQUIRE(driver.s().probing);
        driver.probe(Verdict::kUnknown, "health_http is quarantined");
        REQUIRE(driver.events(EventName::kServiceUnhealthy).empty());
        if (driver.state() == State::kStarting) {
            driver.advance(
                std::min(driver.until(TimerName::kProbe), driver.until(TimerName::kStartup)));
        }
    }
    CHECK(driver.state() == State::kRunning);
    CHECK_FALSE(driver.s().healthy);
    CHECK(driver.cause() == "health unknown: health_http is quarantined");
    CHECK(driver.s().history.empty());
    driver.advance(5s).probe(Verdict::kHealthy);
    CHECK(driver.s().healthy);
    CHECK(driver.s().startup.has_value());
    CHECK(driver.events(EventName::kServiceHealthy).size() == 1);
}

TEST_CASE("a probe that never comes back is no proof against the app when the start-up time ends",
          "[machine][start]") {
    MachineDriver driver;
    driver.to_starting().advance(31s);
    CHECK(driver.state() == State::kRunning);
    CHECK_FALSE(driver.s().healthy);
    CHECK(driver.cause() == "health unknown: the probe has not answered");
    CHECK(driver.s().history.empty());
}

TEST_CASE("a loop that slept through the end of the start-up gives the app time to answer",
          "[machine][start]") {
    MachineDriver driver;
    driver.to_starting().advance(29s).stall(20s);
    SECTION("its probe is voided first") {
        driver.feed(ProbeVoided{driver.s().epoch});
        CHECK(driver.state() == State::kStarting);
        CHECK(driver.last<StartProbe>().deadline == driver.now() + 2s);
        driver.advance(1s);
        CHECK(driver.state() == State::kStarting);
        driver.probe(Verdict::kHealthy);
        CHECK(driver.state() == State::kRunning);
    }
    SECTION("the start-up timer comes first") {
        driver.feed(TimerFired{TimerName::kStartup});
        CHECK(driver.state() == State::kStarting);
        driver.feed(ProbeVoided{driver.s().epoch});
        driver.advance(1s).probe(Verdict::kHealthy);
        CHECK(driver.state() == State::kRunning);
    }
    SECTION("and the time given is bounded") {
        driver.feed(TimerFired{TimerName::kStartup});
        driver.feed(ProbeVoided{driver.s().epoch});
        driver.advance(2s).probe(Verdict::kUnhealthy, "no answer");
        CHECK(driver.state() == State::kUnhealthy);
    }
}

TEST_CASE(
    "a refused port leads to other ports, three at most, then degraded with all of them named",
    "[machine][port]") {
    MachineDriver driver(own_bind_config());
    driver.start();
    for (std::uint16_t port = 5000; port < 5003; ++port) {
        refuse_port(driver, port);
        REQUIRE(driver.state() == State::kDeciding);
        CHECK(driver.last<SearchPort>().excluded.back() == port);
        CHECK(driver.last<SearchPort>().excluded.size() == port - 4999U);
    }
    refuse_port(driver, 5003);
    CHECK(driver.state() == State::kDegraded);
    CHECK(driver.cause() ==
          "the app came up on none of the ports 5000, 5001, 5002, 5003; the last: exit code 98");
    CHECK(driver.s().port == 0);
    CHECK(driver.s().restarts == 0);
    CHECK(driver.s().generation == 4);

    SECTION("the half-open start begins the search anew") {
        driver.advance(60s);
        CHECK(driver.state() == State::kDeciding);
        CHECK(driver.last<SearchPort>().excluded.empty());
    }
}

TEST_CASE("a bind failure is told by the last line as well", "[machine][port]") {
    MachineDriver driver(own_bind_config());
    driver.to_starting().code(1, "OSError: [Errno 98] Address already in use").empty();
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<SearchPort>() == 1);
}

TEST_CASE("an app that has run and then ends with a bind failure is the restart policy's business",
          "[machine][port]") {
    MachineDriver driver(own_bind_config());
    driver.to_running().code(98).empty();
    CHECK(driver.count<SearchPort>() == 0);
    CHECK(driver.state() == State::kDeciding);
    driver.decide(DecisionAction::kRestart, 0ms);
    CHECK(driver.s().restarts == 1);
    CHECK(driver.s().port == 5000);
}

TEST_CASE("without probes too a refused port leads to three others at most", "[machine][port]") {
    auto config = own_bind_config();
    config.health_enabled = false;
    MachineDriver driver(config);
    driver.start();
    for (std::uint16_t port = 5000; port < 5004; ++port) {
        REQUIRE(driver.state() == State::kDeciding);
        refuse_port(driver, port);
    }
    CHECK(driver.state() == State::kDegraded);
}

TEST_CASE("with the socket handed over a bind failure is a failure like any other",
          "[machine][port]") {
    MachineDriver driver;
    driver.to_starting().code(98);
    CHECK(driver.count<AskRestart>() == 1);
    driver.empty().decide(DecisionAction::kRestart, 0ms);
    CHECK(driver.s().port == 5000);
}

TEST_CASE("--startup-ports 0 tries no other port", "[machine][port]") {
    auto config = own_bind_config();
    config.startup_ports = 0;
    MachineDriver driver(config);
    driver.to_starting().code(98).empty();
    CHECK(driver.state() == State::kDegraded);
}

TEST_CASE("without any port it is degraded, the cause says why, and the half-open start asks again",
          "[machine][port]") {
    MachineDriver driver;
    driver.start().no_port();
    CHECK(driver.state() == State::kDegraded);
    CHECK(driver.s().port == 0);
    CHECK(driver.cause() == "no port can be had: tried 100 ports from 5000");
    driver.advance(60s);
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<SearchPort>() == 1);
    CHECK(driver.s().restarts == 0);
}

TEST_CASE("no port left after refused ones names them", "[machine][port]") {
    MachineDriver driver(own_bind_config());
    driver.start();
    refuse_port(driver, 5000);
    driver.no_port();
    CHECK(driver.cause() == "no port can be had: tried 100 ports from 5000; the app refused 5000");
}

TEST_CASE("the answer to an old port question is dropped", "[machine][port]") {
    MachineDriver driver;
    driver.start();
    const auto old = driver.s().epoch;
    driver.stop();
    CHECK(driver.state() == State::kStopped);
    driver.feed(PortFound{old, 5000, {}, "late"});
    CHECK(driver.state() == State::kStopped);
    driver.start(Origin::kRequest).feed(PortFound{old, 5000, {}, "late"});
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.s().port == 0);
}

TEST_CASE("a command that cannot be executed is misconfigured, not a crash",
          "[machine][misconfigured]") {
    MachineDriver driver;
    driver.start().port().feed(
        SpawnFailed{"cannot execute /nonexistent: No such file or directory", 2, false});
    CHECK(driver.state() == State::kMisconfigured);
    CHECK(driver.cause() == "cannot execute /nonexistent: No such file or directory");
    CHECK(driver.events(EventName::kServiceMisconfigured).size() == 1);
    CHECK(driver.s().history.empty());
    driver.advance(24h);
    CHECK(driver.state() == State::kMisconfigured);
}

TEST_CASE("a process that could not be made is a failure for the restart policy",
          "[machine][start]") {
    MachineDriver driver;
    driver.start().port().feed(SpawnFailed{"no process could be made", 11, true});
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<AskRestart>() == 1);
    CHECK(driver.s().history.back().kind == STEWARD_EV_SPAWN_FAILED);
    CHECK(driver.s().history.back().code == 11);
    CHECK(driver.s().history.back().uptime == 0s);
    driver.decide(DecisionAction::kRestart, 1s);
    CHECK(driver.state() == State::kBackingOff);
}

}  // namespace steward::tests
