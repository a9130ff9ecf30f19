// Probes as the service judges them: whose answer it is, and whether the machine was awake.
#include "service_bed.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

TEST_CASE("a probe is asked with the app's pid, address, port and instance", "[service][probe]") {
    ServiceBed bed;
    bed.to_starting();
    REQUIRE(bed.world.strategies.probe_questions.size() == 1);
    const auto& question = bed.world.strategies.probe_questions[0];
    CHECK(question.pid == bed.service->status().pid);
    CHECK(question.address == "127.0.0.1");
    CHECK(question.port == 5000);
    CHECK(question.attempt == 1);
    CHECK(question.instance_id == bed.service->status().instance_id);
    CHECK(question.deadline == bed.time().now() + 30s);
}

TEST_CASE("with the socket handed over any answer is the app's own", "[service][probe]") {
    ServiceBed bed;
    bed.to_starting();
    bed.world.port.stranger = "4242 (python3)";
    bed.world.strategies.answer_probe(Verdict::kHealthy, "GET /health: 200", "");
    bed.run();
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.world.journal.count("stranger?") == 0);
}

TEST_CASE("an app that binds for itself is believed when the answer carries its instance id",
          "[service][probe]") {
    ServiceBed bed(own_bind_app());
    bed.to_starting();
    bed.world.port.stranger = "4242 (python3)";
    bed.healthy();
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.world.journal.count("stranger?") == 0);
}

TEST_CASE("an answer without the id is believed when our own tree listens", "[service][probe]") {
    ServiceBed bed(own_bind_app());
    bed.to_starting();
    bed.world.strategies.answer_probe(Verdict::kHealthy, "GET /health: 200", "");
    bed.run();
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.world.journal.count("stranger?") == 1);
}

TEST_CASE("an impostor's answer is unhealthy and names the impostor", "[service][probe]") {
    ServiceBed bed(own_bind_app());
    bed.to_running();
    bed.world.port.stranger = "4242 (python3)";
    bed.advance(5s);
    bed.world.strategies.answer_probe(Verdict::kHealthy, "GET /health: 200", "another");
    bed.run();
    CHECK(bed.state() == State::kRunning);
    CHECK_FALSE(bed.service->status().healthy);
    CHECK(bed.service->status().cause ==
          "port 5000 is answered by 4242 (python3), not by this app (GET /health: 200) (failure 1 "
          "of 3)");
}

TEST_CASE("a held socket that others may share is looked at like one of the app's own",
          "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.port.stranger = "4242 (python3)";
    const auto answer = [&] {
        bed.advance(5s);
        bed.world.strategies.answer_probe(Verdict::kHealthy, "GET /health: 200", "");
        bed.run();
    };
    answer();
    CHECK(bed.service->status().healthy);
    bed.world.port.may_be_shared = true;
    answer();
    CHECK_FALSE(bed.service->status().healthy);
    CHECK_THAT(bed.service->status().cause,
               Catch::Contains("port 5000 is answered by 4242 (python3), not by this app"));
}

TEST_CASE("a failure over which the machine slept counts nothing and is asked again",
          "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    bed.advance(5s);
    REQUIRE(bed.world.strategies.probing());
    const auto probes = bed.world.strategies.probe_questions.size();
    bed.world.os.suspend(1h);
    bed.sick();
    CHECK(bed.service->status().healthy);
    CHECK(bed.world.named(EventName::kProbeFailed).empty());
    CHECK(bed.world.strategies.probe_questions.size() == probes + 1);
    bed.healthy();
    CHECK(bed.service->status().healthy);
}

TEST_CASE("a failure that is reported more than a second late counts nothing", "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    bed.advance(5s);
    bed.time().stall(2s + 1001ms);
    bed.sick();
    CHECK(bed.world.named(EventName::kProbeFailed).empty());
    CHECK(bed.world.strategies.probing());
}

TEST_CASE("a failure that is reported in time counts", "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    bed.advance(5s);
    bed.world.os.suspend(900ms);
    bed.time().stall(2900ms);
    bed.sick();
    CHECK(bed.world.named(EventName::kProbeFailed).size() == 1);
    CHECK(bed.service->status().cause == "GET /health: 500 (failure 1 of 3)");
}

TEST_CASE("a healthy answer counts even when it is late", "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    bed.advance(5s);
    const auto epoch = bed.service->machine().epoch;
    bed.time().stall(20s);
    bed.world.strategies.answer_probe(Verdict::kHealthy);
    bed.run();
    CHECK(bed.service->status().healthy);
    // Overdue, so the next one has followed at once, but this one was not asked again.
    CHECK(bed.service->machine().epoch == epoch + 1);
    CHECK(bed.world.named(EventName::kServiceHealthy).size() == 1);
}

