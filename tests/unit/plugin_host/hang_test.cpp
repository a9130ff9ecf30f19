// Plugins that take too long or never come back: deadlines, fallbacks, quarantine.
//
// What hangs for ever stays in this process to its end, and so does its library: each such test
// has a copy of its own.
#include <dlfcn.h>

#include <fstream>

#include "catch.hpp"

#include "plugin_bed.hpp"

using namespace steward::test;
using namespace steward::core;

namespace {

// A function that a copy of the plugin has for the tests; the copy must have been loaded.
template <class Function>
Function* find_in(const std::string& file, const char* name) {
    void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD);
    REQUIRE(library != nullptr);
    auto* const function = reinterpret_cast<Function*>(dlsym(library, name));
    REQUIRE(function != nullptr);
    return function;
}

// The calls into a copy of the plugin so far.
int calls_into(const std::string& file) {
    int calls = 0;
    int created = 0;
    int destroyed = 0;
    find_in<void(int*, int*, int*)>(file, "awkward_counts")(&calls, &created, &destroyed);
    return calls;
}

// The threads of this process with this name.
int threads_called(const std::string& name) {
    int count = 0;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
        std::ifstream file(task.path() / "comm");
        std::string comm;
        count += std::getline(file, comm) && comm == name ? 1 : 0;
    }
    return count;
}

template <class Condition>
bool eventually(Condition condition) {
    const auto begin = std::chrono::steady_clock::now();
    while (!condition()) {
        if (since(begin) > kPatience) {
            return false;
        }
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

struct OwnCopy {
    Folder folder;
    std::string file = folder.add(kTestFolder, "awkward");

    StrategyChoice choice(const std::string& kind, const std::string& mode, int ms = 0) const {
        auto chosen = awkward(kind, mode, ms);
        for (auto* slot : {&chosen.health, &chosen.restart, &chosen.port, &chosen.metrics}) {
            if (*slot == "awkward") {
                *slot = file;
            }
        }
        return chosen;
    }
};

constexpr auto kAtOnce = 100ms;

}  // namespace

TEST_CASE("a late decision is answered by the fallback and dropped, and the plugin is asked again",
          "[strategies][hang]") {
    const OwnCopy copy;
    Bed bed(copy.choice("restart", "decide_slow_once", 600));
    REQUIRE(bed.prepare());

    const auto late = bed.decide();
    CHECK(late.took >= 250ms);
    CHECK(late.took < 350ms);
    CHECK(late.value.action == DecisionAction::kRestart);
    CHECK(late.value.delay >= 200ms);
    CHECK(late.value.delay <= 300ms);
    CHECK_THAT(late.value.why,
               Catch::EndsWith("(the built-in fallback: awkward 2.1.0: decide took more than 250 "
                               "ms; the built-in fallback answered)"));
    const auto reports = bed.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].name == EventName::kPluginLate);
    CHECK(reports[0].plugin == "awkward 2.1.0");
    CHECK(reports[0].call == "decide");
    CHECK(reports[0].cause ==
          "awkward 2.1.0: decide took more than 250 ms; the built-in fallback answered");

    // The late answer comes 350 ms later and goes nowhere (the bed counts answers); the next
    // question waits behind it and is the plugin's.
    std::this_thread::sleep_for(400ms);
    const auto next = bed.decide();
    CHECK(next.value.delay == 123ms);
    CHECK_THAT(next.value.why, Catch::StartsWith("call 2 "));
    CHECK(next.took < kAtOnce);
    // It came back: 2 s later there is still no quarantine.
    CHECK_FALSE(bed.wait_for(EventName::kPluginQuarantined, 1, 2200ms));
    CHECK(bed.names()["restart"] == "awkward 2.1.0");
}

TEST_CASE("a question that waits for an earlier call has its own 250 ms", "[strategies][hang]") {
    const OwnCopy copy;
    Bed bed(copy.choice("restart", "decide_slow", 150));
    REQUIRE(bed.prepare());
    // Each takes 150 ms, so the third is answered 450 ms after it was asked.
    auto first = bed.ask_decide();
    auto second = bed.ask_decide();
    auto third = bed.ask_decide();
    CHECK(Bed::wait(std::move(first)).value.delay == 123ms);
    CHECK(Bed::wait(std::move(second)).value.delay == 123ms);
    const auto last = Bed::wait(std::move(third));
    CHECK(last.value.delay == 123ms);
    CHECK(last.took >= 450ms);
    CHECK(bed.reports().empty());
}

TEST_CASE("a question behind a call with more time waits for that call", "[strategies][hang]") {
    const OwnCopy copy;
    const auto host = std::make_shared<Host>(places());
    Bed slow(host, copy.choice("metrics", "sample_slow", 600));
    Bed behind(host, copy.choice("restart", "good"));
    REQUIRE(slow.prepare());
    REQUIRE(behind.prepare());
    auto sample = slow.ask_sample();
    const auto decision = behind.decide();
    CHECK(decision.value.delay == 123ms);
    CHECK(decision.took >= 500ms);
    CHECK(Bed::wait(std::move(sample)).value.size() == 1);
    CHECK(behind.reports().empty());
    CHECK(slow.reports().empty());
}

