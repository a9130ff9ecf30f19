// Plugins that answer wrongly, too often, never or too much; those that hang are in hang_test.cpp.
#include "catch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "plugin_bed.hpp"

using namespace steward::test;
using namespace steward::core;
using Ports = std::vector<std::uint16_t>;

TEST_CASE("a decision that is none is answered by the fallback, which names it",
          "[strategies][bad]") {
    struct Row {
        std::string mode;
        int ms;
        std::string text;
    };
    const auto row = GENERATE(values<Row>({
        {"decide_action", 3, "awkward 2.1.0: it decided action 3, delay 123000000 ns"},
        {"decide_action", -1, "awkward 2.1.0: it decided action -1, delay 123000000 ns"},
        {"decide_delay", 5, "awkward 2.1.0: it decided action 0, delay -5 ns"},
        {"decide_fail", 0, "awkward 2.1.0: the oracle is closed"},
        {"decide_text", 0, "awkward 2.1.0: status 6"},
    }));
    Bed bed(awkward("restart", row.mode, row.ms));
    REQUIRE(bed.prepare());
    const auto decision = bed.decide();
    CHECK(decision.value.action == DecisionAction::kRestart);
    CHECK(decision.value.delay >= 200ms);
    CHECK(decision.value.delay <= 300ms);
    CHECK_THAT(decision.value.why, Catch::StartsWith("restart 1 of 5 in "));
    CHECK_THAT(decision.value.why,
               Catch::EndsWith(" ms (the built-in fallback: " + row.text + ")"));
    // A wrong answer is no reason to be quarantined: it may be right the next time.
    CHECK(bed.reports().empty());
    CHECK(bed.names()["restart"] == "awkward 2.1.0");
}

TEST_CASE("an exception in a policy written with the SDK is a failed answer", "[strategies][bad]") {
    auto choice = only("restart", "thrower");
    Bed bed(choice);
    REQUIRE(bed.prepare());
    CHECK_THAT(bed.decide().value.why,
               Catch::EndsWith("(the built-in fallback: thrower 1.0.0: thrown by decide)"));
    choice.settings["thrower"]["where"] = "number";
    Bed number(choice);
    CHECK_THAT(number.decide().value.why, Catch::Contains("thrower 1.0.0: an exception"));
}

TEST_CASE("ports that may not be proposed are left out", "[strategies][bad]") {
    Bed wild(awkward("port", "propose_wild"));
    CHECK(wild.propose({"127.0.0.1", 5000, 5000, 5009, {5003}, 1}).value.candidates == Ports{5009});
    // Nothing is left of the proposal, but there are ports: the fallback has them.
    const auto fallback = wild.propose({"127.0.0.1", 5000, 5000, 5001, {5001}, 1}).value;
    CHECK(fallback.candidates == Ports{5000});
    CHECK(fallback.by ==
          "the built-in fallback (awkward 2.1.0: it proposed no port that is allowed)");

    Bed many(awkward("port", "propose_count"));
    const auto capped = many.propose({"127.0.0.1", 5000, 5000, 6000, {}, 1}).value.candidates;
    CHECK(capped.size() == 128);
    CHECK(capped.front() == 5000);
    CHECK(capped.back() == 5127);
}

TEST_CASE("a probe that cannot be begun is UNKNOWN with the plugin's reason", "[strategies][bad]") {
    Bed bed(awkward("health", "start_fail"));
    const auto probe = bed.probe(10'000ms);
    CHECK(probe.value.verdict == Verdict::kUnknown);
    CHECK(probe.value.detail == "awkward 2.1.0: no stethoscope");
    CHECK(probe.took < 1s);
}

TEST_CASE("a probe that is never done is UNKNOWN at its deadline", "[strategies][bad]") {
    Bed bed(awkward("health", "done_never"));
    REQUIRE(bed.prepare());
    for (int i = 0; i < 2; ++i) {
        const auto probe = bed.probe(300ms);
        CHECK(probe.value.verdict == Verdict::kUnknown);
        CHECK(probe.value.detail == "awkward 2.1.0 did not answer by the deadline");
        // The deadline and 100 ms of grace.
        CHECK(probe.took >= 400ms);
        CHECK(probe.took < 500ms);
    }
    // Not answering a probe does not hold the thread: no quarantine.
    CHECK(bed.reports().empty());
}

TEST_CASE("a probe that is done twice, or from inside its start, is answered once",
          "[strategies][bad]") {
    Bed bed(awkward("health", GENERATE(as<std::string>{}, "done_twice", "done_inside")));
    REQUIRE(bed.prepare());
    for (int i = 0; i < 20; ++i) {
        const auto probe = bed.probe(5000ms);
        CHECK(probe.value.verdict == Verdict::kHealthy);
        CHECK(probe.value.instance_id == "me");
    }
}

TEST_CASE("a probe that is done without a result is UNKNOWN", "[strategies][bad]") {
    Bed bed(awkward("health", "done_null"));
    const auto probe = bed.probe(5000ms);
    CHECK(probe.value.verdict == Verdict::kUnknown);
    CHECK(probe.took < 1s);
}

TEST_CASE("a cancelled probe is not answered", "[strategies][bad]") {
    Bed bed(awkward("health", GENERATE(as<std::string>{}, "done_never", "good")));
    REQUIRE(bed.prepare());
    auto probe = bed.ask_probe(200ms);
    bed.host->loop.run([&] { bed.strategies().cancel_probe(); });
    CHECK(Bed::unanswered(probe, 400ms));
    // The next one is not touched by it.
    auto next = bed.ask_probe(300ms);
    CHECK(next.wait_for(kPatience) == std::future_status::ready);
}

TEST_CASE("metrics that are none are left out, and there is a limit", "[strategies][bad]") {
    Bed bed(awkward("metrics", "sample_wild"));
    REQUIRE(bed.prepare());
    const auto metrics = bed.sample().value;
    REQUIRE(metrics.size() == 256);
    CHECK(metrics[0].name == "answer");
    CHECK(metrics[0].value == 42);
    for (std::size_t i = 1; i < metrics.size(); ++i) {
        REQUIRE(metrics[i].name == "more");
    }
}

TEST_CASE("a plugin that floods the log is cut", "[strategies][bad]") {
    Bed bed(awkward("restart", "decide_log", 100'000));
    REQUIRE(bed.prepare());
    const auto decision = bed.decide();
    CHECK_THAT(decision.value.why, Catch::StartsWith("call "));
    const std::lock_guard lock(bed.host->mutex);
    // 50 at once and 20 a second more.
    const auto most = 51 + static_cast<std::size_t>(to_ms(decision.took)) / 50;
    CHECK(bed.host->lines.size() >= 50);
    CHECK(bed.host->lines.size() <= most);
    CHECK(bed.host->lines.front() == "awkward: flood");
}

TEST_CASE("what a plugin prints is no concern of the host", "[strategies][bad]") {
    // As main() does it: descriptor 1 is no protocol.
    const Folder folder;
    std::fflush(stdout);
    const int saved = fcntl(1, F_DUPFD_CLOEXEC, 3);
    const int file = open(folder.file("out").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(saved >= 0);
    REQUIRE(file >= 0);
    dup2(file, 1);
    std::string why;
    {
        Bed bed(awkward("restart", "decide_print"));
        why = bed.decide().value.why;
    }
    dup2(saved, 1);
    close(saved);
    close(file);
    CHECK_THAT(why, Catch::StartsWith("call "));
    std::ifstream text(folder.file("out"));
    std::string line;
    std::getline(text, line);
    CHECK(line == "printed by decide");
}