TEST_CASE("a loop that slept through the start-up time does not take the app down",
          "[service][probe]") {
    ServiceBed bed;
    bed.to_starting();
    bed.time().stall(60s);
    SECTION("the timer is served first") {
        bed.run();
        bed.sick("GET /health: no answer within 30 s");
    }
    SECTION("the probe's answer is served first") {
        bed.sick("GET /health: no answer within 30 s");
    }
    CHECK(bed.state() == State::kStarting);
    REQUIRE(bed.world.strategies.probing());
    bed.advance(1s);
    bed.healthy();
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.world.journal.count("terminate") == 0);
}

TEST_CASE("the answer to a cancelled probe is dropped", "[service][probe]") {
    ServiceBed bed;
    bed.to_starting();
    bed.crash();
    CHECK(bed.world.journal.count("cancel probe") == 1);
    CHECK(bed.state() == State::kBackingOff);
    bed.advance(250ms);
    CHECK(bed.state() == State::kStarting);
}

TEST_CASE("three failures take the app down", "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    for (int i = 0; i < 3; ++i) {
        bed.advance(5s);
        bed.sick();
    }
    CHECK(bed.state() == State::kUnhealthy);
    CHECK(bed.world.journal.count("terminate") == 1);
    bed.world.guardian.killed(15);
    bed.world.guardian.empty();
    bed.run();
    CHECK(bed.state() == State::kBackingOff);
    CHECK(bed.world.strategies.restart_questions.at(0).history.back().kind == STEWARD_EV_HEALTH);
}

TEST_CASE("a probe without an answer is told with what the app did since the last look",
          "[service][probe]") {
    ServiceBed bed;
    bed.to_running();
    bed.advance(4s);
    bed.world.os.set_busy(true);
    bed.advance(1s);
    const auto no_answer = [&bed] {
        REQUIRE(bed.world.strategies.probing());
        bed.advance(2s);
        bed.world.strategies.answer_probe(Verdict::kUnhealthy, "GET /health: no answer within 2 s",
                                          {}, /*timed_out=*/true);
        bed.run();
    };
    no_answer();
    // From the probe's start.
    CHECK(bed.service->status().cause ==
          "GET /health: no answer within 2 s (failure 1 of 3); busy: used 100 % of a core over the "
          "last 2.0 s, no connection waits");
    bed.advance(1s);
    bed.world.os.set_busy(false);
    bed.world.os.queued = 2;
    bed.advance(2s);
    no_answer();
    // From the last failed one.
    CHECK(bed.service->status().cause ==
          "GET /health: no answer within 2 s (failure 2 of 3); hung: used 20 % of a core over the "
          "last 5.0 s, 2 connections wait");
    bed.advance(3s);
    bed.sick();
    // The busy one does not count against it.
    CHECK(bed.service->status().cause ==
          "GET /health: 500 (failure 3, tolerated for at most 1 min)");
    CHECK(bed.state() == State::kRunning);
    bed.world.os.unreadable = "/proc is not there";
    bed.advance(5s);
    no_answer();
    CHECK(bed.state() == State::kUnhealthy);
    CHECK_THAT(bed.service->status().cause,
               Catch::Contains("; busy or hung cannot be told: /proc is not there"));
}

TEST_CASE("the stack dump is awaited before it is asked for, and SIGTERM follows it",
          "[service][probe]") {
    auto config = app_config();
    config.stack_dump = {10, "call first"};
    config.machine.health_failures = 1;
    ServiceBed bed(config);
    bed.to_running();
    bed.advance(5s);
    bed.world.output.dump_takes = 30ms;
    bed.world.strategies.answer_probe(Verdict::kUnhealthy, "GET /health: late", {},
                                      /*timed_out=*/true);
    bed.run();
    CHECK(bed.state() == State::kUnhealthy);
    auto& journal = bed.world.journal;
    const auto awaited = journal.find("await call first of 1");
    CHECK(journal.find("signal 10", awaited) == awaited + 1);
    CHECK(journal.count("terminate") == 0);
    bed.advance(29ms);
    CHECK(journal.count("terminate") == 0);
    bed.advance(1ms);
    CHECK(journal.count("terminate") == 1);
    CHECK_THAT(bed.service->status().cause, Catch::Contains("; stack dump in the app's log"));
}

}  // namespace steward::tests
