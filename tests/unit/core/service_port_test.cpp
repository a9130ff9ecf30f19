// The search for a port, and who answers on it while no instance does.
#include "service_bed.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

TEST_CASE("ports in use are skipped, each with its cause", "[service][port]") {
    ServiceBed bed;
    bed.world.port.in_use = {{5000, "port 5000 is used by 77 (nginx)"},
                             {5001, "port 5001 is in TIME_WAIT"}};
    bed.to_starting();
    CHECK(bed.service->status().port == 5002);
    const auto skipped = bed.world.named(EventName::kPortSkipped);
    REQUIRE(skipped.size() == 2);
    CHECK(skipped[0].cause == "port 5000 is used by 77 (nginx)");
    CHECK(skipped[1].cause == "port 5001 is in TIME_WAIT");
    const auto chosen = bed.world.named(EventName::kPortChosen);
    REQUIRE(chosen.size() == 1);
    CHECK(chosen[0].cause == "proposed by fake_port");
}

TEST_CASE("the strategy is asked again with what is taken, ascending, and a higher attempt",
          "[service][port]") {
    ServiceBed bed;
    bed.world.port.in_use = {{5003, "taken"}, {5001, "taken"}, {5002, "taken"}};
    bed.world.strategies.proposals = {
        {{5003, 5001}, "fake_port"}, {{5002}, "fake_port"}, {{5050}, "fake_port"}};
    bed.to_starting();
    const auto& questions = bed.world.strategies.port_questions;
    REQUIRE(questions.size() == 3);
    CHECK(questions[0].attempt == 1);
    CHECK(questions[0].excluded.empty());
    CHECK(questions[0].base == 5000);
    CHECK(questions[0].first == 5000);
    CHECK(questions[0].last == 5099);
    CHECK(questions[0].address == "127.0.0.1");
    CHECK(questions[1].attempt == 2);
    CHECK(questions[1].excluded == std::vector<std::uint16_t>{5001, 5003});
    CHECK(questions[2].attempt == 3);
    CHECK(questions[2].excluded == std::vector<std::uint16_t>{5001, 5002, 5003});
    CHECK(bed.service->status().port == 5050);
}

