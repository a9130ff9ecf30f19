// The end of a session, in every state and every way: exit code 0 within a second, and nothing is
// left.
#include <unistd.h>
#include <thread>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

constexpr double kEndMs = 1000;
constexpr double kEndCpuMs = 200;

// An app that does not go by itself, with descendants that do not either.
const std::vector<std::string> kStubborn{"--ignore-term", "--children", "2", "--grandchild"};

std::vector<std::string> stubborn(std::vector<std::string> more) {
    more.insert(more.end(), kStubborn.begin(), kStubborn.end());
    return more;
}

// Brings a server into a state; returns it when it is there.
using Reach = std::unique_ptr<StewardProcess> (*)(const Sandbox& sandbox, bool own_parent);

std::unique_ptr<StewardProcess> serve(const Sandbox& sandbox, StewardStart start, bool own_parent) {
    start.own_parent = own_parent;
    auto steward = std::make_unique<StewardProcess>(sandbox, start);
    steward->initialize();
    return steward;
}

std::unique_ptr<StewardProcess> reach(const Sandbox& sandbox, StewardStart start, bool own_parent,
                                      const std::string& state) {
    auto steward = serve(sandbox, std::move(start), own_parent);
    steward->wait_state(state);
    return steward;
}

std::unique_ptr<StewardProcess> never_started(const Sandbox& sandbox, bool own_parent) {
    auto start = with_app();
    start.own_parent = own_parent;
    auto steward = std::make_unique<StewardProcess>(sandbox, start);
    steward->speak_modern(true);
    steward->call("server/discover");
    return steward;
}

std::unique_ptr<StewardProcess> stopped_on_request(const Sandbox& sandbox, bool own_parent) {
    auto steward = reach(sandbox, with_app(), own_parent, "running");
    steward->tool("flask_stop");
    return steward;
}

// The strategy that is asked does not answer; after 250 ms the built-in one would.
std::unique_ptr<StewardProcess> deciding(const Sandbox& sandbox, bool own_parent) {
    auto start = with_app({"--exit-code", "3"});
    start.args = {"--plugin-dir", STEWARD_SLOW_PLUGINS, "--restart", "slow_restart"};
    return reach(sandbox, std::move(start), own_parent, "deciding");
}

std::unique_ptr<StewardProcess> starting(const Sandbox& sandbox, bool own_parent) {
    auto steward =
        reach(sandbox, with_app(stubborn({"--start-delay-ms", "60000"})), own_parent, "starting");
    // The app's own children are there, too.
    REQUIRE(wait_until([&] { return sandbox.processes().size() >= 5; }));
    return steward;
}

std::unique_ptr<StewardProcess> running(const Sandbox& sandbox, bool own_parent) {
    return reach(sandbox, with_app(), own_parent, "running");
}

std::unique_ptr<StewardProcess> running_stubborn(const Sandbox& sandbox, bool own_parent) {
    return reach(sandbox, with_app(kStubborn), own_parent, "running");
}

std::unique_ptr<StewardProcess> running_flooded(const Sandbox& sandbox, bool own_parent) {
    const std::vector<std::string> flood{"--stdout-bytes", "5000000", "--stdout-line",
                                         "the last line"};
    auto steward = reach(sandbox, with_app(stubborn(flood)), own_parent, "running");
    REQUIRE(wait_until([&] {
        return text_at(steward->tool("flask_logs"), "structuredContent").find("the last line") !=
               std::string::npos;
    }));
    return steward;
}

std::unique_ptr<StewardProcess> unhealthy(const Sandbox& sandbox, bool own_parent) {
    auto start = with_app(stubborn({"--unhealthy-after-ms", "200"}));
    start.args = {"--health-interval", "50ms", "--health-failures", "1"};
    return reach(sandbox, std::move(start), own_parent, "unhealthy");
}

std::unique_ptr<StewardProcess> backing_off(const Sandbox& sandbox, bool own_parent) {
    auto start = with_app({"--exit-code", "3"});
    start.args = {"--set", "restart_backoff.base_ms=30000"};
    return reach(sandbox, std::move(start), own_parent, "backing_off");
}

std::unique_ptr<StewardProcess> degraded(const Sandbox& sandbox, bool own_parent) {
    auto start = with_app({"--exit-code", "3"});
    start.args = {"--set", "restart_backoff.max_restarts=0"};
    return reach(sandbox, std::move(start), own_parent, "degraded");
}

std::unique_ptr<StewardProcess> misconfigured(const Sandbox& sandbox, bool own_parent) {
    return reach(sandbox, no_interpreter(sandbox).start, own_parent, "misconfigured");
}

