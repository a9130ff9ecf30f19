// restart_backoff: the pure policy, and the same through its C interface.
#include "../../../plugins/restart_backoff/policy.hpp"

#include <chrono>
#include <limits>
#include <set>

#include "catch.hpp"
#include "plain_host.hpp"

extern "C" const steward_entry steward_plugin_entry_restart_backoff;

namespace {

namespace sdk = steward::sdk;
namespace test = steward::test;
using namespace std::chrono_literals;
using steward::restart_backoff::decide;
using steward::restart_backoff::delay_ms;
using steward::restart_backoff::Settings;
using Events = std::vector<steward_event>;

// The middle of the band: no jitter at all.
constexpr std::uint64_t kNoJitter = std::uint64_t{1} << 63;
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
constexpr steward_ns kForever = std::numeric_limits<steward_ns>::max();

steward_event failure(std::uint32_t kind = STEWARD_EV_EXIT, int code = 3,
                      std::chrono::nanoseconds healthy_for = 0ns) {
    return {kind, code, 0, healthy_for.count(), healthy_for.count()};
}

sdk::RestartDecision ask(const Events& events, std::uint64_t entropy = kNoJitter,
                         const Settings& settings = {}) {
    return decide(settings, {events, sdk::time_point(0), entropy, 0});
}

}  // namespace

TEST_CASE("each failure in a row waits longer, up to the cap", "[restart_backoff]") {
    Settings settings;
    settings.max_restarts = 20;
    Events events;
    std::vector<std::int64_t> waits;
    for (int i = 0; i < 10; ++i) {
        events.push_back(failure());
        const auto decision = ask(events, kNoJitter, settings);
        REQUIRE(decision.action == STEWARD_RESTART);
        waits.push_back(decision.delay / 1ms);
    }
    CHECK(waits ==
          std::vector<std::int64_t>{250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000});
}

TEST_CASE("after max_restarts restarts the next failure is given up on", "[restart_backoff]") {
    Events events(5, failure());
    CHECK(ask(events).action == STEWARD_RESTART);
    events.push_back(failure());
    const auto decision = ask(events);
    CHECK(decision.action == STEWARD_GIVE_UP);
    CHECK(decision.why == "exit code 3: 5 restarts without 60 s of health");
    events.push_back(failure());
    CHECK(ask(events).action == STEWARD_GIVE_UP);
}

TEST_CASE("a failure after a stable time is the first of a new series", "[restart_backoff]") {
    Events events(6, failure());
    events.push_back(failure(STEWARD_EV_EXIT, 3, 60s));
    CHECK(ask(events).delay == 250ms);
    events.push_back(failure());
    CHECK(ask(events).delay == 500ms);
    events.back().healthy_for = (60s - 1ns) / 1ns;
    CHECK(ask(events).delay == 500ms);
}

TEST_CASE("a long uptime without health is no stable time", "[restart_backoff]") {
    Events events(6, failure());
    events.back().uptime = (2h) / 1ns;
    CHECK(ask(events).action == STEWARD_GIVE_UP);
}

TEST_CASE("a manual start forgives what came before it", "[restart_backoff]") {
    Events events(6, failure());
    events.push_back(failure(STEWARD_EV_MANUAL_START, 0));
    CHECK(ask(events).action == STEWARD_RESTART);
    CHECK(ask(events).delay == 0ms);
    events.push_back(failure());
    CHECK(ask(events).delay == 250ms);
}

TEST_CASE("a manual stop is never answered by a restart", "[restart_backoff]") {
    const Events before = GENERATE(Events{}, Events(1, failure()), Events(9, failure()),
                                   Events(1, failure(STEWARD_EV_MANUAL_START)));
    Events events = before;
    events.push_back(failure(STEWARD_EV_MANUAL_STOP, 0));
    CHECK(ask(events).action == STEWARD_STAY_DOWN);
    CHECK(ask(events).why == "stopped on request");
    events.push_back(failure());
    CHECK(ask(events).delay == 250ms);
}