TEST_CASE(
    "when every port is taken it is degraded, and the cause names base, tries and the last reason",
    "[service][port]") {
    auto config = app_config();
    config.port_tries = static_cast<std::uint16_t>(GENERATE(1, 20));
    const auto tries = config.port_tries;
    ServiceBed bed(config);
    for (unsigned port = 5000; port < 5100; ++port) {
        bed.world.port.in_use[static_cast<std::uint16_t>(port)] =
            "port " + std::to_string(port) + " is in use";
    }
    bed.service->start_for_client("initialize");
    bed.run();
    CHECK(bed.state() == State::kDegraded);
    CHECK(bed.service->status().cause ==
          "no port can be had: tried " + std::to_string(tries) + (tries == 1 ? " port" : " ports") +
              " from 5000, the last: port " + std::to_string(4999 + tries) +
              " is in use; free one or give another --port");
    CHECK(bed.service->status().port == 0);
    CHECK(bed.service->status().url.empty());
    CHECK(bed.service->status().next_restart_ms == 60'000);
    CHECK(bed.world.journal.count("take") == tries);
    CHECK(bed.world.journal.count("answer") == 0);

    SECTION("the half-open start asks again") {
        bed.world.port.in_use.clear();
        bed.advance(60s);
        CHECK(bed.state() == State::kStarting);
        CHECK(bed.service->status().port == 5000);
        bed.world.guardian.started();
        bed.run();
    }
}

TEST_CASE("a strategy that has nothing to propose leaves it degraded", "[service][port]") {
    ServiceBed bed;
    bed.world.strategies.proposals.push_back({{}, "fake_port"});
    bed.service->start_for_client("initialize");
    bed.run();
    CHECK(bed.state() == State::kDegraded);
    CHECK(bed.world.journal.count("take") == 0);
}

TEST_CASE("candidates that were not asked for are not tried", "[service][port]") {
    ServiceBed bed;
    bed.world.port.in_use = {{5001, "taken"}};
    bed.world.strategies.proposals = {{{0, 80, 4999, 5100, 65535, 5001}, "fake_port"},
                                      {{5001, 5001, 22}, "fake_port"}};
    bed.service->start_for_client("initialize");
    bed.run();
    CHECK(bed.state() == State::kDegraded);
    CHECK(bed.world.journal.count("take") == 1);
}

TEST_CASE("the range ends at 65535", "[service][port]") {
    auto config = app_config();
    config.base_port = 65500;
    ServiceBed bed(config);
    bed.to_starting();
    CHECK(bed.world.strategies.port_questions.at(0).last == 65535);
    CHECK(bed.service->status().port == 65500);
}

TEST_CASE("ports that the app refused are excluded from the first question on", "[service][port]") {
    ServiceBed bed(own_bind_app());
    bed.to_starting();
    bed.world.guardian.exited(98);
    bed.world.guardian.empty();
    bed.advance(1ms);
    const auto& questions = bed.world.strategies.port_questions;
    REQUIRE(questions.size() == 2);
    CHECK(questions[1].excluded == std::vector<std::uint16_t>{5000});
    CHECK(questions[1].attempt == 1);
    bed.run();
    CHECK(bed.service->status().port == 5001);
}

TEST_CASE("a port proposal that comes after a stop is not tried", "[service][port]") {
    ServiceBed bed;
    bed.world.strategies.hold_proposals = true;
    bed.service->start_for_client("initialize");
    bed.run();
    bed.service->stop("flask_stop");
    bed.world.strategies.release_proposal({{5000}, "late"});
    bed.advance(1s);
    CHECK(bed.world.journal.count("take") == 0);
    CHECK(bed.state() == State::kStopped);
}

// ---- an app that does not take the socket

TEST_CASE("a start-up in which nobody accepts ends with how the socket was handed over",
          "[service][port]") {
    auto config = app_config();
    const bool told = GENERATE(true, false);
    config.hand_over_advice = told ? "handed over so: try that" : "";
    ServiceBed bed(config);
    bed.world.port.unaccepted = "nobody accepts";
    bed.to_starting();
    const auto no_answer = [&bed] {
        REQUIRE(bed.world.strategies.probing());
        bed.world.strategies.answer_probe(Verdict::kUnhealthy, "no answer", {},
                                          /*timed_out=*/true);
        bed.run();
    };
    SECTION("said of the last probe alone, and only when none came in time") {
        bed.sick("503 warming up");
        CHECK(bed.service->machine().last_detail == "503 warming up");
        bed.advance(1s);
        no_answer();
        CHECK(bed.service->machine().last_detail == "no answer");
        bed.advance(1s);
        bed.advance(bed.service->machine().startup_by - bed.world.scheduler.now());
        no_answer();
        CHECK_THAT(bed.service->status().cause,
                   Catch::Contains(told ? ": no answer; nobody accepts; handed over so: try that"
                                        : ": no answer"));
        CHECK((bed.service->machine().last_detail == "no answer") != told);
    }
    SECTION("not of an app that answers, however late") {
        bed.advance(bed.service->machine().startup_by - bed.world.scheduler.now());
        bed.sick("503 warming up");
        CHECK(bed.service->machine().last_detail == "503 warming up");
    }
    SECTION("later it is not the start-up's business") {
        bed.healthy();
        REQUIRE(bed.state() == State::kRunning);
        bed.advance(5s);
        no_answer();
        CHECK(bed.service->machine().last_detail == "no answer");
    }
}

TEST_CASE("an app that finds its port taken by the socket that it was given is told of",
          "[service][port]") {
    auto config = app_config();
    config.hand_over_advice = "handed over so: try that";
    ServiceBed bed(config);
    bed.world.output.lines[1] = "OSError: [Errno 98] Address already in use";
    bed.to_starting();
    bed.world.guardian.exited(1);
    bed.world.guardian.empty();
    bed.advance(1ms);
    CHECK_THAT(bed.service->status().last_exit->cause,
               Catch::Contains("Address already in use") &&
                   Catch::Contains("the app binds a port by itself; handed over so: try that"));
}

TEST_CASE("LISTEN_FDS is announced as configured", "[service][port]") {
    auto config = app_config();
    config.listen_variables = GENERATE(true, false);
    ServiceBed bed(config);
    bed.to_starting();
    CHECK(bed.world.guardian.last_spawn().listen_variables == config.listen_variables);
}

// ---- a port that is lost

TEST_CASE("a held port that is lost while the app runs is looked for again", "[service][port]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.port.lose();
    const bool code = GENERATE(false, true);  // its last line is asked for first
    if (code) {
        bed.world.guardian.exited(3);
        bed.world.guardian.empty();
        bed.advance(1ms);
    } else {
        bed.crash();
    }
    CHECK(bed.state() == State::kBackingOff);
    CHECK(bed.service->status().port == 0);
    CHECK(bed.service->status().url.empty());
    const auto skipped = bed.world.named(EventName::kPortSkipped);
    REQUIRE(skipped.size() == 1);
    CHECK(skipped[0].cause ==
          "port 5000 is lost: the app shut the listening socket down, and another process has "
          "taken the port");
    bed.advance(250ms);
    REQUIRE(bed.world.guardian.spawns().size() == 2);
    CHECK(bed.world.guardian.last_spawn().listener == FakePort::kListener);
    CHECK(bed.service->status().port == 5001);
}

TEST_CASE("a held port that is lost between two instances is looked for before the next is started",
          "[service][port]") {
    ServiceBed bed;
    bed.to_running();
    bed.service->stop("flask_stop");
    bed.crash();
    REQUIRE(bed.state() == State::kStopped);
    bed.world.port.lose();
    bed.service->start("flask_start");
    bed.run();
    CHECK(bed.state() == State::kStarting);
    REQUIRE(bed.world.guardian.spawns().size() == 2);
    CHECK(bed.world.guardian.last_spawn().listener == FakePort::kListener);
    CHECK(bed.world.guardian.last_spawn().generation == 2);
    CHECK(bed.service->status().port == 5001);
    bed.world.guardian.started();
    bed.run();
    bed.healthy();
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.service->status().url == "http://127.0.0.1:5001");
}

