// Requests of people and clients: start, stop, restart.
#include "machine_driver.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

// After a stop is acknowledged nothing may start, whatever comes late.
static void check_nothing_starts(MachineDriver& driver) {
    const auto generation = driver.s().generation;
    for (std::uint64_t epoch = 0; epoch <= driver.s().epoch; ++epoch) {
        driver.feed(Decided{epoch, DecisionAction::kRestart, 0ms, "late"});
        driver.feed(PortFound{epoch, 5001, {}, "late"});
        driver.feed(ProbeResult{epoch, Verdict::kHealthy, "late"});
    }
    driver.feed(FilesChanged{"app.py changed"}).advance(24h);
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.s().generation == generation);
}

TEST_CASE("a stop is acknowledged in every state and nothing starts after it", "[machine][stop]") {
    for (const auto state : kAllStates) {
        MachineDriver driver;
        driver.to(state);
        INFO("stopped while " << to_string(state));
        driver.stop();
        if (driver.s().tree) {
            CHECK((driver.state() == State::kStopping || driver.state() == State::kUnkillable));
            if (driver.s().pid != 0) {
                driver.signal(15);
            }
            driver.empty();
        }
        CHECK(driver.state() == State::kStopped);
        CHECK(driver.cause() ==
              (state == State::kStopped ? "not started yet" : "stopped by flask_stop"));
        check_nothing_starts(driver);
    }
}

TEST_CASE("a stop while the port is searched ends the search", "[machine][stop]") {
    MachineDriver driver;
    driver.start().stop();
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.events(EventName::kServiceStop).size() == 1);
    CHECK(driver.events(EventName::kServiceStopped).size() == 1);
    check_nothing_starts(driver);
}

TEST_CASE("a stop before the order to spawn was answered waits for the answer", "[machine][stop]") {
    MachineDriver driver;
    driver.start().port().stop();
    CHECK(driver.state() == State::kStopping);
    CHECK(driver.count<Terminate>() == 1);
    SECTION("it could not be spawned") {
        driver.feed(SpawnFailed{"no such file", 2, false});
        CHECK(driver.state() == State::kStopped);
    }
    SECTION("it was spawned") {
        driver.spawned();
        CHECK(driver.state() == State::kStopping);
        CHECK(driver.count<StartProbe>() == 0);
        driver.signal(15).empty();
        CHECK(driver.state() == State::kStopped);
    }
}

TEST_CASE("a stop wins over a decision that is open, and over one that has come",
          "[machine][stop]") {
    MachineDriver driver;
    driver.to_running().signal(9);
    const bool decided = GENERATE(true, false);
    const auto epoch = driver.s().epoch;
    if (decided) {
        driver.decide(DecisionAction::kRestart, 0ms);
    }
    driver.stop();
    CHECK(driver.state() == State::kStopping);
    driver.feed(Decided{epoch, DecisionAction::kRestart, 0ms, "late"}).empty();
    CHECK(driver.state() == State::kStopped);
    check_nothing_starts(driver);
}

TEST_CASE("a stop gives ten seconds, then SIGKILL, then unkillable", "[machine][stop]") {
    MachineDriver driver;
    driver.to_running().stop();
    CHECK(driver.count<Terminate>() == 1);
    CHECK(driver.until(TimerName::kShutdown) == 10s);
    driver.advance(10s);
    CHECK(driver.count<Kill>() == 1);
    CHECK(driver.until(TimerName::kKill) == 5s);
    driver.advance(5s);
    CHECK(driver.state() == State::kUnkillable);
    driver.signal(9).empty();
    CHECK(driver.state() == State::kStopped);
}

TEST_CASE("an app that ends by SIGKILL gives what it leaves behind no time of its own",
          "[machine][stop]") {
    MachineDriver driver;
    driver.to_running().stop().advance(10s);
    CHECK(driver.until(TimerName::kKill) == 5s);
    driver.advance(3s);
    driver.signal(9);
    CHECK(driver.state() == State::kStopping);
    CHECK(driver.until(TimerName::kKill) == 2s);
    driver.advance(2s);
    CHECK(driver.state() == State::kUnkillable);
    driver.empty();
    CHECK(driver.state() == State::kStopped);
    // The next tree has its own.
    driver.to_running().stop().advance(10s);
    CHECK(driver.until(TimerName::kKill) == 5s);
}

TEST_CASE("a second stop changes nothing", "[machine][stop]") {
    MachineDriver driver;
    const auto state = GENERATE(State::kStopping, State::kUnkillable);
    driver.to(state);
    const auto history = driver.s().history.size();
    driver.stop();
    CHECK(driver.state() == state);
    CHECK(driver.events(EventName::kServiceStop).empty());
    CHECK(driver.s().history.size() == history);
    driver.signal(15).empty();
    CHECK(driver.state() == State::kStopped);
}

