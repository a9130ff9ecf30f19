// PluginStrategies with plugins that behave: the default set, and the test plugin in its good mode.
#include "catch.hpp"

#include <unistd.h>

#include "plugin_bed.hpp"

using namespace steward::test;
using namespace steward::core;
using Ports = std::vector<std::uint16_t>;

TEST_CASE("the default plugins answer", "[strategies]") {
    Bed bed{StrategyChoice{}};
    REQUIRE(bed.prepare());

    const auto ports = bed.propose({"127.0.0.1", 5000, 5000, 5003, {5001}, 1});
    CHECK(ports.value.candidates == Ports{5000, 5002, 5003});
    CHECK(ports.value.by == "port_sequential 0.1.0");

    const auto decision = bed.decide();
    CHECK(decision.value.action == DecisionAction::kRestart);
    CHECK(decision.value.delay >= 200ms);
    CHECK(decision.value.delay <= 300ms);
    CHECK_THAT(decision.value.why, Catch::Contains("exit code 3"));

    // Nobody listens on port 1.
    const auto probe = bed.probe(2000ms);
    CHECK(probe.value.verdict == Verdict::kUnhealthy);
    CHECK(probe.value.detail == "GET /health: connection refused");

    // The tree below process 1 is everything there is.
    const auto metrics = bed.sample(1);
    std::map<std::string, double> values;
    for (const auto& metric : metrics.value) {
        values[metric.name] = metric.value;
    }
    CHECK(values.count("cpu_percent") == 1);
    CHECK(values["rss_bytes"] > 0);
    CHECK(values["processes"] >= 1);

    const std::map<std::string, std::string> names{{"health", "health_http 0.1.0"},
                                                   {"restart", "restart_backoff 0.1.0"},
                                                   {"port", "port_sequential 0.1.0"},
                                                   {"metrics", "metrics_proc 0.1.0"}};
    CHECK(bed.names() == names);
    CHECK(bed.reports().empty());
}

TEST_CASE("an answer does not come from inside the question", "[strategies]") {
    Bed bed(only("port", GENERATE(as<std::string>{}, "none", "awkward")));
    REQUIRE(bed.prepare());
    const bool inside = bed.host->loop.run([&] {
        auto answered = std::make_shared<bool>(false);
        bed.strategies().propose_ports({"127.0.0.1", 5000, 5000, 5000, {}, 1},
                                       [answered](const PortProposal&) { *answered = true; });
        bed.strategies().decide_restart({}, [answered](const RestartAnswer&) { *answered = true; });
        bed.strategies().probe({}, [answered](const ProbeAnswer&) { *answered = true; });
        bed.strategies().sample({}, [answered](const std::vector<Metric>&) { *answered = true; });
        return *answered;
    });
    CHECK_FALSE(inside);
}

TEST_CASE("a question before prepare() loads the plugins and is answered by them", "[strategies]") {
    Bed bed{StrategyChoice{}};
    // Several at once: all wait for the same preparation.
    auto first = bed.ask_decide();
    auto second = bed.ask_decide();
    auto probe = bed.ask_probe(2000ms);
    const auto ports = bed.propose();
    CHECK(ports.value.by == "port_sequential 0.1.0");
    CHECK_THAT(Bed::wait(std::move(first)).value.why, !Catch::Contains("fallback"));
    CHECK_THAT(Bed::wait(std::move(second)).value.why, !Catch::Contains("fallback"));
    CHECK(Bed::wait(std::move(probe)).value.verdict == Verdict::kUnhealthy);
    CHECK(bed.prepare());
    CHECK(bed.prepare());
    CHECK(bed.reports().empty());
}

