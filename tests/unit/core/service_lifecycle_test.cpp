// The service's orders and their order, exits, requests and those who wait for them, the end of the
// session.
#include <new>

#include "service_bed.hpp"

namespace steward::tests {

using namespace std::chrono_literals;
using namespace core;

namespace {

std::string variable(const SpawnRequest& request, const std::string& name) {
    for (const auto& [key, value] : request.environment) {
        if (key == name) {
            return value;
        }
    }
    return "(none)";
}

AppPlan healthy_plan() {
    return AppPlan{};
}

// Fails once, where a step would run out of memory.
class FailingClock final : public Scheduler {
  public:
    explicit FailingClock(Scheduler& real) : real_(real) {}
    mutable bool fail_next = false;

    TimePoint now() const override {
        if (fail_next) {
            fail_next = false;
            throw std::bad_alloc();
        }
        return real_.now();
    }
    void post(Task task) override { real_.post(std::move(task)); }
    TimerId arm(TimePoint at, Task task) override { return real_.arm(at, std::move(task)); }
    void disarm(TimerId timer) override { real_.disarm(timer); }
    bool watch(int fd, Interest interest, Ready ready) override {
        return real_.watch(fd, interest, std::move(ready));
    }
    void unwatch(int fd) override { real_.unwatch(fd); }

