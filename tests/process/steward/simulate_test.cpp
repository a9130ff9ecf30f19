// `steward simulate`: the real policy on a scripted history.
#include "bed.hpp"
#include "catch.hpp"

namespace steward::tests {
namespace {

// The events of a simulation.
std::vector<Json> simulated(const Sandbox& sandbox, const Arguments& args) {
    const auto output = run_steward(sandbox, Arguments{"simulate", "--json"} + args);
    INFO(output.err);
    REQUIRE(output.code == 0);
    std::vector<Json> events;
    std::istringstream lines(output.out);
    for (std::string line; std::getline(lines, line);) {
        events.push_back(parse_json(line));
    }
    return events;
}

std::vector<Json> named(const std::vector<Json>& events, const std::string& name) {
    std::vector<Json> found;
    for (const auto& event : events) {
        if (text_at(event, "event") == name) {
            found.push_back(event);
        }
    }
    return found;
}

}  // namespace

TEST_CASE("the timeline of an app that always crashes has the policy's delays and its end",
          "[simulate]") {
    const Sandbox sandbox;
    const auto events = simulated(sandbox, Arguments{"exit 1 after 2s", "--for", "90s"} +
                                               settings({"restart_backoff.jitter_percent=0"}));
    std::vector<std::int64_t> delays;
    for (const auto& event : named(events, "service.restart_scheduled")) {
        delays.push_back(number_at(event, "delay_ms"));
    }
    CHECK(delays == std::vector<std::int64_t>{250, 500, 1000, 2000, 4000});
    REQUIRE(named(events, "service.degraded").size() >= 1);
    // 6 instances of 2 s and 7.75 s of waiting; the half-open start follows 60 s later.
    const auto starts = named(events, "service.start");
    REQUIRE(starts.size() == 7);
    CHECK(text_at(starts.back(), "origin") == "half_open");
    const auto waited =
        milliseconds_of(starts.back()) - milliseconds_of(named(events, "service.degraded")[0]);
    CHECK(waited == 60'000);
}

TEST_CASE("steps follow each other, and the last one is repeated", "[simulate]") {
    const Sandbox sandbox;
    sandbox.write("history", "# one crash, then it hangs\nexit 3 x2\n");
    const auto output =
        run_steward(sandbox, Arguments{"simulate", "--history", sandbox.file("history"),
                                       "hang after 1m", "run", "--for", "10m"} +
                                 settings({"restart_backoff.jitter_percent=0"}));
    CHECK(output.code == 0);
    CHECK_THAT(output.out, Catch::Contains("exit code 3; restart 1 of 5 in 250 ms"));
    CHECK_THAT(output.out, Catch::Contains("exit code 3; restart 2 of 5 in 500 ms"));
    CHECK_THAT(output.out, Catch::Contains("3 failed health checks in a row"));
    CHECK_THAT(output.out, Catch::Contains("600.000 s  running after 3 restarts"));
    // Nothing was started, opened or written.
    for (const auto& folder : {sandbox.state(), sandbox.cache(), sandbox.data_dir()}) {
        CHECK(sandbox.snapshot().count(folder) == 0);
    }
}

TEST_CASE("the same seed gives the same timeline, another one another", "[simulate]") {
    const Sandbox sandbox;
    const Arguments crash{"simulate", "exit 1 after 1s", "--for", "1m"};
    const auto first = run_steward(sandbox, crash);
    CHECK(first.code == 0);
    CHECK(run_steward(sandbox, crash).out == first.out);
    CHECK(run_steward(sandbox, crash + Arguments{"--seed", "2"}).out != first.out);
}

TEST_CASE("the day begins when it is told to", "[simulate]") {
    const Sandbox sandbox;
    const auto events = simulated(sandbox, {"run", "--at", "07:30", "--for", "1m"});
    REQUIRE_FALSE(events.empty());
    CHECK(text_at(events.front(), "ts").substr(10) == "T07:30:00.000Z");
}

TEST_CASE("what cannot be simulated is wrong input", "[simulate]") {
    const Sandbox sandbox;
    using Row = std::pair<Arguments, std::string>;
    const auto [args, text] = GENERATE(values<Row>({
        {{}, "history: there is no step"},
        {{"crash"}, "must begin with exit"},
        {{"run", "--at", "24:00"}, "--at: must be a time of day from 00:00 to 23:59 (got 24:00)"},
        {{"run", "--restart", "nobody_has_it"}, "nobody_has_it: no such plugin"},
        {{"run", "--set", "restart_backoff.base_ms=-1"}, "restart_backoff.base_ms: must be >= 0"},
        {{"--history", "/nowhere"}, "/nowhere cannot be read: No such file or directory"},
        {{"run", "--", "true"}, "only `steward run`"},
    }));
    const auto output = run_steward(sandbox, Arguments{"simulate"} + args);
    CHECK(output.code == 2);
    CHECK(output.out.empty());
    CHECK_THAT(output.err, Catch::Contains(text));
}

#ifndef STEWARD_SANITIZED  // which tells it in its own words
TEST_CASE("a policy that crashes is named, and what came before it is not lost", "[simulate]") {
    const Sandbox sandbox;
    const auto output = run_steward(sandbox, Arguments{"simulate", "exit 1 after 2s"} +
                                                 Arguments{"--plugin-dir", TEST_PLUGINS} +
                                                 Arguments{"--restart", "awkward"} +
                                                 settings({"awkward.mode=decide_crash"}));
    CHECK(output.code == -1);  // by the signal, so that a debugger or a core file can follow
    CHECK_THAT(output.out,
               Catch::Contains("service.start") && Catch::Contains("2.002 s  #1   service.exit"));
    CHECK_THAT(
        output.err,
        Catch::Contains(
            "steward: signal 11 ends the simulation here, most likely by a plugin: awkward "));
}
#endif

}  // namespace steward::tests