TEST_CASE("a restart policy is told the time of day with the question", "[strategies]") {
    Bed bed(awkward("restart", "decide_wall"));
    REQUIRE(bed.prepare());
    RestartQuestion question;
    question.history = {HistoryEvent{}};
    question.wall = WallTime(std::chrono::seconds(1'764'000'000));
    question.utc_offset = -90min;
    CHECK(bed.decide(question).value.why == "1764000000 s, -5400 s east");
}

TEST_CASE("a sample before the plugins are there is empty and loads nothing", "[strategies]") {
    Bed bed{StrategyChoice{}};
    CHECK(bed.sample(1).value.empty());
    CHECK(bed.names()["metrics"] == "metrics_proc");
}

TEST_CASE("settings reach the plugin completed, and each instance has its own", "[strategies]") {
    const auto host = std::make_shared<Host>();
    Bed plain(host, only("restart", "awkward"));
    Bed set(host, awkward("restart", "set", 7));
    CHECK_THAT(plain.decide().value.why, Catch::EndsWith(R"(config {"mode":"good","ms":0})"));
    CHECK_THAT(set.decide().value.why, Catch::EndsWith(R"(config {"mode":"set","ms":7})"));
    CHECK_THAT(plain.decide().value.why, Catch::EndsWith(R"(config {"mode":"good","ms":0})"));

    auto choice = only("restart", "restart_backoff");
    choice.settings["restart_backoff"] = {{"base_ms", "4000"}, {"jitter_percent", "0"}};
    Bed slow(host, choice);
    CHECK(slow.decide().value.delay == 4000ms);
}

TEST_CASE("what is wrong with the choice is the first error of prepare()", "[strategies]") {
    struct Row {
        StrategyChoice choice;
        std::string text;
    };
    auto with = [](const std::string& kind, const std::string& id, const std::string& plugin,
                   const std::string& key, const std::string& value) {
        auto choice = only(kind, id);
        choice.settings[plugin][key] = value;
        return choice;
    };
    const std::vector<Row> rows{
        {only("health", "nowhere"),
         "nowhere: no such plugin; see `steward plugins`, or give the folder of "
         "steward_nowhere.so with --plugin-dir"},
        {only("health", "restart_backoff"),
         "restart_backoff: is no health strategy (it offers steward.restart/1); see `steward "
         "plugins`"},
        {with("restart", "restart_backoff", "restart_backoff", "base_ms", "-1"),
         "restart_backoff.base_ms: must be >= 0 (got -1)"},
        {with("restart", "restart_backoff", "restart_backof", "base_ms", "1"),
         "restart_backof.base_ms: restart_backof is none of the strategies in use; name it with "
         "--health, --restart, --port-strategy or --metrics, or leave --set out"},
        {awkward("restart", "create_refuse"), "awkward.mode: will not be refused"},
        {with("restart", "thrower", "thrower", "where", "create"),
         "thrower: cannot be created: thrown by create"},
    };
    for (const auto& row : rows) {
        Bed bed(row.choice);
        const auto status = bed.prepare();
        CAPTURE(row.text);
        REQUIRE_FALSE(status);
        CHECK(status.error().text == row.text);
        // Who asked has been told; nobody else.
        CHECK(bed.reports().empty());
        // The same again, and the questions are answered by the fallback that names the cause.
        const auto again = bed.prepare();
        REQUIRE_FALSE(again);
        CHECK(again.error().text == row.text);
        if (row.choice.restart != "none" &&
            row.text.find("none of the strategies") == std::string::npos) {
            const auto decision = bed.decide();
            CHECK(decision.value.action == DecisionAction::kRestart);
            CHECK_THAT(decision.value.why, Catch::Contains("(the built-in fallback: " + row.text));
            CHECK_THAT(bed.names()["restart"], Catch::Contains("(not loaded: " + row.text + ")"));
        }
    }
}

TEST_CASE("a setting for a plugin that is not in use costs no slot", "[strategies]") {
    auto choice = awkward("health", "good");
    choice.restart = "awkward";
    choice.settings["health_httb"]["path"] = "/";
    Bed bed(choice);
    SECTION("who prepares is told") {
        const auto status = bed.prepare();
        REQUIRE_FALSE(status);
        CHECK_THAT(status.error().text, Catch::StartsWith("health_httb.path: "));
        CHECK(bed.reports().empty());
    }
    SECTION("who does not is told by a report") {
        (void)bed.decide();
        const auto reports = bed.reports();
        REQUIRE(reports.size() == 1);
        CHECK(reports[0].plugin == "health_httb");
        CHECK_THAT(reports[0].cause, Catch::EndsWith("; the setting has no effect"));
    }
    CHECK(bed.probe(10'000ms).value.verdict == Verdict::kHealthy);
    CHECK(bed.decide().value.delay == 123ms);
    CHECK(bed.names()["health"] == "awkward 2.1.0");
}

TEST_CASE("a plugin that cannot be loaded lazily is reported and the fallback answers",
          "[strategies]") {
    Bed bed(awkward("restart", "create_refuse"));
    const auto decision = bed.decide();
    CHECK(decision.value.action == DecisionAction::kRestart);
    CHECK_THAT(decision.value.why, Catch::Contains("will not be refused"));
    const auto reports = bed.reports();
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].name == EventName::kPluginQuarantined);
    CHECK(reports[0].plugin == "awkward");
    CHECK(reports[0].call == "load");
    CHECK_THAT(reports[0].cause, Catch::EndsWith("; the built-in fallback answers"));
}

TEST_CASE("each slot can have no strategy", "[strategies]") {
    Bed bed(StrategyChoice{"none", "none", "none", "none", {}});
    REQUIRE(bed.prepare());
    const std::map<std::string, std::string> names{
        {"health", "none"}, {"restart", "none"}, {"port", "none"}, {"metrics", "none"}};
    CHECK(bed.names() == names);

    const auto decision = bed.decide();
    CHECK(decision.value.action == DecisionAction::kStayDown);
    CHECK(decision.value.why == "no restart strategy is chosen");

    // The port that was asked for and no other.
    CHECK(bed.propose({"127.0.0.1", 5000, 5000, 5009, {}, 1}).value.candidates == Ports{5000});
    CHECK(bed.propose({"127.0.0.1", 5000, 5000, 5009, {5000}, 1}).value.candidates.empty());
    CHECK(bed.propose({"127.0.0.1", 5000, 5000, 5009, {}, 2}).value.candidates.empty());

    const auto probe = bed.probe(5000ms);
    CHECK(probe.value.verdict == Verdict::kUnknown);
    CHECK(probe.value.detail == "none is chosen");
    CHECK(probe.took < 1s);
    CHECK(bed.sample(1).value.empty());
    CHECK(bed.reports().empty());
}

TEST_CASE("a plugin may be chosen by its path", "[strategies]") {
    Bed bed(only("restart", file_of(kTestFolder, "awkward")), places());
    REQUIRE(bed.prepare());
    CHECK(bed.names()["restart"] == "awkward 2.1.0");
    CHECK(bed.decide().value.delay == 123ms);
}

TEST_CASE("two services share a library's thread and their calls never overlap", "[strategies]") {
    const auto host = std::make_shared<Host>();
    Bed one(host, StrategyChoice{"awkward", "awkward", "awkward", "awkward", {}});
    Bed two(host, only("restart", "awkward"));
    REQUIRE(one.prepare());
    REQUIRE(two.prepare());
    const auto calls = [](const std::string& why) { return std::stoi(why.substr(5)); };
    const int before = calls(one.decide().value.why);

    std::vector<std::future<Timed<RestartAnswer>>> decisions;
    std::vector<std::future<Timed<ProbeAnswer>>> probes;
    for (int i = 0; i < 50; ++i) {
        decisions.push_back(one.ask_decide());
        decisions.push_back(two.ask_decide());
        probes.push_back(one.ask_probe(10'000ms));
    }
    for (auto& decision : decisions) {
        CHECK(Bed::wait(std::move(decision)).value.delay == 123ms);
    }
    for (auto& probe : probes) {
        CHECK(Bed::wait(std::move(probe)).value.verdict == Verdict::kHealthy);
    }
    const std::string last = two.decide().value.why;
    CHECK(calls(last) == before + 201);
    CHECK_THAT(last, Catch::Contains(" overlaps 0 "));
    CHECK(one.reports().empty());
    CHECK(two.reports().empty());
}

TEST_CASE("one file under two names is one library with one thread", "[strategies]") {
    const Folder folder;
    const std::string copy = folder.add(kTestFolder, "awkward");
    const Folder other;
    const bool hard = GENERATE(false, true);
    if (hard) {
        fs::create_hard_link(copy, file_of(other.path(), "awkward"));
    } else {
        fs::create_symlink(copy, file_of(other.path(), "awkward"));
    }
    const auto host = std::make_shared<Host>(places());
    Bed one(host, only("restart", copy));
    Bed two(host, only("restart", file_of(other.path(), "awkward")));
    REQUIRE(one.prepare());
    REQUIRE(two.prepare());
    std::vector<std::future<Timed<RestartAnswer>>> decisions;
    for (int i = 0; i < 50; ++i) {
        decisions.push_back(one.ask_decide());
        decisions.push_back(two.ask_decide());
    }
    std::string last;
    for (auto& decision : decisions) {
        last = Bed::wait(std::move(decision)).value.why;
        CHECK_THAT(last, Catch::Contains(" overlaps 0 "));
    }
    CHECK_THAT(last, Catch::StartsWith("call 100 "));
}

TEST_CASE("instances are destroyed with their strategies, and nobody is answered afterwards",
          "[strategies]") {
    const Folder folder;
    const std::string copy = folder.add(kTestFolder, "awkward");
    const auto host = std::make_shared<Host>(places());
    Bed watcher(host, only("restart", copy));
    // The probe's answer waits behind the decision, which takes long enough.
    StrategyChoice slow{copy, copy, "none", "none", {}};
    slow.settings["awkward"] = {{"mode", "decide_slow"}, {"ms", "200"}};
    {
        Bed bed(host, slow);
        REQUIRE(bed.prepare());
        CHECK_THAT(watcher.decide().value.why, Catch::Contains(" create 3 destroy 0 "));
        auto open = bed.ask_decide();
        auto probe = bed.ask_probe(60'000ms);
        bed.end();
        CHECK(Bed::unanswered(open, 300ms));
        CHECK(Bed::unanswered(probe, 0ms));
    }
    CHECK_THAT(watcher.decide().value.why, Catch::Contains(" create 3 destroy 2 "));
    {
        // Gone before its plugins are there.
        Bed bed(host, slow);
        auto open = bed.ask_decide();
        bed.end();
        CHECK(Bed::unanswered(open, 0ms));
    }
    // What was made for it is ended too, at the latest when the loops have done what was posted.
    host->files.run([] {});
    host->loop.run([] {});
    (void)watcher.decide();
    host->loop.run([] {});
    const std::string why = watcher.decide().value.why;
    CAPTURE(why);
    const auto number = [&why](const std::string& word) {
        return std::stoi(why.substr(why.find(word) + word.size()));
    };
    CHECK(number(" destroy ") == number(" create ") - 1);
}