TEST_CASE("what the app left behind is killed when it has ended after SIGTERM", "[machine][stop]") {
    MachineDriver driver;
    driver.to_stopping().code(0);
    CHECK(driver.state() == State::kStopping);
    CHECK(driver.count<Kill>() == 1);
    CHECK_FALSE(driver.armed(TimerName::kShutdown));
    CHECK(driver.until(TimerName::kKill) == 5s);
}

TEST_CASE("a start while it is taken down follows once the tree is empty", "[machine][start]") {
    const auto state = GENERATE(State::kStopping, State::kUnhealthy, State::kUnkillable);
    MachineDriver driver;
    driver.to(state).start(Origin::kRequest);
    CHECK(driver.count<Spawn>() == 0);
    if (driver.s().pid != 0) {
        driver.signal(15);
    }
    driver.empty();
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.count<Spawn>() == 1);
    CHECK(driver.s().restarts == 0);
    CHECK(driver.s().port == 5000);
}

TEST_CASE(
    "a start while deciding is made at once, or when the tree is empty, and the decision is "
    "dropped",
    "[machine][start]") {
    MachineDriver driver;
    driver.to_running().signal(9);
    const auto epoch = driver.s().epoch;
    SECTION("with a tree") {
        driver.start(Origin::kRequest);
        CHECK(driver.state() == State::kStopping);
        driver.feed(Decided{epoch, DecisionAction::kGiveUp, 0ms, "late"}).empty();
    }
    SECTION("without") {
        driver.empty().start(Origin::kRequest);
    }
    CHECK(driver.state() == State::kStarting);
    driver.feed(Decided{epoch, DecisionAction::kGiveUp, 0ms, "late"});
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().restarts == 0);
}

TEST_CASE("a stop after a start that had to wait wins", "[machine][stop]") {
    MachineDriver driver;
    driver.to_stopping().start(Origin::kRequest).stop();
    driver.signal(15).empty();
    CHECK(driver.state() == State::kStopped);
    check_nothing_starts(driver);
}

TEST_CASE("a start while it starts, runs or searches a port changes nothing", "[machine][start]") {
    MachineDriver driver;
    SECTION("searching") {
        driver.start();
    }
    SECTION("starting") {
        driver.to_starting();
    }
    SECTION("running") {
        driver.to_running();
    }
    const auto generation = driver.s().generation;
    const auto state = driver.state();
    driver.start(Origin::kRequest);
    CHECK(driver.actions().empty());
    CHECK(driver.state() == state);
    CHECK(driver.s().generation == generation);
}

TEST_CASE("a restart takes it down and starts it on the same port, outside the budget",
          "[machine][restart]") {
    const auto state = GENERATE(State::kStarting, State::kRunning);
    MachineDriver driver;
    driver.to(state).restart();
    CHECK(driver.state() == State::kStopping);
    CHECK(driver.count<Terminate>() == 1);
    CHECK(driver.cause() == "restarted by flask_restart");
    CHECK(driver.s().history.back().kind == STEWARD_EV_MANUAL_START);
    driver.code(0).empty();
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().generation == 2);
    CHECK(driver.s().restarts == 0);
    CHECK(driver.s().port == 5000);
    CHECK(driver.count<SearchPort>() == 0);
}

TEST_CASE("a restart in any other state is a start", "[machine][restart]") {
    const auto state =
        GENERATE(State::kStopped, State::kBackingOff, State::kDegraded, State::kMisconfigured);
    MachineDriver driver;
    driver.to(state).restart();
    CHECK(driver.s().generation == (state == State::kStopped ? 1U : 2U));
    CHECK((driver.state() == State::kStarting || driver.state() == State::kDeciding));
    CHECK(driver.s().restarts == 0);
}

TEST_CASE("a restart while it is taken down is a start once the tree is empty",
          "[machine][restart]") {
    const auto state = GENERATE(State::kStopping, State::kUnhealthy, State::kUnkillable);
    MachineDriver driver;
    driver.to(state).restart();
    CHECK(driver.count<Terminate>() == 0);
    driver.signal(9).empty();
    CHECK(driver.state() == State::kStarting);
}

TEST_CASE("a requested start gives the app its full set of other ports again", "[machine][port]") {
    MachineDriver driver(own_bind_config());
    driver.to_starting().code(98).empty();
    REQUIRE(driver.s().refused_ports.size() == 1);
    driver.stop().start(Origin::kRequest);
    CHECK(driver.last<SearchPort>().excluded.empty());
}

}  // namespace steward::tests
