// After a failure: the restart strategy's answers, degraded, misconfigured.
#include "machine_driver.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

TEST_CASE("a crash is killed to the last process, decided, waited for and answered by a start",
          "[machine][restart]") {
    MachineDriver driver;
    driver.to_running().advance(3s);
    driver.probe(Verdict::kHealthy).signal(11);
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.cause() == "killed by signal 11 (SIGSEGV)");
    CHECK(driver.count<AskRestart>() == 1);
    CHECK(driver.count<Kill>() == 1);
    CHECK(driver.events(EventName::kServiceExit).size() == 1);
    driver.empty().decide(DecisionAction::kRestart, 250ms);
    CHECK(driver.state() == State::kBackingOff);
    CHECK(driver.cause() == "killed by signal 11 (SIGSEGV); because the policy says so");
    CHECK(driver.until(TimerName::kBackoff) == 250ms);
    CHECK(driver.s().restarts == 0);
    CHECK(driver.events(EventName::kServiceRestartScheduled).size() == 1);
    driver.advance(249ms);
    CHECK(driver.state() == State::kBackingOff);
    driver.advance(1ms);
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().restarts == 1);
    CHECK(driver.s().generation == 2);
    driver.spawned(101).probe(Verdict::kHealthy);
    CHECK(driver.cause() ==
          "healthy: GET /health: 200; restarted after: killed by signal 11 (SIGSEGV)");
}

TEST_CASE("a decision that comes before the tree is empty waits for it", "[machine][restart]") {
    MachineDriver driver;
    driver.to_running().signal(9);
    driver.decide(DecisionAction::kRestart, 250ms);
    CHECK(driver.state() == State::kDeciding);
    SECTION("and its delay counts from the question") {
        driver.advance(100ms).empty();
        CHECK(driver.until(TimerName::kBackoff) == 150ms);
    }
    SECTION("and an overdue start is made at once") {
        driver.advance(1s).empty();
        CHECK(driver.state() == State::kStarting);
        CHECK(driver.s().restarts == 1);
    }
}

TEST_CASE("a delay of nothing starts at once", "[machine][restart]") {
    MachineDriver driver;
    driver.to_deciding().decide(DecisionAction::kRestart, 0ms);
    CHECK(driver.state() == State::kStarting);
}

TEST_CASE("a delay without sense is kept within zero and a day", "[machine][restart]") {
    MachineDriver driver;
    driver.to_deciding();
    SECTION("negative") {
        driver.decide(DecisionAction::kRestart, Duration::min());
        CHECK(driver.state() == State::kStarting);
    }
    SECTION("for ever") {
        driver.decide(DecisionAction::kRestart, Duration::max());
        CHECK(driver.state() == State::kBackingOff);
        CHECK(driver.until(TimerName::kBackoff) == 24h);
    }
}

TEST_CASE("STAY_DOWN leaves it stopped until somebody asks", "[machine][restart]") {
    MachineDriver driver;
    driver.to_running().code(0).empty().decide(DecisionAction::kStayDown);
    CHECK(driver.state() == State::kStopped);
    CHECK(driver.cause() == "exit code 0; because the policy says so");
    driver.advance(24h).feed(FilesChanged{"app.py changed"});
    CHECK(driver.state() == State::kStopped);
    driver.start(Origin::kRequest);
    CHECK(driver.state() == State::kStarting);
}

TEST_CASE("a late decision is dropped", "[machine][restart]") {
    MachineDriver driver;
    driver.to_deciding();
    const auto old = driver.s().epoch;
    driver.start(Origin::kRequest).spawned(101).signal(9).empty();
    REQUIRE(driver.state() == State::kDeciding);
    driver.feed(Decided{old, DecisionAction::kStayDown, 0ms, "late"});
    CHECK(driver.state() == State::kDeciding);
}

TEST_CASE("the history tells the policy what happened, kind by kind", "[machine][history]") {
    MachineDriver driver;
    driver.to_running().advance(4s).code(3);
    CHECK(driver.s().history.back().kind == STEWARD_EV_EXIT);
    CHECK(driver.s().history.back().code == 3);
    CHECK(driver.s().history.back().uptime == 4s);
    CHECK(driver.s().history.back().healthy_for == 4s);
    driver.empty().decide(DecisionAction::kRestart, 0ms).spawned(101).advance(1s);
    driver.signal(9);
    CHECK(driver.s().history.back().kind == STEWARD_EV_SIGNAL);
    CHECK(driver.s().history.back().code == 9);
    CHECK(driver.s().history.back().uptime == 1s);
    CHECK(driver.s().history.back().healthy_for == 0s);
    driver.empty().stop();
    CHECK(driver.s().history.back().kind == STEWARD_EV_MANUAL_STOP);
    driver.start(Origin::kRequest);
    CHECK(driver.s().history.back().kind == STEWARD_EV_MANUAL_START);
    CHECK(driver.s().history.size() == 4);
}