std::unique_ptr<StewardProcess> stopping(const Sandbox& sandbox, bool own_parent) {
    auto steward = reach(sandbox, with_app(kStubborn), own_parent, "running");
    steward->request_tool("flask_stop");
    steward->wait_state("stopping");
    return steward;
}

struct NamedState {
    std::string name;
    Reach reach;
    std::string state;
};

const std::vector<NamedState>& states() {
    static const std::vector<NamedState> all{
        {"never started", never_started, "stopped"},
        {"stopped on request", stopped_on_request, "stopped"},
        {"deciding", deciding, "deciding"},
        {"starting", starting, "starting"},
        {"running", running, "running"},
        {"running, stubborn", running_stubborn, "running"},
        {"running, after a flood of output", running_flooded, "running"},
        {"unhealthy", unhealthy, "unhealthy"},
        {"backing_off", backing_off, "backing_off"},
        {"degraded", degraded, "degraded"},
        {"misconfigured", misconfigured, "misconfigured"},
        {"stopping", stopping, "stopping"}};
    return all;
}

enum class Way { kEof, kTerm, kHup, kInt, kStdout, kParent };

std::string name_of(Way way) {
    switch (way) {
        case Way::kEof:
            return "stdin is closed";
        case Way::kTerm:
            return "SIGTERM";
        case Way::kHup:
            return "SIGHUP";
        case Way::kInt:
            return "SIGINT";
        case Way::kStdout:
            return "stdout is closed";
        case Way::kParent:
            return "the parent dies";
    }
    return {};
}

void end_session(StewardProcess& steward, Way way) {
    switch (way) {
        case Way::kEof:
            return steward.close_stdin();
        case Way::kTerm:
            return steward.kill(SIGTERM);
        case Way::kHup:
            return steward.kill(SIGHUP);
        case Way::kInt:
            return steward.kill(SIGINT);
        case Way::kStdout:
            return steward.close_stdout();
        case Way::kParent:
            return steward.kill_parent();
    }
}

// Nothing is left, at the latest a second after the end was asked for.
bool nothing_left(const StewardProcess& steward, Clock::time_point asked) {
    const auto rest =
        std::chrono::duration_cast<Milliseconds>(asked + Milliseconds(1000) - Clock::now());
    return wait_until([&] { return steward.left().empty(); }, std::max(rest, Milliseconds(0)));
}

}  // namespace

TEST_CASE("every end of a session, in every state, is over within a second and leaves nothing",
          "[mcp][end]") {
    const Sandbox sandbox;
    const auto& state = states()[static_cast<std::size_t>(GENERATE(range(0, 12)))];
    const auto way =
        GENERATE(Way::kEof, Way::kTerm, Way::kHup, Way::kInt, Way::kStdout, Way::kParent);
    INFO(state.name << ", " << name_of(way));
    // Its stdin stays open in another process (this one) when the parent dies.
    const auto steward = state.reach(sandbox, way == Way::kParent);
    const auto cpu_before = steward->cpu();

    const auto asked = Clock::now();
    end_session(*steward, way);
    const auto end = steward->wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < kEndMs);
    CHECK(nothing_left(*steward, asked));
    CHECK(std::chrono::duration<double, std::milli>(end.cpu - cpu_before).count() < kEndCpuMs);
    CHECK(steward->impure_lines().empty());
}

TEST_CASE("an app that ends well on SIGTERM is not waited for longer than it takes", "[mcp][end]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app({"--drain-ms", "300"}));
    steward.initialize();
    steward.wait_state("running");
    const auto asked = Clock::now();
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) >= 300);
    CHECK(ms_since(asked, end.at) < 600);
    const auto exit = sandbox.wait_event("service.exit");
    CHECK(number_at(exit, "code") == 0);
}

TEST_CASE("a second signal kills at once", "[mcp][end]") {
    const Sandbox sandbox;
    auto start = with_app(kStubborn);
    start.args = {"--exit-timeout", "30s"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    const int first = GENERATE(SIGTERM, SIGHUP, SIGINT, 0);
    if (first == 0) {
        steward.close_stdin();  // no signal: the two that follow are the first and the second
        sandbox.wait_event("service.stop");
        steward.kill(SIGHUP);
    } else {
        steward.kill(first);
        sandbox.wait_event("service.stop");
    }
    const auto asked = Clock::now();
    steward.kill(GENERATE(SIGTERM, SIGINT));
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 300);
    CHECK(nothing_left(steward, asked));
}

TEST_CASE("signals that the parent ignored and blocked end the session all the same",
          "[mcp][end]") {
    const Sandbox sandbox;
    auto start = with_app();
    start.blocked_signals = true;
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    const auto asked = Clock::now();
    steward.kill(GENERATE(SIGTERM, SIGHUP, SIGINT));
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < kEndMs);
    CHECK(nothing_left(steward, asked));
}

