// The status, the metrics and the watch on the app's folder.
#include "service_bed.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

TEST_CASE("the status of a running app", "[service][status]") {
    ServiceBed bed;
    bed.service->start_for_client("initialize");
    bed.run();
    bed.advance(40ms);
    bed.world.guardian.started(4711);
    bed.run();
    bed.advance(60ms);
    bed.healthy();
    bed.advance(2500ms);
    const auto status = bed.service->status();
    CHECK(status.service == "promptbin");
    CHECK(status.state == State::kRunning);
    CHECK(status.healthy);
    CHECK(status.port == 5000);
    CHECK(status.url == "http://127.0.0.1:5000");
    CHECK(status.pid == 4711);
    CHECK(status.restarts == 0);
    CHECK(status.generation == 1);
    CHECK(status.uptime_s == Approx(2.56));
    CHECK(status.startup_ms == 100);
    CHECK(status.cause == "healthy: GET /health: 200");
    CHECK(status.since == bed.world.os.wall() - 2500ms);
    CHECK_FALSE(status.last_exit.has_value());
    CHECK_FALSE(status.next_restart_ms.has_value());
    CHECK(status.plugins.at("health") == "fake_health 1.0");
}

TEST_CASE("an IPv6 address stands in brackets in the URL", "[service][status]") {
    auto config = app_config();
    config.address = "::1";
    ServiceBed bed(config);
    bed.to_running();
    CHECK(bed.service->status().url == "http://[::1]:5000");
}

TEST_CASE("a process that is stopped or a zombie is not healthy, whatever the last probe said",
          "[service][status]") {
    ServiceBed bed;
    bed.to_running();
    CHECK(bed.service->status().healthy);
    bed.world.os.frozen.insert(bed.service->status().pid);
    CHECK_FALSE(bed.service->status().healthy);
    CHECK(bed.service->status().state == State::kRunning);
}

TEST_CASE("the status after a crash says how it ended and when the next start is",
          "[service][status]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.strategies.decisions.push_back({DecisionAction::kRestart, 4s, "the first of five"});
    bed.crash(11);
    bed.advance(1s);
    const auto status = bed.service->status();
    CHECK(status.state == State::kBackingOff);
    CHECK(status.pid == 0);
    CHECK(status.uptime_s == 0);
    CHECK_FALSE(status.startup_ms.has_value());
    CHECK(status.instance_id.empty());
    CHECK(status.next_restart_ms == 3000);
    REQUIRE(status.last_exit.has_value());
    CHECK(status.last_exit->signaled);
    CHECK(status.last_exit->code == 11);
    CHECK(status.last_exit->at == bed.world.os.wall() - 1s);
    CHECK(status.last_exit->cause == "killed by signal 11 (SIGSEGV)");
    CHECK(status.url == "http://127.0.0.1:5000");
    bed.time().stall(10s);
    CHECK(bed.service->status().next_restart_ms == 0);
}

TEST_CASE("a wall clock that is set back changes no decision and no duration",
          "[service][status]") {
    ServiceBed bed;
    bed.to_running();
    const auto running_at = bed.world.os.wall();
    bed.world.os.wall_jump = -24h;
    bed.advance(5s);
    bed.healthy();
    CHECK(bed.service->status().healthy);
    CHECK(bed.service->status().uptime_s == Approx(5.0));
    // What was, stays as it was told.
    CHECK(bed.service->status().since == running_at);
}

TEST_CASE("events carry service, generation and both times", "[service][status]") {
    ServiceBed bed;
    bed.to_running();
    REQUIRE_FALSE(bed.world.events.empty());
    for (const auto& event : bed.world.events) {
        INFO(to_string(event.name));
        CHECK(event.service == "promptbin");
        CHECK(event.generation == 1);
        CHECK(event.at == bed.time().now());
        CHECK(event.wall == bed.world.os.wall());
        CHECK_FALSE(event.cause.empty());
    }
    std::vector<EventName> names;
    for (const auto& event : bed.world.events) {
        names.push_back(event.name);
    }
    CHECK(names == std::vector<EventName>{EventName::kServiceStart, EventName::kPortChosen,
                                          EventName::kServiceStarted, EventName::kServiceHealthy});
}

TEST_CASE("every change is told to who listens for changes", "[service][status]") {
    ServiceBed bed;
    int changes = 0;
    bed.service->on_change([&] { ++changes; });
    bed.to_running();
    CHECK(changes >= 4);
}

// ---- metrics

TEST_CASE("metrics are sampled only while the app lives: after a second, then at the interval",
          "[service][metrics]") {
    ServiceBed bed;
    bed.to_starting();
    bed.advance(999ms);
    CHECK(bed.world.journal.count("sample") == 0);
    bed.world.strategies.samples.push_back(
        {{"rss_bytes", "", "bytes", false, 12345, {}}, {"cpu", "", "", true, 1, {{"core", "0"}}}});
    bed.advance(1ms);
    REQUIRE(bed.world.strategies.metrics_questions.size() == 1);
    CHECK(bed.world.strategies.metrics_questions[0].app_pid == bed.service->status().pid);
    CHECK(bed.world.strategies.metrics_questions[0].tree_pid == FakeGuardian::kGuardianPid);
    bed.run();
    CHECK(bed.service->status().metrics == std::map<std::string, double>{{"rss_bytes", 12345}});
    CHECK(bed.world.named(EventName::kMetrics).size() == 1);
    bed.healthy();
    bed.advance(10s);
    CHECK(bed.world.journal.count("sample") == 2);
    CHECK(bed.service->status().metrics.count("rss_bytes") == 1);  // No answer keeps the last.
    bed.service->stop("flask_stop");
    bed.crash();
    CHECK(bed.service->status().metrics.empty());
    bed.advance(1h);
    CHECK(bed.world.journal.count("sample") == 2);
}