TEST_CASE("a stop without an instance tells the policy of no uptime", "[machine][history]") {
    MachineDriver driver;
    driver.to_backing_off(10s).advance(5s).stop();
    CHECK(driver.s().history.back().kind == STEWARD_EV_MANUAL_STOP);
    CHECK(driver.s().history.back().uptime == 0s);
    CHECK(driver.s().history.back().healthy_for == 0s);
}

TEST_CASE("a stop of a running instance tells the policy how long it ran", "[machine][history]") {
    MachineDriver driver;
    driver.to_running().advance(3s).stop();
    CHECK(driver.s().history.back().kind == STEWARD_EV_MANUAL_STOP);
    CHECK(driver.s().history.back().uptime == 3s);
    CHECK(driver.s().history.back().healthy_for == 3s);
}

TEST_CASE("the history keeps the last 256 events", "[machine][history]") {
    MachineDriver driver;
    driver.to_running();
    for (int i = 0; i < 300; ++i) {
        driver.code(i % 50 + 2).empty().decide(DecisionAction::kRestart, 0ms).spawned();
    }
    CHECK(driver.s().history.size() == kHistoryLimit);
    CHECK(driver.s().history.back().code == 299 % 50 + 2);
    CHECK(driver.s().restarts == 300);
}

TEST_CASE("degraded is tried after 60 s, doubling to 10 min", "[machine][degraded]") {
    MachineDriver driver;
    driver.to_degraded();
    const std::uint64_t restarts = driver.s().restarts;
    for (const Duration wait : {60s, 120s, 240s, 480s, 600s, 600s}) {
        REQUIRE(driver.state() == State::kDegraded);
        CHECK(driver.until(TimerName::kDegraded) == wait);
        driver.advance(wait);
        REQUIRE(driver.state() == State::kStarting);
        CHECK(driver.s().restarts == restarts);  // Half-open starts don't count.
        driver.spawned().signal(9).empty().decide(DecisionAction::kGiveUp);
    }
}

TEST_CASE("the doubling ends when the policy restarts again, or somebody starts it",
          "[machine][degraded]") {
    MachineDriver driver;
    driver.to_degraded().advance(60s).spawned();
    SECTION("the policy") {
        driver.probe(Verdict::kHealthy).signal(9).empty().decide(DecisionAction::kRestart, 0ms);
        driver.spawned().signal(9).empty().decide(DecisionAction::kGiveUp);
    }
    SECTION("a request") {
        driver.signal(9).empty().decide(DecisionAction::kGiveUp);
        CHECK(driver.until(TimerName::kDegraded) == 120s);
        driver.start(Origin::kRequest).spawned().signal(9).empty().decide(DecisionAction::kGiveUp);
    }
    CHECK(driver.state() == State::kDegraded);
    CHECK(driver.until(TimerName::kDegraded) == 60s);
}

TEST_CASE("degraded is left by a start, a restart and changed files", "[machine][degraded]") {
    MachineDriver driver;
    driver.to_degraded();
    SECTION("start") {
        driver.start(Origin::kRequest);
    }
    SECTION("restart") {
        driver.restart();
    }
    SECTION("changed files") {
        driver.feed(FilesChanged{"app.py changed"});
    }
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().restarts == 0);
    CHECK_FALSE(driver.armed(TimerName::kDegraded));
}

TEST_CASE("exit codes 78, 126 and 127 are misconfigured at any time", "[machine][misconfigured]") {
    const int code = GENERATE(78, 126, 127);
    const bool healthy_before = GENERATE(true, false);
    MachineDriver driver;
    healthy_before ? driver.to_running() : driver.to_starting();
    driver.code(code, "no flask for this interpreter");
    CHECK(driver.state() == State::kStopping);
    CHECK(driver.count<AskRestart>() == 0);
    driver.empty();
    CHECK(driver.state() == State::kMisconfigured);
    CHECK(driver.cause() ==
          "exit code " + std::to_string(code) + ": no flask for this interpreter");
    driver.advance(24h);
    CHECK(driver.state() == State::kMisconfigured);
    CHECK(driver.s().restarts == 0);
}

