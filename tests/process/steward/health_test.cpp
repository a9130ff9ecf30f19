// An app that does not answer: busy, hung, stopped, traced and dead are told apart, and each is
// treated as it deserves.
#include <sys/ptrace.h>

#include <csignal>
#include <filesystem>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

constexpr int kIntervalMs = 200;
constexpr int kTimeoutMs = 100;
// For a machine that is busy with something else.
constexpr int kLeewayMs = 1500;

Arguments quick_checks(const Arguments& more = {}) {
    return quick_restarts() + Arguments{"--health-interval",  std::to_string(kIntervalMs) + "ms",
                                        "--health-timeout",   std::to_string(kTimeoutMs) + "ms",
                                        "--shutdown-timeout", "200ms"} +
           more;
}

pid_t pid_in(const Json& status) {
    return static_cast<pid_t>(number_at(status, "pid"));
}

// A request whose answer is not waited for; the app has it when this returns, or soon.
core::UniqueFd begin(const Json& status, const std::string& path) {
    auto fd = connect_to(static_cast<std::uint16_t>(number_at(status, "port")));
    REQUIRE(fd);
    send_get(fd.get(), path);
    return fd;
}

Fits has_condition(const std::string& condition) {
    return [condition](const Json& event) {
        const auto value = at(event, "condition");
        return !value.isEmpty() && value.toString() == condition;
    };
}

std::string condition_of(const Json& event) {
    return text_at(event, "condition");
}

std::string app_log(const Sandbox& sandbox) {
    std::string text;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(sandbox.state())) {
        if (entry.path().filename() == "app.log") {
            text += read_file(entry.path());
        }
    }
    return text;
}

}  // namespace

