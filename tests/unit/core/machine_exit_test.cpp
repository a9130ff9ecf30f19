// The end of the session.
#include "machine_driver.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

namespace {

bool at_rest(State state) {
    return state == State::kStopped || state == State::kBackingOff || state == State::kDegraded ||
           state == State::kMisconfigured;
}

}  // namespace

TEST_CASE("the session ends at once where nothing lives", "[machine][exit]") {
    for (const auto state : kAllStates) {
        if (!at_rest(state)) {
            continue;
        }
        MachineDriver driver;
        driver.to(state).end();
        INFO(to_string(state));
        CHECK(driver.state() == State::kStopped);
        CHECK(driver.count<Finish>() == 1);
        CHECK(driver.last<Finish>().left.empty());
        driver.start(Origin::kRequest).restart().feed(FilesChanged{"x"}).advance(24h);
        CHECK(driver.state() == State::kStopped);
        driver.end(/*at_once=*/true);
        CHECK(driver.actions().empty());
    }
}

TEST_CASE("the session's end while a port is searched, or a decision is open, starts nothing",
          "[machine][exit]") {
    MachineDriver driver;
    SECTION("port") {
        driver.start();
    }
    SECTION("restart") {
        driver.to_deciding();
    }
    const auto epoch = driver.s().epoch;
    driver.end();
    CHECK(driver.count<Finish>() == 1);
    driver.feed(PortFound{epoch, 5000, {}, "late"})
        .feed(Decided{epoch, DecisionAction::kRestart, 0ms, "late"});
    CHECK(driver.state() == State::kStopped);
}

TEST_CASE("the session's end gives 800 ms, then SIGKILL, and ends when the tree is empty",
          "[machine][exit]") {
    const auto state = GENERATE(State::kStarting, State::kRunning);
    MachineDriver driver;
    driver.to(state).end();
    CHECK(driver.state() == State::kStopping);
    CHECK(driver.cause() == "stdin was closed");
    CHECK(driver.count<Terminate>() == 1);
    CHECK(driver.until(TimerName::kShutdown) == 800ms);
    CHECK(driver.count<Finish>() == 0);
    SECTION("it obeys") {
        driver.advance(300ms).code(0);
        CHECK(driver.count<Kill>() == 1);
        driver.empty();
    }
    SECTION("it does not") {
        driver.advance(800ms);
        CHECK(driver.count<Kill>() == 1);
        driver.advance(10ms).signal(9).empty();
    }
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.count<Finish>() == 1);
    CHECK(driver.last<Finish>().left.empty());
}

TEST_CASE("a second signal is SIGKILL at once", "[machine][exit]") {
    MachineDriver driver;
    driver.to_running().end().advance(100ms).end(/*at_once=*/true);
    CHECK(driver.count<Kill>() == 1);
    CHECK_FALSE(driver.armed(TimerName::kShutdown));
    driver.signal(9).empty();
    CHECK(driver.count<Finish>() == 1);
}

TEST_CASE("an end that is at once from the start kills at once", "[machine][exit]") {
    for (const auto state : kAllStates) {
        MachineDriver driver;
        driver.to(state);
        const bool tree = driver.s().tree;
        driver.end(/*at_once=*/true);
        INFO(to_string(state));
        CHECK(driver.count<Kill>() >= (tree ? 1 : 0));
        CHECK(driver.count<Finish>() == (tree ? 0 : 1));
    }
}

TEST_CASE("whatever lives at the exit deadline is named, in every state, once, within 890 ms",
          "[machine][exit]") {
    const auto state = GENERATE(State::kStarting, State::kRunning, State::kUnhealthy,
                                State::kDeciding, State::kStopping, State::kUnkillable);
    MachineDriver driver;
    state == State::kDeciding ? driver.to_running().signal(9) : driver.to(state);
    REQUIRE(driver.state() == state);
    INFO(to_string(state));
    driver.end();
    CHECK(driver.count<Finish>() == 0);
    driver.advance(890ms);
    CHECK(driver.state() == State::kUnkillable);
    CHECK(driver.count<Finish>() == 1);
    CHECK(driver.last<Finish>().left == "still there 90 ms after SIGKILL");
    SECTION("its late end says nothing more") {
        driver.feed(Exited{true, 9, "", ""});
        CHECK(driver.count<Finish>() == 0);
        driver.empty();
        CHECK(driver.count<Finish>() == 0);
    }
    SECTION("a second signal says nothing more") {
        driver.end(/*at_once=*/true).advance(10s);
        CHECK(driver.count<Finish>() == 0);
    }
}

TEST_CASE("an app that ends just before the exit deadline does not move the deadline",
          "[machine][exit]") {
    MachineDriver driver;
    driver.to_running().end();
    SECTION("after SIGKILL") {
        driver.advance(889ms).signal(9).advance(1ms);
    }
    SECTION("before SIGKILL") {
        driver.advance(799ms).code(0).advance(91ms);
    }
    SECTION("with a second signal in between") {
        driver.advance(850ms).end(/*at_once=*/true).advance(20ms).signal(9).advance(20ms);
    }
    CHECK(driver.state() == State::kUnkillable);
    CHECK(driver.count<Finish>() == 1);
}

TEST_CASE("the session's end shortens a stop that is under way", "[machine][exit]") {
    MachineDriver driver;
    driver.to_stopping().advance(5s).end();
    CHECK(driver.until(TimerName::kShutdown) == 800ms);
    driver.advance(800ms);
    CHECK(driver.count<Kill>() == 1);
}

TEST_CASE("after the session's end has begun no request is heard", "[machine][exit]") {
    MachineDriver driver;
    driver.to_running().end().start(Origin::kRequest).restart().stop();
    driver.signal(15).empty();
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.count<Finish>() == 1);
}

TEST_CASE("a restart in progress ends with the session", "[machine][exit]") {
    MachineDriver driver;
    driver.to_running().restart().end();
    driver.code(0).empty();
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.count<Finish>() == 1);
}

TEST_CASE("an order to spawn that fails while the session ends, ends it", "[machine][exit]") {
    MachineDriver driver;
    driver.start().port().end().feed(SpawnFailed{"no such file", 2, false});
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.count<Finish>() == 1);
}

}  // namespace steward::tests