TEST_CASE("a broken program is misconfigured before its first healthy answer, a crash after it",
          "[machine][misconfigured]") {
    const std::string line = GENERATE(
        "SyntaxError: invalid syntax", "IndentationError: unexpected indent",
        "ImportError: cannot import name 'x'", "ModuleNotFoundError: No module named 'flask'");
    MachineDriver before;
    before.to_starting().code(1, line).empty();
    CHECK(before.state() == State::kMisconfigured);
    CHECK(before.cause() == "exit code 1: " + line);
    MachineDriver after;
    after.to_running().code(1, line);
    CHECK(after.state() == State::kDeciding);
    CHECK(after.count<AskRestart>() == 1);
    MachineDriver other_code;
    other_code.to_starting().code(2, line);
    CHECK(other_code.state() == State::kDeciding);
}

TEST_CASE("without probes a broken program is misconfigured within its start-up time",
          "[machine][misconfigured]") {
    MachineConfig config;
    config.health_enabled = false;
    MachineDriver driver(config);
    driver.to_running();
    SECTION("within") {
        driver.advance(29s).code(1, "ImportError: cannot import name 'x'").empty();
        CHECK(driver.state() == State::kMisconfigured);
    }
    SECTION("after") {
        driver.advance(30s).code(1, "ImportError: cannot import name 'x'").empty();
        CHECK(driver.state() == State::kDeciding);
    }
}

TEST_CASE("an exit code 1 with another last line is a crash", "[machine][misconfigured]") {
    MachineDriver driver;
    driver.to_starting().code(1, "ZeroDivisionError: division by zero");
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.cause() == "exit code 1: ZeroDivisionError: division by zero");
}

TEST_CASE("misconfigured is left by a start, a restart and changed files",
          "[machine][misconfigured]") {
    MachineDriver driver;
    driver.to_misconfigured();
    SECTION("start") {
        driver.start(Origin::kRequest);
    }
    SECTION("restart") {
        driver.restart();
    }
    SECTION("changed files") {
        driver.feed(FilesChanged{"the app's files changed: app.py"});
    }
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.count<Spawn>() == 1);
    CHECK(driver.s().restarts == 0);
}

TEST_CASE("changed files start nothing in any other state", "[machine][misconfigured]") {
    for (const auto state : kAllStates) {
        if (state == State::kMisconfigured || state == State::kDegraded) {
            continue;
        }
        MachineDriver driver;
        driver.to(state).feed(FilesChanged{"app.py changed"});
        INFO(to_string(state));
        CHECK(driver.actions().empty());
        CHECK(driver.state() == state);
    }
}

TEST_CASE("the last exit is kept with its cause and what else is known", "[machine]") {
    MachineDriver driver;
    driver.to_running().feed(Exited{true, 9, "", "the guardian was killed"});
    REQUIRE(driver.s().last_exit);
    CHECK(driver.s().last_exit->signaled);
    CHECK(driver.s().last_exit->code == 9);
    CHECK(driver.s().last_exit->at == driver.now());
    CHECK(driver.s().last_exit->cause == "killed by signal 9 (SIGKILL); the guardian was killed");
    CHECK(driver.s().pid == 0);
}

TEST_CASE("a tree that SIGKILL does not empty is unkillable, and decided about once it is empty",
          "[machine][unkillable]") {
    MachineDriver driver;
    driver.to_running().signal(9);
    driver.decide(DecisionAction::kRestart, 0ms).advance(5s);
    CHECK(driver.state() == State::kUnkillable);
    CHECK(driver.count<Spawn>() == 0);
    driver.advance(1h);
    CHECK(driver.state() == State::kUnkillable);
    driver.empty();
    CHECK(driver.state() == State::kDeciding);
    CHECK(driver.count<AskRestart>() == 1);
    driver.decide(DecisionAction::kRestart, 0ms);
    CHECK(driver.state() == State::kStarting);
}

TEST_CASE("an EMPTY that comes before the app was reported as started is not believed",
          "[machine]") {
    MachineDriver driver;
    driver.start().port().empty();
    CHECK(driver.state() == State::kStarting);
    CHECK(driver.s().tree);
    driver.spawned();
    CHECK(driver.s().pid == 100);
}

}  // namespace steward::tests