  private:
    Scheduler& real_;
};

}  // namespace

TEST_CASE("nothing is touched before the first start", "[service]") {
    ServiceBed bed;
    bed.advance(1h);
    CHECK(bed.world.journal.lines.empty());
    CHECK(bed.state() == State::kStopped);
    CHECK(bed.service->status().cause == "not started yet");
}

TEST_CASE("a start takes the port, opens the output, and spawns with the listening socket",
          "[service][spawn]") {
    ServiceBed bed;
    bed.to_starting();
    const auto& lines = bed.world.journal.lines;
    REQUIRE(lines.size() >= 6);
    CHECK(lines[0] == "ask port 1");
    CHECK(lines[1] == "take 5000");
    CHECK(lines[2] == "listener");
    CHECK(lines[3] == "open output 1");
    CHECK(lines[4] == "spawn 1");
    CHECK(lines[5] == "probe 1");
    CHECK(bed.world.guardian.last_spawn().listener == FakePort::kListener);
}

TEST_CASE("the order to start again goes out before what is told of it", "[service][spawn]") {
    ServiceBed bed;
    bed.to_running();
    std::size_t ordered = 0;
    bed.world.on_event = [&](const Event& event) {
        if (event.name == EventName::kServiceStart) {
            ordered = bed.world.guardian.spawns().size();
        }
    };
    bed.crash();
    bed.advance(1s);
    CHECK(ordered == 2);
}

TEST_CASE("without its script the app is misconfigured, and started when the script is there",
          "[service][spawn]") {
    auto config = app_config();
    config.script = "/app/app.py";
    ServiceBed bed(config);
    bed.world.os.missing_files = {"/app/app.py"};
    bed.service->start_for_client("test");
    bed.advance(1s);
    CHECK(bed.state() == State::kMisconfigured);
    CHECK(bed.service->status().cause == "cannot start /app/app.py: No such file or directory");
    CHECK(bed.world.journal.count("spawn") == 0);
    CHECK(bed.world.journal.count("open output") == 0);
    bed.world.os.missing_files.clear();
    bed.world.os.change_file("app.py");
    bed.advance(250ms);
    CHECK(bed.world.journal.count("spawn 2") == 1);
    CHECK(bed.state() != State::kMisconfigured);
}

TEST_CASE("an app that binds for itself is given no socket", "[service][spawn]") {
    ServiceBed bed(own_bind_app());
    bed.to_starting();
    CHECK(bed.world.guardian.last_spawn().listener == -1);
    CHECK(bed.world.journal.count("test 5000") == 1);
    CHECK(bed.world.journal.count("take") == 0);
    CHECK(bed.world.journal.count("listener") == 0);
}

TEST_CASE("the placeholders of the command line are replaced", "[service][spawn]") {
    auto config = app_config();
    config.argv = {"{host}",     "--port={port}", "{fd}{fd}", "{data_dir}/x",
                   "{instance}", "{unknown}",     "{",        "{port"};
    config.address = "::1";
    config.data_dir = "/home/{port}/{instance}";
    ServiceBed bed(config);
    bed.to_starting();
    const auto& request = bed.world.guardian.last_spawn();
    const auto id = bed.service->status().instance_id;
    CHECK(request.argv == std::vector<std::string>{"::1", "--port=5000", "33",
                                                   "/home/{port}/{instance}/x", id, "{unknown}",
                                                   "{", "{port"});
    CHECK(variable(request, "STEWARD_INSTANCE") == id);
    CHECK(variable(request, "PATH") == "/usr/bin");
    CHECK(id.size() == 32);
}

TEST_CASE("each instance has an id of its own", "[service][spawn]") {
    ServiceBed bed;
    bed.to_running();
    const auto first = bed.service->status().instance_id;
    bed.crash();
    CHECK(bed.service->status().instance_id.empty());
    bed.advance(250ms);
    CHECK(bed.service->status().instance_id.size() == 32);
    CHECK(bed.service->status().instance_id != first);
}

TEST_CASE("output that cannot be opened is a failed start for the restart policy",
          "[service][spawn]") {
    ServiceBed bed;
    bed.world.output.open_error = Error{"cannot make a pipe: Too many open files", 24};
    bed.service->start_for_client("a client came");
    bed.run();
    CHECK(bed.state() == State::kBackingOff);
    CHECK(bed.world.journal.count("spawn") == 0);
    REQUIRE(bed.world.strategies.restart_questions.size() == 1);
    CHECK(bed.world.strategies.restart_questions[0].history.back().kind == STEWARD_EV_SPAWN_FAILED);
    bed.world.output.open_error.reset();
    bed.advance(250ms);
    CHECK(bed.state() == State::kStarting);
}

TEST_CASE("an exit code is judged together with the last line that the app wrote",
          "[service][exit]") {
    ServiceBed bed;
    bed.to_starting();
    bed.world.output.lines[1] = "ModuleNotFoundError: No module named 'flask'";
    bed.world.output.line_takes = 1ms;
    bed.world.guardian.exited(1);
    CHECK(bed.state() == State::kStarting);
    SECTION("EMPTY comes afterwards") {
        bed.advance(1ms);
        CHECK(bed.state() == State::kStopping);
        bed.world.guardian.empty();
    }
    SECTION("EMPTY comes while the line is waited for") {
        bed.world.guardian.empty();
        CHECK(bed.state() == State::kStarting);
        bed.advance(1ms);
    }
    CHECK(bed.state() == State::kMisconfigured);
    CHECK(bed.service->status().cause ==
          "exit code 1: ModuleNotFoundError: No module named 'flask'");
}

TEST_CASE("an exit with code 0 is judged at once", "[service][exit]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.guardian.exited(0);
    CHECK(bed.state() == State::kDeciding);
    CHECK(bed.world.journal.count("last line") == 0);
}

TEST_CASE("a SIGKILL that nobody here has sent is held against the kernel's count of such kills",
          "[service][exit]") {
    ServiceBed bed;
    auto& count = bed.world.os.killed_for_memory;
    count = 7;
    bed.to_running();
    const std::string killed = "killed by signal 9 (SIGKILL)";
    const std::string since = " on this machine since this instance was started";
    const auto cause = [&] { return bed.service->status().last_exit->cause; };
    SECTION("it has grown") {
        const auto [by, times] =
            GENERATE(table<std::uint64_t, std::string>({{1, "once"}, {3, "3 times"}}));
        count = 7 + by;
        bed.crash();
        CHECK(cause() ==
              killed + "; the kernel's out-of-memory killer has struck " + times + since);
    }
    SECTION("it has not") {
        bed.crash();
        CHECK(cause() == killed);
    }
    SECTION("it grows while the last lines are looked for") {
        bed.world.output.line_takes = 50ms;
        bed.crash();
        count = 8;
        bed.advance(50ms);
        CHECK(cause() == killed);
    }
    SECTION("it had grown before the last lines are looked for") {
        bed.world.output.line_takes = 50ms;
        count = 8;
        bed.crash();
        bed.advance(50ms);
        CHECK(cause() == killed + "; the kernel's out-of-memory killer has struck once" + since);
    }
    SECTION("the kernel does not say") {
        count.reset();
        bed.crash();
        CHECK(cause() == killed);
    }
    SECTION("another signal") {
        count = 8;
        bed.crash(11);
        CHECK(cause() == "killed by signal 11 (SIGSEGV)");
    }
    SECTION("it was being taken down") {
        bed.service->stop("a stop was requested", {});
        bed.run();
        count = 8;
        bed.crash();
        CHECK(cause() == killed);
    }
}

TEST_CASE("after each exit the held socket listens again", "[service][exit]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.journal.clear();
    bed.world.guardian.killed(9);
    CHECK(bed.world.journal.count("listener") == 1);
}

TEST_CASE("a crash is answered as the strategy says", "[service][restart]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.strategies.decisions.push_back({DecisionAction::kRestart, 3s, "the first of five"});
    bed.world.os.zone = 2h;
    bed.crash(11);
    CHECK(bed.state() == State::kBackingOff);
    REQUIRE(bed.world.strategies.restart_questions.size() == 1);
    const auto& question = bed.world.strategies.restart_questions[0];
    CHECK(question.total_restarts == 0);
    CHECK(question.wall == bed.world.os.wall());
    CHECK(question.utc_offset == 2h);
    REQUIRE(question.history.size() == 1);
    CHECK(question.history[0].kind == STEWARD_EV_SIGNAL);
    CHECK(question.history[0].code == 11);
    bed.advance(2999ms);
    CHECK(bed.world.guardian.spawns().size() == 1);
    bed.advance(1ms);
    CHECK(bed.world.guardian.spawns().size() == 2);
    CHECK(bed.service->status().restarts == 1);
    CHECK(bed.world.port.held() == 5000);
}

TEST_CASE("a decision that comes after a stop is dropped", "[service][stop]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.strategies.hold_decisions = true;
    bed.crash();
    CHECK(bed.state() == State::kDeciding);
    bed.service->stop("stopped by flask_stop");
    CHECK(bed.state() == State::kStopped);
    bed.world.strategies.release_decision({DecisionAction::kRestart, 0ms, "late"});
    bed.advance(1h);
    CHECK(bed.state() == State::kStopped);
    CHECK(bed.world.guardian.spawns().size() == 1);
}

TEST_CASE("only the first start of the session is the client's", "[service][start]") {
    ServiceBed bed;
    bed.world.play(healthy_plan());
    bed.service->start_for_client("initialize");
    bed.advance(1s);
    bed.service->stop("stopped by flask_stop");
    bed.advance(1s);
    REQUIRE(bed.state() == State::kStopped);
    bed.service->start_for_client("initialize again");
    bed.advance(1s);
    CHECK(bed.state() == State::kStopped);
}

TEST_CASE(
    "who starts it hears of it when it is healthy, or when it is clear that it will not soon be",
    "[service][start]") {
    ServiceBed bed;
    std::vector<State> heard;
    const auto note = [&](const ServiceStatus& status) { heard.push_back(status.state); };
    SECTION("healthy") {
        bed.world.play(healthy_plan());
        bed.service->start("flask_start", note);
        bed.advance(51ms);
        CHECK(heard.empty());
        bed.advance(10ms);
        CHECK(heard == std::vector<State>{State::kRunning});
        bed.service->start("flask_start", note);
        CHECK(heard.size() == 2);
    }
    SECTION("crashing") {
        AppPlan plan;
        plan.ends_after = 10ms;
        plan.end_code = 3;
        bed.world.play(plan);
        bed.service->start("flask_start", note);
        bed.advance(100ms);
        CHECK(heard == std::vector<State>{State::kBackingOff});
    }
    SECTION("misconfigured") {
        AppPlan plan;
        plan.spawn_error = SpawnFailed{"cannot execute", 2, false};
        bed.world.play(plan);
        bed.service->start("flask_start", note);
        bed.advance(100ms);
        CHECK(heard == std::vector<State>{State::kMisconfigured});
    }
    SECTION("no port") {
        bed.world.strategies.proposals.push_back({{}, "fake_port"});
        bed.service->start("flask_start", note);
        bed.run();
        CHECK(heard == std::vector<State>{State::kDegraded});
    }
    SECTION("stopped meanwhile") {
        bed.service->start("flask_start", note);
        bed.service->stop("flask_stop");
        CHECK(heard == std::vector<State>{State::kStopped});
    }
}

TEST_CASE("who restarts it hears of the new instance, not of the old one's end",
          "[service][restart]") {
    ServiceBed bed;
    bed.world.play(healthy_plan());
    bed.service->start("flask_start");
    bed.advance(1s);
    std::vector<std::uint64_t> heard;
    bed.service->restart("flask_restart", [&](const ServiceStatus& status) {
        CHECK(status.state == State::kRunning);
        heard.push_back(status.generation);
    });
    CHECK(heard.empty());
    bed.advance(1s);
    CHECK(heard == std::vector<std::uint64_t>{2});
    CHECK(bed.service->status().restarts == 0);
}

TEST_CASE("who stops it hears of it when it is stopped", "[service][stop]") {
    ServiceBed bed;
    bed.world.play(healthy_plan());
    std::vector<State> heard;
    const auto note = [&](const ServiceStatus& status) { heard.push_back(status.state); };
    bed.service->stop("flask_stop", note);
    CHECK(heard == std::vector<State>{State::kStopped});
    bed.service->start("flask_start");
    bed.advance(1s);
    heard.clear();
    SECTION("it obeys") {
        bed.service->stop("flask_stop", note);
        CHECK(heard.empty());
        bed.advance(20ms);
        CHECK(heard == std::vector<State>{State::kStopped});
    }
    SECTION("it must be killed") {
        bed.world.ignores_term = true;
        bed.service->stop("flask_stop", note);
        bed.advance(10s);
        CHECK(heard.empty());
        bed.advance(1ms);
        CHECK(heard == std::vector<State>{State::kStopped});
    }
    SECTION("a later start wins") {
        bed.service->stop("flask_stop", note);
        bed.service->start("flask_start");
        bed.advance(1s);
        CHECK(bed.state() == State::kRunning);
        CHECK(heard.size() == 1);
    }
}

TEST_CASE("who stops what cannot be killed hears that", "[service][stop]") {
    ServiceBed bed;
    AppPlan plan;
    plan.term_takes.reset();
    plan.kill_takes.reset();
    bed.world.play(plan);
    bed.service->start("flask_start");
    bed.advance(1s);
    std::vector<State> heard;
    bed.service->stop("flask_stop",
                      [&](const ServiceStatus& status) { heard.push_back(status.state); });
    bed.advance(14'999ms);
    CHECK(heard.empty());
    bed.advance(1ms);
    CHECK(heard == std::vector<State>{State::kUnkillable});
    const auto events = bed.world.named(EventName::kServiceUnkillable);
    REQUIRE(events.size() == 1);
    CHECK(events[0].fields == Fields{{"left", std::string("412 (python3, D)")}});
}

TEST_CASE("a request from inside a notification is taken after the step", "[service]") {
    ServiceBed bed;
    bool asked = false;
    bed.world.on_event = [&](const Event& event) {
        if (event.name == EventName::kServiceHealthy && !asked) {
            asked = true;
            bed.service->stop("from inside");
        }
    };
    bed.to_running();
    CHECK(bed.state() == State::kStopping);
    CHECK(bed.service->status().cause == "from inside");
}

TEST_CASE("an event that cannot be published for want of memory costs the event alone",
          "[service]") {
    ServiceBed bed;
    bed.world.on_event = [&](const Event&) { throw std::bad_alloc(); };
    bed.to_running();
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.service->status().healthy);
    bed.service->stop("flask_stop");
    bed.crash();
    CHECK(bed.state() == State::kStopped);
}

// ---- the end of the session

TEST_CASE("the end is told once: the tree, then the port, then the guardian", "[service][exit]") {
    ServiceBed bed;
    bed.world.play(healthy_plan());
    bed.service->start_for_client("initialize");
    bed.advance(1s);
    bed.world.journal.clear();
    std::vector<std::string> finished;
    bed.service->exit("stdin was closed", false,
                      [&](std::string left) { finished.push_back(std::move(left)); });
    bed.advance(1s);
    CHECK(finished == std::vector<std::string>{""});
    const auto& journal = bed.world.journal;
    CHECK(journal.find("terminate") < journal.find("kill"));
    CHECK(journal.find("kill") < journal.find("close port"));
    CHECK(journal.find("close port") < journal.find("close guardian"));
    CHECK(bed.world.port.last_answer().state == "stopped");
    CHECK(bed.world.port.last_answer().cause == "stdin was closed");

    bed.service->exit("again", true,
                      [&](std::string left) { finished.push_back(std::move(left)); });
    bed.service->start("flask_start");
    bed.advance(1h);
    CHECK(finished.size() == 1);
    CHECK(journal.count("close guardian") == 1);
    CHECK(bed.world.guardian.spawns().size() == 1);
}

TEST_CASE("a session in which nothing was started ends at once", "[service][exit]") {
    ServiceBed bed;
    int finished = 0;
    bed.service->exit("stdin was closed", false, [&](const std::string&) { ++finished; });
    bed.advance(60ms);
    CHECK(finished == 1);
}

TEST_CASE("what cannot be killed is named within 890 ms, and its late end says nothing more",
          "[service][exit]") {
    ServiceBed bed;
    AppPlan plan;
    plan.term_takes.reset();
    plan.kill_takes.reset();
    bed.world.play(plan);
    bed.world.guardian.close_takes = 1h;
    bed.service->start_for_client("initialize");
    bed.advance(1s);
    std::vector<std::string> finished;
    const auto begin = bed.time().now();
    bed.service->exit("SIGTERM", false,
                      [&](std::string left) { finished.push_back(std::move(left)); });
    CHECK(bed.time().run_until([&] { return !finished.empty(); }, 5s));
    CHECK(bed.time().now() - begin == 890ms);  // Its guardian stays, and is not waited for.
    CHECK(finished ==
          std::vector<std::string>{"still there 90 ms after SIGKILL: 412 (python3, D)"});
    bed.world.guardian.killed(9);
    bed.world.guardian.empty();
    bed.advance(1h);
    CHECK(finished.size() == 1);
    CHECK(bed.world.journal.count("close guardian") == 1);
}

TEST_CASE("a second call of exit kills at once and keeps the first caller's answer",
          "[service][exit]") {
    ServiceBed bed;
    AppPlan plan;
    plan.term_takes.reset();
    bed.world.play(plan);
    bed.service->start_for_client("initialize");
    bed.advance(1s);
    int first = 0;
    int second = 0;
    bed.service->exit("SIGTERM", false, [&](const std::string&) { ++first; });
    bed.advance(100ms);
    CHECK(bed.world.journal.count("kill") == 0);
    bed.service->exit("SIGTERM", true, [&](const std::string&) { ++second; });
    CHECK(bed.world.journal.count("kill") == 1);
    bed.advance(10ms);
    CHECK(first == 1);
    CHECK(second == 0);
}

TEST_CASE("the record of a crash has the last lines, that of a stop does not wait for them",
          "[service][exit]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.output.lines[1] = "Fatal Python error: Segmentation fault";
    bed.world.output.line_takes = 100ms;
    const bool crash = GENERATE(true, false);
    if (crash) {
        bed.world.guardian.killed(11);
        bed.advance(100ms);
    } else {
        bed.service->stop("asked for");
        bed.run();
        bed.world.guardian.killed(15);
    }
    const auto events = bed.world.named(EventName::kServiceExit);
    REQUIRE(events.size() == 1);
    const auto& fields = events[0].fields;
    const std::pair<std::string, FieldValue> tail{
        "output_tail", std::string("Fatal Python error: Segmentation fault")};
    CHECK((std::find(fields.begin(), fields.end(), tail) != fields.end()) == crash);
    CHECK(events[0].cause.find("Segmentation fault:") == std::string::npos);
}

TEST_CASE("the end does not wait for the last line of an app that ends with an error",
          "[service][exit]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.output.line_takes = 100ms;
    int finished = 0;
    bed.service->exit("SIGTERM", false, [&](const std::string&) { ++finished; });
    bed.world.guardian.exited(1);
    bed.world.guardian.empty();
    bed.advance(1ms);
    CHECK(finished == 1);
}

TEST_CASE("the session's end while the last line of a crash is waited for ends in time",
          "[service][exit]") {
    ServiceBed bed;
    bed.to_running();
    bed.world.output.line_takes = 100ms;
    bed.world.guardian.exited(1);
    bed.world.guardian.empty();
    int finished = 0;
    bed.service->exit("SIGTERM", false, [&](const std::string&) { ++finished; });
    bed.advance(101ms);
    CHECK(finished == 1);
    CHECK(bed.world.guardian.spawns().size() == 1);
}

TEST_CASE("answers that come when the service is gone are survived", "[service]") {
    auto bed = std::make_unique<ServiceBed>();
    bed->to_running();
    bed->world.strategies.hold_decisions = true;
    bed->world.output.line_takes = 50ms;
    bed->world.guardian.exited(1);
    bed->service.reset();
    bed->world.scheduler.advance(1s);
    bed->world.guardian.empty();
    CHECK(bed->world.scheduler.armed() == 0);
}

TEST_CASE("a whole session on plans: slow start, crashes, a hang, degraded, and a clean end",
          "[service]") {
    ServiceBed bed;
    AppPlan slow;
    slow.healthy_after = 20s;
    AppPlan crashing;
    crashing.ends_after = 1s;
    crashing.ends_by_signal = true;
    crashing.end_code = 11;
    bed.world.plans = {slow, crashing};
    bed.world.play(healthy_plan());
    bed.service->start_for_client("initialize");
    bed.advance(20'010ms);
    CHECK(bed.state() == State::kRunning);
    CHECK(bed.service->status().startup_ms == 20'002);
    bed.world.hangs = true;
    CHECK(bed.time().run_until([&] { return bed.state() == State::kUnhealthy; }, 30s));
    bed.world.hangs = false;
    CHECK(bed.time().run_until([&] { return bed.state() == State::kBackingOff; }, 15s));
    CHECK(bed.time().run_until([&] { return bed.service->status().restarts == 2; }, 15s));
    CHECK(bed.time().run_until([&] { return bed.state() == State::kRunning; }, 15s));
    bed.world.strategies.default_decision = {DecisionAction::kGiveUp, 0ms, "too many"};
    bed.world.guardian.killed(9);
    bed.run();
    CHECK(bed.time().run_until([&] { return bed.state() == State::kDegraded; }, 1s));
    CHECK(bed.world.port.answering());
    CHECK(bed.time().run_until([&] { return bed.state() == State::kRunning; }, 61s));
    CHECK_FALSE(bed.world.port.answering());
    int finished = 0;
    bed.service->exit("stdin was closed", false, [&](const std::string&) { ++finished; });
    bed.advance(1s);
    CHECK(finished == 1);
    CHECK(bed.service->status().restarts == 2);
    CHECK(bed.world.scheduler.armed() == 0);
}

TEST_CASE("an exit is not lost to a step that runs out of memory", "[service]") {
    FakeWorld world;
    FailingClock clock(world.scheduler);
    const auto parts = world.parts();
    Service service(app_config(), {clock, parts.guardian, parts.port, parts.strategies,
                                   parts.output, parts.os, parts.publish});
    service.start_for_client("a client came");
    world.scheduler.run_ready();
    world.guardian.started();
    world.scheduler.run_ready();
    service.stop("flask_stop");
    clock.fail_next = true;
    CHECK_THROWS_AS(world.guardian.killed(15), std::bad_alloc);
    REQUIRE(service.status().state == State::kStopping);
    world.guardian.empty();
    world.scheduler.run_ready();
    CHECK(service.status().state == State::kStopped);
    CHECK(service.status().last_exit.has_value());
}

TEST_CASE("what cannot be asked for want of memory is not waited for", "[service][memory]") {
    ServiceBed bed;
    const auto without_memory = [] { throw std::bad_alloc(); };
    SECTION("a health check") {
        bed.to_running();
        bed.world.guardian.on_check = without_memory;
        bed.advance(20s);
        CHECK(bed.state() == core::State::kRunning);
        CHECK_FALSE(bed.service->status().healthy);
        bed.world.guardian.on_check = nullptr;
        bed.advance(5s);
        REQUIRE(bed.world.strategies.probing());
        bed.healthy();
        CHECK(bed.service->status().healthy);
    }
    SECTION("the restart strategy") {
        bed.to_running();
        bed.world.strategies.on_decide =
            [&](const core::RestartQuestion&) -> std::pair<core::RestartAnswer, core::Duration> {
            without_memory();
            return {};
        };
        bed.crash();
        CHECK(bed.state() == core::State::kDegraded);
        CHECK_THAT(bed.service->status().cause, Catch::Contains("no memory"));
        bed.advance(60s);
        CHECK(bed.state() == core::State::kStarting);
    }
    SECTION("the port strategy") {
        bed.world.strategies.on_propose =
            [&](const core::PortQuestion&) -> std::pair<core::PortProposal, core::Duration> {
            without_memory();
            return {};
        };
        bed.service->start_for_client("a client came");
        bed.run();
        CHECK(bed.state() == core::State::kDegraded);
        bed.world.strategies.on_propose = nullptr;
        bed.advance(60s);
        CHECK(bed.state() == core::State::kStarting);
    }
}

}  // namespace steward::tests