TEST_CASE("a quarantined library is not called when its hung call comes back",
          "[strategies][hang]") {
    const OwnCopy copy;
    const int others = threads_called("pl:awkward");
    Bed bed(copy.choice("restart", "decide_slow_once", 3000));
    REQUIRE(bed.prepare());
    auto hung = bed.ask_decide();
    auto queued = bed.ask_decide();
    CHECK(Bed::wait(std::move(hung)).took < 350ms);
    CHECK(Bed::wait(std::move(queued)).took < 350ms);
    REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
    // The call comes back, and the thread ends.
    CHECK(eventually([&] { return threads_called("pl:awkward") == others; }));
    CHECK(calls_into(copy.file) == 1);
}

TEST_CASE("what deinit posts is refused", "[strategies][hang]") {
    const OwnCopy copy;
    const auto host = std::make_shared<Host>(places());
    Bed bed(host, copy.choice("restart", "deinit_post"));
    CHECK(bed.decide().value.delay == 123ms);
    bed.end();
    host->end_libraries();
    int posted = 0;
    int ran = 0;
    find_in<void(int*, int*)>(copy.file, "awkward_ending")(&posted, &ran);
    CHECK(posted == STEWARD_E_GONE);
    CHECK(ran == 0);
}

TEST_CASE("a decision that never comes back costs the library, and the loop notices nothing",
          "[strategies][hang]") {
    const OwnCopy copy;
    Bed bed(copy.choice("restart", "decide_hang"));
    REQUIRE(bed.prepare());
    Ticker ticker(bed.host->loop);
    const auto begin = std::chrono::steady_clock::now();

    const auto first = bed.decide();
    CHECK(first.took >= 250ms);
    CHECK(first.took < 350ms);
    CHECK(first.value.action == DecisionAction::kRestart);
    REQUIRE(bed.wait_for(EventName::kPluginLate, 1, 1000ms));

    REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
    const auto quarantined = since(begin);
    CHECK(quarantined >= 2250ms);
    CHECK(quarantined < 2450ms);
    const auto reports = bed.reports();
    CHECK(reports.back().plugin == "awkward");
    CHECK(reports.back().call == "decide");
    CHECK(reports.back().cause ==
          "awkward: decide has not come back; it is not called any more, the built-in fallback "
          "answers");

    for (int i = 0; i < 10; ++i) {
        const auto later = bed.decide();
        CHECK(later.took < kAtOnce);
        CHECK(later.value.action == DecisionAction::kRestart);
        CHECK_THAT(later.value.why,
                   Catch::EndsWith("(the built-in fallback: awkward 2.1.0 is quarantined)"));
    }
    CHECK(bed.names()["restart"] == "awkward 2.1.0 (quarantined)");
    CHECK(bed.count(EventName::kPluginLate) == 1);
    CHECK(bed.count(EventName::kPluginQuarantined) == 1);

    ticker.stop();
    INFO("longest gap " << to_ms(ticker.longest()) << " ms in " << ticker.ticks() << " ticks");
    CHECK(ticker.ticks() > 100);
    CHECK(ticker.longest() < 50ms);
}

TEST_CASE("questions behind a call that hangs are answered too", "[strategies][hang]") {
    const OwnCopy copy;
    Bed bed(copy.choice("restart", "decide_hang"));
    REQUIRE(bed.prepare());
    std::vector<std::future<Timed<RestartAnswer>>> open;
    for (int i = 0; i < 20; ++i) {
        open.push_back(bed.ask_decide());
    }
    for (std::size_t i = 0; i < open.size(); ++i) {
        const auto answer = Bed::wait(std::move(open[i]));
        CHECK(answer.took >= 250ms);
        CHECK(answer.took < 350ms);
        CHECK_THAT(answer.value.why, Catch::Contains("the built-in fallback"));
        CHECK_THAT(answer.value.why,
                   Catch::Contains(i == 0 ? "decide took more than 250 ms;"
                                          : "decide did not begin: it waited behind decide, which "
                                            "took more than 250 ms;"));
    }
    REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
    CHECK(bed.count(EventName::kPluginQuarantined) == 1);
}