TEST_CASE("a sample that comes after the app's end is dropped", "[service][metrics]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.strategies.answer_takes = 100ms;
    bed.world.strategies.samples.push_back({{"rss_bytes", "", "bytes", false, 12345, {}}});
    bed.advance(1s);
    REQUIRE(bed.world.journal.count("sample") == 1);
    bed.crash();
    bed.advance(150ms);
    CHECK(bed.service->status().metrics.empty());
    CHECK(bed.world.named(EventName::kMetrics).empty());
}

TEST_CASE("--metrics-interval 0 samples nothing", "[service][metrics]") {
    auto config = app_config();
    config.metrics_interval = 0s;
    config.machine.health_enabled = false;
    ServiceBed bed(config);
    bed.to_starting();
    bed.advance(1h);
    CHECK(bed.world.journal.count("sample") == 0);
}

// ---- the folder

TEST_CASE("the app's folder is watched only while misconfigured or degraded", "[service][watch]") {
    ServiceBed bed;
    bed.to_running();
    CHECK(bed.world.journal.count("watch") == 0);
    SECTION("misconfigured") {
        bed.world.guardian.exited(78);
        bed.world.guardian.empty();
        bed.advance(1ms);
    }
    SECTION("degraded") {
        bed.world.strategies.decisions.push_back({DecisionAction::kGiveUp, 0ms, "too many"});
        bed.crash();
    }
    CHECK(bed.world.journal.count("watch /app") == 1);
    bed.world.os.change_file("app.py");
    bed.advance(199ms);
    bed.world.os.change_file("util.py");
    bed.advance(199ms);
    CHECK(bed.world.guardian.spawns().size() == 1);
    bed.advance(1ms);
    CHECK(bed.world.guardian.spawns().size() == 2);
    CHECK(bed.service->status().cause == "the app's files changed: util.py");
    CHECK_FALSE(bed.world.os.watching());
    CHECK(bed.service->status().restarts == 0);
}

TEST_CASE("what writes in the app's folder wakes it once in degraded_retry", "[service][watch]") {
    auto config = app_config();
    config.watch_program = "app.py";
    ServiceBed bed(config);
    const auto fail = [&] {
        bed.world.guardian.started();
        bed.run();
        bed.world.guardian.exited(78);
        bed.world.guardian.empty();
        bed.run();
        REQUIRE(bed.state() == State::kMisconfigured);
    };
    const auto change = [&](const std::string& name) {
        bed.world.os.change_file(name);
        bed.advance(200ms);
    };
    const auto spawns = [&] { return bed.world.guardian.spawns().size(); };
    bed.service->start_for_client("a client came");
    bed.run();
    fail();
    change("app.log");
    REQUIRE(spawns() == 2);
    fail();
    SECTION("another program's write waits, and is not forgotten") {
        change("app.log");
        bed.advance(59'799ms);
        CHECK(spawns() == 2);
        bed.advance(1ms);
        CHECK(spawns() == 3);
        CHECK(bed.service->status().cause == "the app's files changed: app.log");
    }
    SECTION("one that writes all the time wakes it no more often") {
        for (int i = 0; i < 600; ++i) {
            change("app.log");
            bed.advance(800ms);
            if (bed.state() != State::kMisconfigured) {
                fail();
            }
        }
        CHECK(spawns() == 2 + 10);
    }
    SECTION("code that changes counts at once, whatever else is written with it") {
        bed.world.os.change_file("views.py");
        change("app.log");
        CHECK(spawns() == 3);
        CHECK(bed.service->status().cause == "the app's files changed: views.py");
        fail();
        change("app.py");
        CHECK(spawns() == 4);
    }
}

TEST_CASE("where the folder is guessed only the names that may be source count",
          "[service][watch]") {
    auto config = app_config();
    config.watch_endings = {".py", ".toml"};
    ServiceBed bed(config);
    bed.to_running();
    bed.world.guardian.exited(78);
    bed.world.guardian.empty();
    bed.run();
    for (const char* name : {"app.log", "app.py.swp", "py", "data.db"}) {
        bed.world.os.change_file(name);
        bed.advance(1h);
    }
    CHECK(bed.state() == State::kMisconfigured);
    bed.world.os.change_file("util.py");
    bed.world.os.change_file("app.log");
    bed.advance(200ms);
    CHECK(bed.world.guardian.spawns().size() == 2);
    CHECK(bed.service->status().cause == "the app's files changed: util.py");
}

TEST_CASE("a stop ends the watch, and a change that was noticed before starts nothing",
          "[service][watch]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.guardian.exited(78);
    bed.world.guardian.empty();
    bed.advance(1ms);
    bed.world.os.change_file("app.py");
    bed.service->stop("flask_stop");
    CHECK_FALSE(bed.world.os.watching());
    bed.advance(1h);
    CHECK(bed.state() == State::kStopped);
}

}  // namespace steward::tests
