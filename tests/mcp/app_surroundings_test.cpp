// What the app finds when it is started: descriptors, environment, arguments.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

Json report(const Sandbox& sandbox) {
    const std::string file = sandbox.file("report.json");
    REQUIRE(wait_until([&] { return std::filesystem::exists(file); }));
    std::ifstream in(file);
    std::ostringstream text;
    text << in.rdbuf();
    return parse_json(text.str());
}

std::vector<std::string> reporting(const Sandbox& sandbox) {
    return {"--report", sandbox.file("report.json")};
}

// The environment as NAME=VALUE, sorted; what differs from start to start is replaced.
std::vector<std::string> environment(const Json& report) {
    std::vector<std::string> out;
    const auto list = report->getArray("env");
    for (unsigned i = 0; i < list->size(); ++i) {
        auto entry = list->getElement<std::string>(i);
        for (const std::string name : {"STEWARD_INSTANCE", "LISTEN_PID"}) {
            if (entry.rfind(name + "=", 0) == 0) {
                entry = name;
            }
        }
        out.push_back(entry);
    }
    std::sort(out.begin(), out.end());
    return out;
}

void check_descriptors(const Json& report) {
    const auto fds = report->getObject("fds");
    CHECK(fds->size() == 4);
    CHECK(text_at(fds, "0") == "/dev/null");
    CHECK(text_at(fds, "1").rfind("pipe:", 0) == 0);
    CHECK(text_at(fds, "2").rfind("pipe:", 0) == 0);
    CHECK(text_at(fds, "1") != text_at(fds, "2"));
    CHECK(text_at(fds, "3").rfind("socket:", 0) == 0);
}

}  // namespace

TEST_CASE("the app has descriptors 0 to 3, default signals and a session of its own",
          "[mcp][app]") {
    const Sandbox sandbox;
    auto start = with_app(reporting(sandbox));
    start.blocked_signals = GENERATE(false, true);
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto facts = report(sandbox);
    check_descriptors(facts);
    CHECK(number_at(facts, "pid") == number_at(facts, "sid"));
    CHECK(number_at(facts, "pid") == number_at(facts, "pgid"));
    CHECK(number_at(facts, "pdeathsig") == SIGKILL);
    CHECK(text_at(facts, "sig_blocked") == "0");
    CHECK(text_at(facts, "sig_ignored") == "0");
    CHECK(number_at(steward.wait_state("running"), "pid") == number_at(facts, "pid"));
    CHECK(number_at(facts, "ppid") == steward.guardian());
}

TEST_CASE("what steward has inherited does not reach the app", "[mcp][app]") {
    const Sandbox sandbox;
    const int file = open(sandbox.write("inherited", "x").c_str(), O_RDONLY | O_CLOEXEC);
    auto start = with_app(reporting(sandbox));
    start.descriptors = {{file, 3}, {file, 4}, {file, 5}, {file, 9}, {file, 77}, {file, 150}};
    start.closed = GENERATE(std::vector<int>{}, std::vector<int>{1}, std::vector<int>{2},
                            std::vector<int>{1, 2});
    StewardProcess steward(sandbox, start);
    steward.request(
        "initialize",
        R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"v","version":"1"}})");
    check_descriptors(report(sandbox));
    sandbox.wait_event("service.healthy");
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(steward.left().empty());
    close(file);
}

TEST_CASE("a server whose stdin is closed at its start ends at once", "[mcp][app]") {
    const Sandbox sandbox;
    auto start = with_app();
    start.closed = GENERATE(std::vector<int>{0}, std::vector<int>{0, 1}, std::vector<int>{0, 1, 2});
    StewardProcess steward(sandbox, start);
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(steward.started(), end.at) < 1000);
    CHECK_FALSE(std::filesystem::exists(sandbox.state()));
}

TEST_CASE("the app's environment is the list that is documented, and nothing else", "[mcp][app]") {
    const Sandbox sandbox;
    auto start = with_app(reporting(sandbox));
    start.env = {"LANG=C.UTF-8", "LC_ALL=C",         "TZ=UTC",     "TMPDIR=/tmp",
                 "SECRET=1",     "PYTHONPATH=/evil", "LD_DEBUG=0", "STEWARD_INSTANCE=x",
                 "LISTEN_FDS=7", "PASSED=yes",       "PASS=no",    "LANGUAGE=de"};
    start.args = {"--env", "PASSED",           "--env", "ABSENT", "--env", "GIVEN=a=b",
                  "--env", "TZ=Europe/Berlin", "--env", "EMPTY="};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto facts = report(sandbox);
    std::vector<std::string> wanted{"PATH=/usr/bin:/bin",
                                    "HOME=" + sandbox.home(),
                                    "USER=tester",
                                    "XDG_STATE_HOME=" + sandbox.state(),
                                    "XDG_CACHE_HOME=" + sandbox.cache(),
                                    "LANG=C.UTF-8",
                                    "LC_ALL=C",
                                    "TZ=Europe/Berlin",
                                    "TMPDIR=/tmp",
                                    "PASSED=yes",
                                    "GIVEN=a=b",
                                    "EMPTY=",
                                    "PYTHONUTF8=1",
                                    "PYTHONUNBUFFERED=1",
                                    "STEWARD_INSTANCE",
                                    "LISTEN_FDS=1",
                                    "LISTEN_PID"};
    std::sort(wanted.begin(), wanted.end());
    CHECK(environment(facts) == wanted);

    const auto status = steward.wait_state("running");
    const auto list = facts->getArray("env");
    std::vector<std::string> all;
    for (unsigned i = 0; i < list->size(); ++i) {
        all.push_back(list->getElement<std::string>(i));
    }
    CHECK(std::count(all.begin(), all.end(),
                     "STEWARD_INSTANCE=" + text_at(status, "instance_id")) == 1);
    CHECK(std::count(all.begin(), all.end(), "LISTEN_PID=" + text_at(status, "pid")) == 1);
}

TEST_CASE("each instance has a new instance id", "[mcp][app]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.initialize();
    const auto first = text_at(steward.wait_state("running"), "instance_id");
    const auto second = text_at(steward.tool("flask_restart"), "structuredContent.instance_id");
    CHECK_FALSE(first.empty());
    CHECK_FALSE(second.empty());
    CHECK(first != second);
}

TEST_CASE("the Flask app gets its documented command line", "[mcp][app]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, as_flask_app(sandbox, reporting(sandbox)));
    steward.initialize();
    const auto status = steward.wait_state("running");
    const auto facts = report(sandbox);
    const auto list = facts->getArray("argv");
    std::vector<std::string> argv;
    for (unsigned i = 1; i < list->size(); ++i) {
        argv.push_back(list->getElement<std::string>(i));
    }
    const std::vector<std::string> wanted{"--mode",        "mcp-managed",
                                          "--host",        "127.0.0.1",
                                          "--port",        text_at(status, "port"),
                                          "--log-level",   "info",
                                          "--data-dir",    sandbox.data_dir(),
                                          "--listen-fd",   "3",
                                          "--instance-id", text_at(status, "instance_id"),
                                          "--report",      sandbox.file("report.json")};
    CHECK(argv == wanted);
}