TEST_CASE("a stop wins over the search for a port that was lost", "[service][port]") {
    ServiceBed bed;
    bed.to_running();
    bed.service->stop("flask_stop");
    bed.crash();
    bed.world.port.lose();
    bed.service->start("flask_start");
    bed.service->stop("flask_stop");
    bed.run();
    CHECK(bed.state() == State::kStopped);
    CHECK(bed.world.guardian.spawns().size() == 1);
    CHECK(bed.service->status().port == 0);
}

TEST_CASE("nobody answers on a lost port while the exit that lost it waits for its last line",
          "[service][port]") {
    ServiceBed bed;
    bed.to_running();
    bed.service->stop("flask_stop");
    bed.advance(15s);
    REQUIRE(bed.state() == State::kUnkillable);
    bed.world.port.lose();
    bed.world.guardian.exited(3);
    bed.world.journal.clear();
    bed.service->start("flask_start");
    CHECK(bed.world.journal.count("answer") == 0);
    bed.world.guardian.empty();
    bed.advance(10ms);
    CHECK(bed.state() == State::kStarting);
    CHECK(bed.service->status().port == 5001);
}

// ---- who answers

TEST_CASE("the supervisor stops answering before it spawns", "[service][responder]") {
    ServiceBed bed;
    bed.to_running();
    bed.service->stop("flask_stop");
    bed.world.guardian.killed(15);
    bed.world.guardian.empty();
    CHECK(bed.world.port.answering());
    CHECK(bed.world.port.last_answer().state == "stopped");
    CHECK(bed.world.port.last_answer().cause == "flask_stop");
    bed.world.journal.clear();
    bed.service->start("flask_start");
    const auto& journal = bed.world.journal;
    CHECK(journal.count("stop answering") == 1);
    CHECK(journal.find("stop answering") < journal.find("listener"));
    CHECK(journal.find("listener") < journal.find("spawn 2"));
    CHECK_FALSE(bed.world.port.answering());
}

TEST_CASE("requests wait through a short backoff and are answered during a long one",
          "[service][responder]") {
    ServiceBed bed;
    bed.to_running();
    SECTION("short") {
        bed.world.strategies.decisions.push_back({DecisionAction::kRestart, 2s, "why"});
        bed.crash();
        CHECK(bed.state() == State::kBackingOff);
        CHECK(bed.world.journal.count("answer") == 0);
    }
    SECTION("long") {
        bed.world.strategies.decisions.push_back({DecisionAction::kRestart, 30s, "why"});
        bed.crash();
        CHECK(bed.world.port.answering());
        CHECK(bed.world.port.last_answer().state == "backing_off");
        CHECK(bed.world.port.last_answer().retry_after_s == 31);
        bed.advance(27'999ms);
        CHECK(bed.world.port.answering());
        bed.advance(1ms);
        CHECK_FALSE(bed.world.port.answering());
        CHECK(bed.world.guardian.spawns().size() == 1);
        bed.advance(2s);
        CHECK(bed.world.guardian.spawns().size() == 2);
    }
}

TEST_CASE("the supervisor answers while it is misconfigured, degraded or unkillable",
          "[service][responder]") {
    ServiceBed bed;
    bed.to_running();
    CHECK(bed.world.journal.count("answer") == 0);
    SECTION("misconfigured") {
        bed.world.guardian.exited(78);
        bed.world.guardian.empty();
        bed.advance(1ms);
        CHECK(bed.world.port.last_answer().state == "misconfigured");
        CHECK(bed.world.port.last_answer().retry_after_s == 5);
    }
    SECTION("degraded") {
        bed.world.strategies.decisions.push_back({DecisionAction::kGiveUp, 0ms, "too many"});
        bed.crash();
        CHECK(bed.world.port.last_answer().state == "degraded");
        CHECK(bed.world.port.last_answer().retry_after_s == 61);
    }
    SECTION("unkillable") {
        bed.service->stop("flask_stop");
        CHECK_FALSE(bed.world.port.answering());
        bed.advance(15s);
        CHECK(bed.world.port.last_answer().state == "unkillable");
    }
    CHECK(bed.world.port.answering());
}

TEST_CASE("for an app that binds for itself nobody answers", "[service][responder]") {
    ServiceBed bed(own_bind_app());
    bed.to_running();
    bed.service->stop("flask_stop");
    bed.crash();
    CHECK(bed.state() == State::kStopped);
    CHECK(bed.world.journal.count("answer") == 0);
}

TEST_CASE("after the session's end nobody answers any more", "[service][responder]") {
    ServiceBed bed;
    bed.to_running();
    bed.service->exit("stdin was closed", true);
    bed.crash();
    CHECK(bed.world.port.closed());
    bed.world.journal.clear();
    bed.service->start("flask_start");
    bed.service->stop("flask_stop");
    bed.world.guardian.empty();
    bed.advance(1h);
    CHECK(bed.world.journal.count("answer") == 0);
}

}  // namespace steward::tests
