// restart_hours: the pure policy, and the same through its C interface.
#include "../../../../plugins/examples/restart_hours/policy.hpp"

#include <chrono>
#include <limits>
#include <random>

#include "../plain_host.hpp"
#include "catch.hpp"

extern "C" const steward_entry steward_plugin_entry_restart_hours;

namespace {

namespace sdk = steward::sdk;
namespace test = steward::test;
using namespace std::chrono_literals;
using examples::restart_hours::Hours;
using examples::restart_hours::Settings;
using Events = std::vector<steward_event>;

constexpr sdk::Duration kNow = 1000h;

// 2026-01-01, at this time of day in UTC.
sdk::WallClock wall(sdk::Duration time_of_day, std::chrono::seconds offset = 0s) {
    return {1'767'225'600s + time_of_day, offset};
}

steward_event failure(sdk::Duration ago = 0s, std::uint32_t kind = STEWARD_EV_EXIT) {
    return {kind, 3, (kNow - ago).count(), 0, 0};
}

sdk::RestartDecision ask(const Events& events, std::optional<sdk::WallClock> at,
                         const Settings& settings = {}) {
    return Hours(settings).decide({events, sdk::TimePoint(kNow), 7, 0, at});
}

Settings small() {
    Settings settings;
    settings.day_restarts = 2;
    settings.night_restarts = 1;
    return settings;
}

}  // namespace

TEST_CASE("day and night have their own hours", "[restart_hours]") {
    const Hours hours{Settings{}};
    using Row = std::tuple<sdk::Duration, std::string, sdk::Duration>;
    const auto [time, name, elapsed] = GENERATE(table<sdk::Duration, std::string, sdk::Duration>({
        Row{7h, "day", 0h},
        Row{21h + 59min + 59s, "day", 14h + 59min + 59s},
        Row{22h, "night", 0h},
        Row{0h, "night", 2h},
        Row{6h + 59min, "night", 8h + 59min},
    }));
    const auto period = hours.period_at(wall(time));
    CHECK(period.name == name);
    CHECK(period.elapsed == elapsed);
}

TEST_CASE("a day may reach over midnight", "[restart_hours]") {
    Settings settings;
    settings.day_from = "18:00";
    settings.day_until = "02:00";
    const Hours hours{settings};
    CHECK(hours.period_at(wall(1h)).name == "day");
    CHECK(hours.period_at(wall(1h)).elapsed == 7h);
    CHECK(hours.period_at(wall(2h)).name == "night");
}

TEST_CASE("the time of day is that of the host's zone", "[restart_hours]") {
    const Hours hours{Settings{}};
    CHECK(hours.period_at(wall(6h, 1h)).name == "day");
    CHECK(hours.period_at(wall(6h, 1h)).elapsed == 0h);
    CHECK(hours.period_at(wall(7h, -30min)).name == "night");
    CHECK(hours.period_at(wall(23h, 10h)).elapsed == 2h);
}

TEST_CASE("each period has its own budget, and says so when it is used up", "[restart_hours]") {
    CHECK(ask({failure()}, wall(12h), small()).why ==
          "exit code 3: restart 1 of 2 of the day, in 1000 ms");
    CHECK(ask({failure()}, wall(12h), small()).delay == 1s);
    CHECK(ask(Events(2, failure()), wall(12h), small()).action == STEWARD_RESTART);
    const auto day = ask(Events(3, failure()), wall(12h), small());
    CHECK(day.action == STEWARD_GIVE_UP);
    CHECK(day.why ==
          "exit code 3: the 2 restarts of the day are used up; the night begins at 22:00 with 1");

    CHECK(ask({failure()}, wall(23h), small()).action == STEWARD_RESTART);
    const auto night = ask(Events(2, failure()), wall(23h), small());
    CHECK(night.action == STEWARD_GIVE_UP);
    CHECK(night.why ==
          "exit code 3: the 1 restart of the night is used up; the day begins at 07:00 with 2");
}

TEST_CASE("failures of the period before do not count", "[restart_hours]") {
    // It is a minute past seven.
    Events events(9, failure(2min));
    events.push_back(failure());
    CHECK(ask(events, wall(7h + 1min), small()).why ==
          "exit code 3: restart 1 of 2 of the day, in 1000 ms");
    events[8] = failure(1min);
    CHECK(ask(events, wall(7h + 1min), small()).why ==
          "exit code 3: restart 2 of 2 of the day, in 1000 ms");
}

TEST_CASE("given up stays given up until the period ends or a person starts it",
          "[restart_hours]") {
    Events events(5, failure());
    CHECK(ask(events, wall(12h), small()).action == STEWARD_GIVE_UP);
    events.push_back(failure());
    CHECK(ask(events, wall(12h), small()).action == STEWARD_GIVE_UP);
    events.push_back(failure(0s, STEWARD_EV_MANUAL_START));
    CHECK(ask(events, wall(12h), small()).action == STEWARD_RESTART);
    events.push_back(failure());
    CHECK(ask(events, wall(12h), small()).why ==
          "exit code 3: restart 1 of 2 of the day, in 1000 ms");
}

TEST_CASE("a manual stop is never answered by a restart", "[restart_hours]") {
    const auto decision = ask({failure(), failure(0s, STEWARD_EV_MANUAL_STOP)},
                              GENERATE(0h, 12h) == 0h ? std::nullopt : std::optional(wall(12h)));
    CHECK(decision.action == STEWARD_STAY_DOWN);
}

TEST_CASE("without a time of day the smaller budget is that of 24 hours", "[restart_hours]") {
    CHECK(ask({failure()}, std::nullopt, small()).action == STEWARD_RESTART);
    CHECK(ask({failure(24h), failure()}, std::nullopt, small()).why ==
          "exit code 3: the 1 restart of 24 hours (the host does not tell the time of day) is used "
          "up");
    CHECK(ask({failure(24h + 1ns), failure()}, std::nullopt, small()).action == STEWARD_RESTART);
}

TEST_CASE("any question has an answer within the interface's bounds", "[restart_hours]") {
    std::mt19937_64 random(1);
    const auto any = [&random] {
        constexpr std::array<std::int64_t, 4> kEdges{0, -1,
                                                     std::numeric_limits<std::int64_t>::min(),
                                                     std::numeric_limits<std::int64_t>::max()};
        const auto bits = random();
        return bits % 3 == 0 ? kEdges[(bits >> 8) % kEdges.size()]
                             : static_cast<std::int64_t>(bits);
    };
    for (int i = 0; i < 20'000; ++i) {
        Events events(1 + random() % 256);
        for (auto& event : events) {
            event = {static_cast<std::uint32_t>(random() % 9), static_cast<std::int32_t>(any()),
                     any(), any(), any()};
        }
        std::optional<sdk::WallClock> at;
        if (random() % 4 != 0) {
            at = sdk::WallClock{sdk::Duration(any()),
                                std::chrono::seconds(static_cast<std::int32_t>(any()))};
        }
        const Hours hours{Settings{}};
        const sdk::RestartQuestion question{events, sdk::time_point(any()), random(), 0, at};
        const auto decision = hours.decide(question);
        REQUIRE(decision.action >= STEWARD_RESTART);
        REQUIRE(decision.action <= STEWARD_GIVE_UP);
        REQUIRE(decision.delay >= 0s);
        REQUIRE(decision.delay <= 1h);
        REQUIRE_FALSE(decision.why.empty());
        REQUIRE(hours.decide(question).why == decision.why);
        if (events.back().kind == STEWARD_EV_MANUAL_STOP) {
            REQUIRE(decision.action == STEWARD_STAY_DOWN);
        }
    }
}

TEST_CASE("a host of either size is answered through the C interface", "[restart_hours][abi]") {
    const steward_plugin* plugin = steward_plugin_entry_restart_hours.get_plugin(0);
    const auto* restart =
        static_cast<const steward_restart*>(plugin->get_interface(STEWARD_IFACE_RESTART));
    REQUIRE(restart != nullptr);
    const test::Instance instance(plugin, R"({"day_restarts":4,"night_restarts":2})");
    REQUIRE(instance.status() == STEWARD_OK);
    const Events events(1, failure());
    const steward_ns noon = wall(12h).since_epoch.count();
    steward_restart_input input{sizeof input, 1, events.data(), kNow.count(), 0, 0, noon, 0, 0};
    steward_restart_decision out{sizeof out, -1, -1};
    test::Collector why;
    const steward_sink sink = why.sink();
    steward_error error = test::empty_error();
    REQUIRE(restart->decide(instance.get(), &input, &out, &sink, &error) == STEWARD_OK);
    CHECK(out.action == STEWARD_RESTART);
    CHECK(out.delay == 1'000'000'000);
    CHECK(why.text == "exit code 3: restart 1 of 4 of the day, in 1000 ms");

    why.text.clear();
    input.size = offsetof(steward_restart_input, wall);
    REQUIRE(restart->decide(instance.get(), &input, &out, &sink, &error) == STEWARD_OK);
    CHECK(why.text ==
          "exit code 3: restart 1 of 2 of 24 hours (the host does not tell the time of day), in "
          "1000 ms");
}

TEST_CASE("hours that cannot be meant are refused by name", "[restart_hours][abi]") {
    using Row = std::pair<std::string, std::string>;
    const auto [json, text] = GENERATE(values<Row>({
        {R"({"day_from":"7:00"})",
         "day_from: must be a time of day from 00:00 to 23:59 (got \"7:00\")"},
        {R"({"day_until":"24:00"})",
         "day_until: must be a time of day from 00:00 to 23:59 (got \"24:00\")"},
        {R"({"day_until":"12:60"})",
         "day_until: must be a time of day from 00:00 to 23:59 (got \"12:60\")"},
        {R"({"day_until":"07:00"})",
         "day_until: must differ from day_from (both are 07:00); for one budget all day long give "
         "both the same number"},
        {R"({"night_restarts":201})", "night_restarts: must be <= 200 (got 201)"},
    }));
    const test::Instance instance(steward_plugin_entry_restart_hours.get_plugin(0), json);
    CHECK(instance.status() == STEWARD_E_INVALID);
    CHECK(instance.error() == text);
}