TEST_CASE("one service's hang is the other's fallback, not its hang", "[strategies][hang]") {
    const OwnCopy copy;
    const auto host = std::make_shared<Host>(places());
    Bed hangs(host, copy.choice("restart", "decide_hang"));
    Bed good(host, copy.choice("restart", "good"));
    REQUIRE(hangs.prepare());
    REQUIRE(good.prepare());
    auto hung = hangs.ask_decide();
    auto behind = good.ask_decide();
    CHECK(Bed::wait(std::move(hung)).took < 350ms);
    const auto answer = Bed::wait(std::move(behind));
    CHECK(answer.took < 350ms);
    CHECK_THAT(answer.value.why, Catch::Contains("the built-in fallback"));
    // Whichever looks first, both hear of it.
    REQUIRE(hangs.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
    REQUIRE(good.wait_for(EventName::kPluginQuarantined, 1, 1000ms));
    const auto later = good.decide();
    CHECK(hangs.count(EventName::kPluginQuarantined) == 1);
    CHECK(good.count(EventName::kPluginQuarantined) == 1);
    CHECK(later.took < kAtOnce);
    CHECK_THAT(later.value.why, Catch::Contains("is quarantined"));
    // Another library is not concerned.
    Bed other(host, only("restart", "restart_backoff"));
    CHECK_THAT(other.decide().value.why, !Catch::Contains("fallback"));
}

TEST_CASE("a start that hangs is UNKNOWN, and probes after it too", "[strategies][hang]") {
    const OwnCopy copy;
    Bed bed(copy.choice("health", "start_hang"));
    REQUIRE(bed.prepare());
    const auto probe = bed.probe(10'000ms);
    CHECK(probe.value.verdict == Verdict::kUnknown);
    CHECK_THAT(probe.value.detail, Catch::Contains("start took more than 250 ms"));
    CHECK(probe.took >= 250ms);
    CHECK(probe.took < 350ms);
    REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
    const auto later = bed.probe(10'000ms);
    CHECK(later.value.verdict == Verdict::kUnknown);
    CHECK(later.value.detail == "awkward 2.1.0 is quarantined");
    CHECK(later.took < kAtOnce);
    bed.host->loop.run([&] { bed.strategies().cancel_probe(); });
}

TEST_CASE("a sample that hangs is empty after a second", "[strategies][hang]") {
    const OwnCopy copy;
    Bed bed(copy.choice("metrics", "sample_hang"));
    REQUIRE(bed.prepare());
    const auto sample = bed.sample();
    CHECK(sample.value.empty());
    CHECK(sample.took >= 1000ms);
    CHECK(sample.took < 1150ms);
    REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
    const auto later = bed.sample();
    CHECK(later.value.empty());
    CHECK(later.took < kAtOnce);
}

TEST_CASE("a create that takes five seconds costs two, and its instance is not kept",
          "[strategies][hang]") {
    const OwnCopy copy;
    const auto host = std::make_shared<Host>(places());
    Bed bed(host, copy.choice("restart", "create_slow", 5000));
    Ticker ticker(host->loop);
    const auto decision = bed.decide();
    // Until the plugin is given up on, the question waits.
    CHECK(decision.took >= 2000ms);
    CHECK(decision.took < 2300ms);
    CHECK_THAT(decision.value.why,
               Catch::Contains("awkward: cannot be created: awkward 2.1.0: create took more than "
                               "2000 ms"));
    CHECK(bed.count(EventName::kPluginLate) == 1);
    // 2 s later it has still not come back.
    REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 2, 5000ms));
    CHECK(bed.decide().took < kAtOnce);
    ticker.stop();
    CHECK(ticker.longest() < 50ms);
}

TEST_CASE("a create that is a little late is undone when it comes", "[strategies][hang]") {
    const OwnCopy copy;
    const auto host = std::make_shared<Host>(places());
    Bed late(host, copy.choice("restart", "create_slow", 2500));
    Bed watcher(host, copy.choice("restart", "good"));
    const auto status = late.prepare();
    REQUIRE_FALSE(status);
    CHECK_THAT(status.error().text, Catch::Contains("create took more than 2000 ms"));
    REQUIRE(watcher.prepare());
    CHECK_THAT(watcher.decide().value.why, Catch::Contains(" create 2 destroy 1 "));
    CHECK(late.count(EventName::kPluginQuarantined) == 0);
}

TEST_CASE("strategies and libraries can be let go of while a plugin hangs", "[strategies][hang]") {
    const OwnCopy copy;
    auto host = std::make_shared<Host>(places());
    const bool quarantined = GENERATE(false, true);
    {
        Bed bed(host, copy.choice("restart", "decide_hang"));
        REQUIRE(bed.prepare());
        CHECK(bed.decide().took < 350ms);
        if (quarantined) {
            REQUIRE(bed.wait_for(EventName::kPluginQuarantined, 1, 5000ms));
        }
    }
    const auto begin = std::chrono::steady_clock::now();
    host->end_libraries();
    CHECK(since(begin) < (quarantined ? 500ms : 2500ms));
}

TEST_CASE("what comes back after everything has ended is dropped", "[strategies][hang]") {
    const OwnCopy copy;
    const int others = threads_called("pl:awkward");
    const std::string mode = GENERATE("decide_slow_once", "start_slow", "create_slow");
    CAPTURE(mode);
    {
        auto host = std::make_shared<Host>(places());
        Bed bed(host, copy.choice(mode == "start_slow" ? "health" : "restart", mode, 5000));
        CHECK(static_cast<bool>(bed.prepare()) == (mode != "create_slow"));
        if (mode == "start_slow") {
            CHECK(bed.probe(10'000ms).took < 350ms);
        } else {
            CHECK(bed.decide().took < 350ms);
        }
        // The libraries wait two seconds for it, and the loops end after them.
    }
    REQUIRE(threads_called("pl:awkward") == others + 1);
    CHECK(eventually([&] { return threads_called("pl:awkward") == others; }));
}