TEST_CASE("an app that computes for ten seconds is busy, is not killed, and is healthy again") {
    Bed bed(quick_checks());
    const Json before = bed.wait_healthy();
    const auto request = begin(before, "/busy/10000");
    const Json failed = bed.wait_event("probe.failed", has_condition("busy"));
    CHECK_THAT(text_at(failed, "cause"), Catch::Contains("; busy: used ") &&
                                             Catch::Contains(" % of a core") &&
                                             Catch::Contains(" over the last "));
    const Json busy = bed.wait_status([](const Json& status) {
        return text_at(status, "cause").find("tolerated for at most 1 min") != std::string::npos;
    });
    CHECK(text_at(busy, "state") == "running");
    CHECK_FALSE(at(busy, "healthy").convert<bool>());
    CHECK_THAT(text_at(busy, "cause"), Catch::Contains("; busy: used "));

    CHECK(read_answer(request.get(), Milliseconds(20'000)).status == 200);
    const Json after = bed.wait_healthy();
    CHECK(pid_in(after) == pid_in(before));
    CHECK(number_at(after, "generation") == 1);
    // The log is written behind.
    bed.wait_event("service.healthy", [](const Json& event) {
        return text_at(event, "cause").starts_with("healthy again");
    });
    CHECK(bed.events("service.unhealthy").empty());
    // More than three times --health-failures of them, or nothing was tolerated.
    CHECK(bed.events("probe.failed").size() > 9);
}

TEST_CASE("a busy app is restarted after --busy-limit, not before, with that cause") {
    Bed bed(quick_checks({"--busy-limit", "3s"}));
    const Json before = bed.wait_healthy();
    const auto request = begin(before, "/busy/60000");
    const Json unhealthy = bed.wait_event("service.unhealthy", {}, Milliseconds(10'000));
    CHECK(condition_of(unhealthy) == "busy");
    CHECK_THAT(text_at(unhealthy, "cause"), Catch::Contains(" failed health checks in a row in ") &&
                                                Catch::Contains("; busy: used ") &&
                                                Catch::Contains("; tolerated for at most 3 s"));
    const auto lasted =
        milliseconds_of(unhealthy) - milliseconds_of(bed.events("probe.failed").front());
    CHECK(lasted >= 3000);
    CHECK(lasted <= 3000 + kIntervalMs + kTimeoutMs + kLeewayMs);
    const Json after = bed.wait_healthy(2);
    CHECK(pid_in(after) != pid_in(before));
    CHECK_THAT(text_at(after, "cause"), Catch::Contains("; busy: used "));
}

TEST_CASE("a deadlocked app is hung, whether it still accepts or not") {
    const auto accepts = GENERATE(false, true);
    Bed bed(quick_checks());
    const Json before = bed.wait_healthy();
    const auto request = begin(before, accepts ? "/hang" : "/stuck");
    const Json unhealthy = bed.wait_event("service.unhealthy", {}, Milliseconds(5000));
    CHECK(condition_of(unhealthy) == "hung");
    CHECK_THAT(text_at(unhealthy, "cause"),
               Catch::Contains("3 failed health checks in a row, the last: ") &&
                   Catch::Contains("; hung: used ") &&
                   Catch::Contains(accepts ? ", no connection waits" : " connections wait"));
    const auto lasted =
        milliseconds_of(unhealthy) - milliseconds_of(bed.events("probe.failed").front());
    CHECK(lasted <= 2 * (kIntervalMs + kTimeoutMs) + kLeewayMs);
    const Json after = bed.wait_healthy(2);
    // The failure is told once, with what was seen and what the policy said.
    const auto scheduled = text_at(bed.wait_event("service.restart_scheduled"), "cause");
    CHECK_THAT(scheduled, Catch::Contains("; hung: used "));
    CHECK(scheduled.find("failed health checks in a row") ==
          scheduled.rfind("failed health checks in a row"));
}

TEST_CASE("a stopped app is said to be stopped") {
    Bed bed(quick_checks());
    const Json before = bed.wait_healthy();
    REQUIRE(::kill(pid_in(before), SIGSTOP) == 0);
    const Json unhealthy = bed.wait_event("service.unhealthy", {}, Milliseconds(5000));
    CHECK(condition_of(unhealthy) == "stopped");
    CHECK_THAT(text_at(unhealthy, "cause"), Catch::Contains("; stopped: by a signal"));
    bed.wait_healthy(2);
}

TEST_CASE("an app that a debugger holds is left alone, and the debugger named") {
    Bed bed(quick_checks());
    const Json before = bed.wait_healthy();
    const pid_t app = pid_in(before);
    if (ptrace(PTRACE_SEIZE, app, nullptr, nullptr) != 0) {
        WARN("this machine does not let the test trace the app");
        return;
    }
    REQUIRE(ptrace(PTRACE_INTERRUPT, app, nullptr, nullptr) == 0);
    const Json failed = bed.wait_event(
        "probe.failed", [](const Json& event) { return number_at(event, "failures") == 6; });
    CHECK(condition_of(failed) == "traced");
    CHECK_THAT(text_at(failed, "cause"),
               Catch::Contains("; traced: stopped by " + std::to_string(getpid()) + " ("));
    CHECK(bed.events("service.unhealthy").empty());
    REQUIRE(ptrace(PTRACE_DETACH, app, nullptr, nullptr) == 0);
    const Json after = bed.wait_healthy();
    CHECK(pid_in(after) == app);
}

TEST_CASE("a dead app is not waited for: its end is known at once") {
    Bed bed(quick_restarts() + Arguments{"--health-interval", "10s"});
    const Json before = bed.wait_healthy();
    const auto killed = Clock::now();
    REQUIRE(::kill(pid_in(before), SIGKILL) == 0);
    const Json exit = bed.wait_event("service.exit");
    CHECK_THAT(text_at(exit, "cause"), Catch::Contains("killed by signal 9 (SIGKILL)"));
    bed.wait_healthy(2);
    CHECK(Clock::now() - killed < std::chrono::seconds(5));
    CHECK(bed.events("service.unhealthy").empty());
    CHECK(bed.events("probe.failed").empty());
}

TEST_CASE("the web app deadlocked: its stacks are in the log, and flask_explain names the cause") {
    Sandbox sandbox;
    const auto trigger = sandbox.file("deadlock-now");
    // A thread that takes the interpreter's lock for ever, once, when a file appears.
    const auto launcher = sandbox.write("launcher.py",
                                        R"(import ctypes, os, runpy, sys, threading, time

def hold_the_interpreter():
    while not os.path.exists(")" + trigger + R"("):
        time.sleep(0.02)
    os.unlink(")" + trigger + R"(")
    while True:
        ctypes.PyDLL(None).pause()

threading.Thread(target=hold_the_interpreter, daemon=True).start()
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
)");
    const auto python =
        sandbox.write("python", "#!/bin/sh\nexec '" TEST_PYTHON "' '" + launcher + "' \"$@\"\n",
                      /*executable=*/true);
    StewardStart start;
    start.args = quick_checks({"--python", python});
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    sandbox.write("deadlock-now", "");

    const Json unhealthy = sandbox.wait_event("service.unhealthy");
    CHECK(condition_of(unhealthy) == "hung");
    const Json scheduled = sandbox.wait_event("service.restart_scheduled");
    INFO(text_at(sandbox.wait_event("service.exit"), "cause"));
    CHECK_THAT(text_at(scheduled, "cause"),
               Catch::Contains("; hung: used ") &&
                   Catch::Contains("; stack dump in the app's log; restart 1 of "));
    std::string log;
    // Every thread's stack, down to that of the one that started first.
    CHECK(wait_until(
        [&] {
            log = app_log(sandbox);
            return log.find("app.py\", line") != std::string::npos;
        },
        Milliseconds(5000)));
    CHECK_THAT(log, Catch::Contains("(most recent call first)") &&
                        Catch::Contains("in hold_the_interpreter"));
    CHECK_THAT(log, Catch::Contains("in wait\n") && Catch::Contains("serving.py"));

    steward.wait_status([](const Json& status) {
        return at(status, "healthy").convert<bool>() && number_at(status, "generation") == 2;
    });
    const auto out = steward.tool("flask_explain")->getObject("structuredContent");
    CHECK_THAT(text_at(out, "text"), Catch::Contains("; hung: used ") &&
                                         Catch::Contains("; stack dump in the app's log"));
}

TEST_CASE("with --health-successes 3 an app is healthy from the third answer on") {
    Bed bed(quick_checks({"--health-successes", "3"}));
    const Json status = bed.wait_healthy();
    CHECK(number_at(status, "startup_ms") >= 2 * kIntervalMs);
    REQUIRE(fetch(static_cast<std::uint16_t>(number_at(status, "port")), "/unhealthy").status ==
            200);
    bed.wait_event("probe.failed");
    REQUIRE(fetch(static_cast<std::uint16_t>(number_at(status, "port")), "/healthy").status == 200);
    bed.wait_status([](const Json& now) {
        return text_at(now, "cause").starts_with("HEALTHY 2 of 3 in a row");
    });
    bed.wait_healthy();
    CHECK(number_at(bed.status(), "generation") == 1);
}

}  // namespace steward::tests