TEST_CASE("the jitter stays within its band and below the cap", "[restart_backoff]") {
    const Settings settings;
    CHECK(delay_ms(settings, 1, 0) == 200);
    CHECK(delay_ms(settings, 1, kMost) == 300);
    CHECK(delay_ms(settings, 1, kNoJitter) == 250);
    CHECK(delay_ms(settings, 8, kMost) == 30'000);
    CHECK(delay_ms(settings, 8, 0) == 24'000);
    std::set<std::int64_t> seen;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const std::int64_t delay = delay_ms(settings, 2, i * 0x9E3779B97F4A7C15U);
        REQUIRE(delay >= 400);
        REQUIRE(delay <= 600);
        seen.insert(delay);
    }
    CHECK(seen.size() > 150);
}

TEST_CASE("the edges of the settings are sound", "[restart_backoff]") {
    Settings settings;
    SECTION("no base and no cap mean no wait") {
        settings.base_ms = GENERATE(0, 250);
        settings.cap_ms = settings.base_ms == 0 ? 30'000 : 0;
        settings.factor = 100;
        settings.max_restarts = 200;
        CHECK(ask(Events(200, failure()), kMost, settings).delay == 0ms);
    }
    SECTION("the largest factor over the longest series ends at the cap") {
        settings = {3'600'000, 100, 3'600'000, 100, 86'400'000, 200};
        CHECK(ask(Events(200, failure()), kMost, settings).delay == 1h);
        CHECK(ask(Events(200, failure()), 0, settings).delay == 0ms);
        CHECK(ask(Events(201, failure()), 0, settings).action == STEWARD_GIVE_UP);
    }
    SECTION("no restart allowed") {
        settings.max_restarts = 0;
        const auto decision = ask(Events(1, failure()), kNoJitter, settings);
        CHECK(decision.action == STEWARD_GIVE_UP);
        CHECK(decision.why == "exit code 3: no restarts are allowed (max_restarts 0)");
    }
    SECTION("stable_ms 0 asks for some health, however short") {
        settings.stable_ms = 0;
        CHECK(ask(Events(6, failure()), kNoJitter, settings).action == STEWARD_GIVE_UP);
        CHECK(ask(Events(6, failure(STEWARD_EV_EXIT, 3, 1ns)), kNoJitter, settings).delay == 250ms);
    }
}

TEST_CASE("the reason gives the numbers", "[restart_backoff]") {
    using Row = std::pair<steward_event, std::string>;
    const auto [event, text] = GENERATE(values<Row>({
        {failure(), "exit code 3: "},
        {failure(STEWARD_EV_EXIT, 0), "exit code 0: "},
        {failure(STEWARD_EV_SIGNAL, 9), "killed by signal 9 (SIGKILL): "},
        {failure(STEWARD_EV_SIGNAL, 64), "killed by signal 64: "},
        {failure(STEWARD_EV_HEALTH, 3), "3 failed health checks in a row: "},
        {failure(STEWARD_EV_START_TIMEOUT, 0), "not healthy in time after its start: "},
        {failure(STEWARD_EV_SPAWN_FAILED, 11), "could not be started (errno 11): "},
        {failure(99, 1), "failure of kind 99: "},
    }));
    CHECK(ask({failure(), event}).why == text + "restart 2 of 5 in 500 ms (250 ms × 2^1, ±20 %)");
}

TEST_CASE("the reason says when the cap was what counted", "[restart_backoff]") {
    Settings settings;
    settings.max_restarts = 9;
    settings.jitter_percent = 0;
    settings.factor = 2.5;
    CHECK(ask(Events(9, failure()), 0, settings).why ==
          "exit code 3: restart 9 of 9 in 30 s (250 ms × 2.5^8, at most 30 s)");
    settings.cap_ms = 12'500;
    CHECK(ask(Events(9, failure()), 0, settings).why ==
          "exit code 3: restart 9 of 9 in 12.5 s (250 ms × 2.5^8, at most 12.5 s)");
}

TEST_CASE("any history has an answer in bounds", "[restart_backoff]") {
    std::uint64_t state = 42;
    const auto random = [&] {
        state = state * 6364136223846793005U + 1442695040888963407U;
        return state ^ (state >> 31);
    };
    const Settings settings;
    for (int round = 0; round < 20'000; ++round) {
        Events events(1 + random() % 256);
        for (steward_event& event : events) {
            const steward_ns times[] = {
                0, 1, -1, kForever, -kForever - 1, static_cast<steward_ns>(random())};
            event = {static_cast<std::uint32_t>(random() % 9), static_cast<int>(random()),
                     times[random() % 6], times[random() % 6], times[random() % 6]};
        }
        const sdk::RestartQuestion question{events, sdk::time_point(random() % 2 ? kForever : 0),
                                            random(), random()};
        const auto decision = decide(settings, question);
        REQUIRE(decision.delay >= 0ms);
        REQUIRE(decision.delay <= 30s);
        REQUIRE(!decision.why.empty());
        REQUIRE(decision.why.size() < 4096);
        const bool stopped = events.back().kind == STEWARD_EV_MANUAL_STOP;
        REQUIRE((decision.action == STEWARD_STAY_DOWN) == stopped);
        const auto again = decide(settings, question);
        REQUIRE(again.action == decision.action);
        REQUIRE(again.delay == decision.delay);
        REQUIRE(again.why == decision.why);
    }
}

TEST_CASE("restart_backoff answers through the C interface", "[restart_backoff][abi]") {
    const steward_plugin* plugin = steward_plugin_entry_restart_backoff.get_plugin(0);
    REQUIRE(plugin != nullptr);
    const auto* restart =
        static_cast<const steward_restart*>(plugin->get_interface(STEWARD_IFACE_RESTART));
    REQUIRE(restart != nullptr);
    const test::Instance instance(plugin, R"({"base_ms":100,"jitter_percent":0})");
    REQUIRE(instance.status() == STEWARD_OK);

    const Events events(2, failure());
    const steward_restart_input input{sizeof input, 2, events.data(), kForever, 7, 1, 0, 0, 0};
    steward_restart_decision out{sizeof out, -1, -1};
    test::Collector why;
    const steward_sink sink = why.sink();
    steward_error error = test::empty_error();
    REQUIRE(restart->decide(instance.get(), &input, &out, &sink, &error) == STEWARD_OK);
    CHECK(out.action == STEWARD_RESTART);
    CHECK(out.delay == 200'000'000);
    CHECK(why.text == "exit code 3: restart 2 of 5 in 200 ms (100 ms × 2^1)");
}

TEST_CASE("restart_backoff refuses bad settings by name", "[restart_backoff][abi]") {
    const steward_plugin* plugin = steward_plugin_entry_restart_backoff.get_plugin(0);
    using Row = std::pair<std::string, std::string>;
    const auto [json, text] = GENERATE(values<Row>({
        {R"({"base_ms":-1})", "base_ms: must be >= 0 (got -1)"},
        {R"({"max_restarts":201})", "max_restarts: must be <= 200 (got 201)"},
        {R"({"factor":0.9})", "factor: must be >= 1 (got 0.9)"},
        {R"({"jitter_percent":101})", "jitter_percent: must be <= 100 (got 101)"},
    }));
    const test::Instance instance(plugin, json);
    CHECK(instance.status() == STEWARD_E_INVALID);
    CHECK(instance.error() == text);
}