TEST_CASE("flask_stop gives the app its full shutdown timeout", "[mcp][end]") {
    const Sandbox sandbox;
    auto start = with_app(kStubborn);
    start.args = {"--shutdown-timeout", "1s"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto pid = static_cast<pid_t>(number_at(steward.wait_state("running"), "pid"));
    const auto asked = Clock::now();
    const auto result = steward.tool("flask_stop");
    CHECK(ms_since(asked) >= 1000);
    CHECK(ms_since(asked) < 1500);
    CHECK(text_at(result, "structuredContent.state") == "stopped");
    CHECK(number_at(result, "structuredContent.last_exit.signal") == SIGKILL);
    CHECK_FALSE(process_lives(pid));
    CHECK(sandbox.processes() == std::vector<pid_t>{steward.pid()});
}

TEST_CASE("lines that came before the EOF and need no waiting are answered first", "[mcp][end]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app(GENERATE(std::vector<std::string>{}, kStubborn)));
    steward.initialize();
    steward.wait_state("running");
    std::string lines;
    lines += steward.request_text(101, "ping") + "\n";
    lines += steward.request_text(102, "tools/call", R"({"name":"flask_status"})") + "\n";
    lines += steward.request_text(103, "tools/list") + "\n";
    lines +=
        steward.request_text(104, "resources/read", R"({"uri":"promptbin://flask-status"})") + "\n";
    lines += steward.request_text(105, "ping");  // without a line break, as EOF may find it
    const auto asked = Clock::now();
    steward.send_raw(lines);
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < kEndMs);
    for (const int id : {101, 102, 103, 104}) {
        CHECK(steward.answer(id, Milliseconds(0))->has("result"));
    }
    CHECK(nothing_left(steward, asked));
}

TEST_CASE("a whole short session in one write is answered", "[mcp][end]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    std::string lines = steward.request_text(
        101, "initialize",
        R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"v","version":"1"}})");
    lines +=
        "\n"
        R"({"jsonrpc":"2.0","method":"notifications/initialized"})"
        "\n";
    lines += steward.request_text(102, "tools/list") + "\n";
    steward.send_raw(lines);
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(steward.started(), end.at) < kEndMs);
    CHECK(steward.answer(101, Milliseconds(0))->has("result"));
    CHECK(steward.answer(102, Milliseconds(0))->has("result"));
    CHECK(nothing_left(steward, steward.started()));
}

TEST_CASE("a client that does not read cannot hold up the end", "[mcp][end]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app(kStubborn));
    steward.initialize();
    steward.wait_state("running");
    std::string lines;
    for (int i = 0; i < 60; ++i) {
        lines += steward.request_text(1000 + i, "tools/list") + "\n";
    }
    // More answers than a pipe holds, and nobody reads them until it is over.
    steward.send_raw(lines);
    const auto asked = Clock::now();
    steward.kill(SIGTERM);
    REQUIRE(wait_until([&] { return !steward.lives(); }, Milliseconds(5000)));
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < kEndMs);
    CHECK(nothing_left(steward, asked));
}

TEST_CASE("a client that reads late gets all answers, and whole lines", "[mcp][end]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.initialize();
    // More than the pipe holds.
    std::vector<int> ids;
    std::string lines;
    for (int i = 0; i < 60; ++i) {
        ids.push_back(1000 + i);
        lines += steward.request_text(ids.back(), "tools/list") + "\n";
    }
    const auto asked = Clock::now();
    steward.send_raw(lines);
    steward.close_stdin();
    std::this_thread::sleep_for(Milliseconds(100));  // a client that pauses
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 1000);
    for (const int id : ids) {
        CHECK(steward.answer(id)->has("result"));
    }
    CHECK(steward.partial_line().empty());
}

TEST_CASE("who hangs up behind a request for the app is answered", "[mcp][end]") {
    const auto tool = GENERATE("flask_start", "flask_stop", "flask_restart", "plugin_list");
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    const auto asked = Clock::now();
    steward.send_raw(
        steward.request_text(1000, "initialize",
                             R"({"protocolVersion":"2025-11-25","capabilities":{},)"
                             R"("clientInfo":{"name":"t","version":"1"}})") +
        "\n" + R"({"jsonrpc":"2.0","method":"notifications/initialized"})" + "\n" +
        steward.request_text(1001, "tools/call",
                             std::string(R"({"name":")") + tool + R"(","arguments":{}})") +
        "\n");
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 1000);
    CAPTURE(tool);
    CHECK(steward.answer(1001)->has("result"));
    CHECK(wait_until([&] { return steward.left().empty(); }, Milliseconds(1000)));
}
