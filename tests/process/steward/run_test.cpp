// `steward run` as a person uses it, and the commands around it.
#include <Poco/JSON/Array.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;

StewardStart in_own_session() {
    StewardStart start;
    start.own_session = true;
    return start;
}

// What the terminal shows, up to the line that says how to end it.
std::vector<std::string> screen(StewardProcess& steward) {
    const auto complete = [&] {
        steward.pump();
        return !steward.lines().empty() && steward.lines().back() == "Ctrl-C stops it.";
    };
    REQUIRE(wait_until(complete));
    return steward.lines();
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) {
        text += line + "\n";
    }
    return text;
}

// From the first line that is "{" to the next that is "}".
std::string json_in(const std::string& text) {
    const auto from = text.find("\n{\n");
    const auto to = text.find("\n}\n", from);
    REQUIRE(from != std::string::npos);
    REQUIRE(to != std::string::npos);
    return text.substr(from + 1, to + 2 - from);
}

std::size_t lines_in(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

void check_program(const Json& snippet, const std::string& path) {
    const std::string program = text_at(snippet, path + ".command");
    CHECK(fs::path(program).is_absolute());
    CHECK(fs::is_regular_file(program));
    CHECK(fs::equivalent(program, steward_program()));
    CHECK(text_at(snippet, path + ".args.0") == "mcp");
}

}  // namespace

TEST_CASE(
    "steward run prints an address that answers and the snippet to connect, and Ctrl-C ends it "
    "with 0") {
    Bed bed({}, /*app=*/{}, in_own_session());
    const auto lines = screen(bed.steward());
    const std::string text = joined(lines);
    const Json status = bed.wait_healthy();
    const std::string url = text_at(status, "url");
    CHECK(lines.front() == "PromptBin is ready: " + url);
    CHECK(url == "http://127.0.0.1:" + text_at(status, "port"));
    const auto port = static_cast<std::uint16_t>(number_at(status, "port"));
    CHECK(fetch(port, "/").status == 200);
    check_program(parse_json(json_in(text)), "mcpServers.promptbin");

    // As a terminal does it: to the whole group.
    const auto asked = Clock::now();
    REQUIRE(::kill(-bed.steward().pid(), SIGINT) == 0);
    const auto exit = bed.steward().wait_exit(Milliseconds(1000));
    CHECK(exit.code == 0);
    CHECK(exit.at - asked < std::chrono::seconds(1));
    CHECK(bed.nothing_left(Milliseconds(100)));
    CHECK(fetch(port, "/").trouble == "refused");
}

TEST_CASE("a terminal that takes no more holds up neither the app nor the end") {
    StewardStart start;
    start.unread = GENERATE(std::set<int>{1}, std::set<int>{2}, std::set<int>{1, 2});
    const auto app = test_app({"--stdout-bytes", "2000000"});
    Bed bed(quick_restarts(), app, start);
    const Json first = bed.wait_healthy();
    REQUIRE(::kill(static_cast<pid_t>(number_at(first, "pid")), SIGKILL) == 0);
    bed.wait_healthy(2);
    const auto asked = Clock::now();
    bed.steward().kill(SIGTERM);
    CHECK(bed.steward().wait_exit(Milliseconds(5000)).code == 0);
    CHECK(Clock::now() - asked < std::chrono::seconds(1));
    CHECK(bed.nothing_left(Milliseconds(100)));
}

TEST_CASE("of a program without a port nothing is said but that it was started") {
    Bed bed(Arguments{"--health", "none"}, Arguments{"/bin/sh", "-c", "exec sleep 1000"});
    const auto lines = screen(bed.steward());
    CHECK(lines.front() == "sh started, pid " + text_at(bed.status(), "pid"));
}

TEST_CASE("a second Ctrl-C ends it at once, whatever the app does") {
    Bed bed(Arguments{"--exit-timeout", "60s"}, test_app({"--ignore-term"}), in_own_session());
    bed.wait_healthy();
    bed.steward().kill(SIGINT);
    bed.wait_event("service.stop");
    const auto asked = Clock::now();
    bed.steward().kill(SIGINT);
    CHECK(bed.steward().wait_exit(Milliseconds(500)).code == 0);
    CHECK(Clock::now() - asked < Milliseconds(500));
    CHECK(bed.nothing_left(Milliseconds(100)));
}

TEST_CASE(
    "the page of the project's own prompts: all 533 are counted, whether by a copy or read-only") {
    Sandbox files;
    const std::string data = files.file("prompts");
    fs::copy(std::string(STEWARD_SOURCE_DIR) + "/tests/data/promptbin-data", data,
             fs::copy_options::recursive);
    StewardStart start;
    start.defaults = false;
    Bed bed(Arguments{"--data-dir", data, "--port", std::to_string(free_port(4))}, /*app=*/{},
            start);
    const Json status = bed.wait_healthy();
    const auto port = static_cast<std::uint16_t>(number_at(status, "port"));
    const Answer health = fetch(port, "/health");
    REQUIRE(health.status == 200);
    CHECK(number_at(parse_json(health.body), "prompts_count") == 533);
    CHECK(text_at(parse_json(health.body), "instance") == text_at(status, "instance_id"));
    const Answer page = fetch(port, "/");
    CHECK(page.status == 200);
    CHECK_THAT(page.header("Content-Type"), Catch::StartsWith("text/html"));
}

TEST_CASE("--open opens the address in a browser, but does nothing where there is no desktop") {
    const bool desktop = GENERATE(true, false);
    Sandbox sandbox;
    const std::string opened = sandbox.file("opened");
    sandbox.write(
        "bin/xdg-open",
        "#!/bin/sh\necho \"$1\" > '" + opened + ".new'; mv '" + opened + ".new' '" + opened + "'\n",
        /*executable=*/true);
    // Ends steward once it has said where the app is and, with a desktop, the browser has been
    // started.
    const std::string script =
        "\"$@\" > '" + sandbox.file("screen") +
        "' & pid=$!\n"
        "until grep -q Ctrl-C '" +
        sandbox.file("screen") + "'; do sleep 0.02; done\n" +
        (desktop ? "until test -e '" + opened + "'; do sleep 0.02; done\n" : std::string()) +
        "kill -TERM $pid; wait $pid\n";
    Arguments variables{"PATH=" + sandbox.file("bin") + ":/usr/bin:/bin"};
    if (desktop) {
        variables.push_back("DISPLAY=:0");
    }
    const auto output =
        run_program(sandbox,
                    Arguments{"/bin/sh", "-c", script, "sh", steward_program(), "run", "--open",
                              "--port", std::to_string(free_port(4)), "--"} +
                        test_app(),
                    variables);
    INFO(output.err);
    CHECK(output.code == 0);
    const std::string text = read_file(sandbox.file("screen"));
    if (desktop) {
        const std::string url = read_file(opened);
        CHECK_THAT(url, Catch::StartsWith("http://127.0.0.1:"));
        CHECK_THAT(text, Catch::Contains("is ready: " + url));
    } else {
        CHECK_FALSE(fs::exists(opened));
        CHECK_THAT(text, Catch::Contains("is ready: http://127.0.0.1:"));
    }
    CHECK(wait_until([&] { return sandbox.processes().empty(); }, Milliseconds(1000)));
}

TEST_CASE("steward status, logs and plugins tell of the running server") {
    Bed bed({}, test_app({"--stdout-line", "a line of the app", "--stderr-line", "another one"}));
    const Json own = bed.wait_healthy();

    const auto json = run_steward(bed.sandbox(), {"status", "--json"});
    CHECK(json.code == 0);
    CHECK(lines_in(json.out) == 1);
    const Json told = parse_json(json.out);
    for (const char* member : {"schema", "healthy", "state", "since", "port", "url", "pid",
                               "restarts", "startup_ms", "generation", "instance_id", "last_exit",
                               "next_restart_ms", "cause", "plugins", "log_file", "version"}) {
        INFO(member);
        CHECK(told->has(member));
        CHECK(text_at(told, member) == text_at(own, member));
    }
    CHECK(told->has("uptime"));
    CHECK(told->has("metrics"));
    CHECK(fs::exists(text_at(told, "log_file")));
    CHECK_THAT(text_at(told, "plugins.health"), Catch::StartsWith("health_http "));

    const auto table = run_steward(bed.sandbox(), {"status"});
    CHECK(table.code == 0);
    CHECK_THAT(table.out, Catch::Contains("running since") &&
                              Catch::Contains(text_at(own, "url")) &&
                              Catch::Contains("pid        " + text_at(own, "pid")));

    const auto logs = run_steward(bed.sandbox(), {"logs"});
    CHECK(logs.code == 0);
    CHECK_THAT(logs.out,
               Catch::Contains("out a line of the app") && Catch::Contains("err another one"));
    const auto events = run_steward(bed.sandbox(), {"logs", "--events", "-n", "2"});
    CHECK(events.code == 0);
    CHECK(lines_in(events.out) == 2);
    CHECK_THAT(events.out, Catch::Contains("\"event\":\"service.healthy\""));

    const auto plugins = run_steward(bed.sandbox(), {"plugins", "--json"});
    CHECK(plugins.code == 0);
    const Json found = parse_json(plugins.out);
    const auto list = found->getArray("plugins");
    std::set<std::string> ids;
    for (unsigned i = 0; i < list->size(); ++i) {
        const auto plugin = list->getObject(i);
        CHECK(plugin->getValue<bool>("usable"));
        CHECK(fs::exists(plugin->getValue<std::string>("file")));
        CHECK(plugin->getObject("schema")->getValue<std::string>("type") == "object");
        ids.insert(plugin->getValue<std::string>("id"));
    }
    for (const char* id : {"health_http", "restart_backoff", "port_sequential", "metrics_proc"}) {
        CHECK(ids.count(id) == 1);
    }
    const auto readable = run_steward(bed.sandbox(), {"plugins"});
    CHECK(readable.code == 0);
    CHECK_THAT(readable.out, Catch::Contains("--set restart_backoff.base_ms=250"));
    CHECK(number_at(bed.wait_healthy(), "generation") == 1);
}

TEST_CASE("without a running server steward status and logs say so") {
    Sandbox sandbox;
    const std::string command = GENERATE("status", "logs");
    const auto output = run_steward(sandbox, {command});
    CHECK(output.code == 3);
    CHECK(output.out.empty());
    CHECK(lines_in(output.err) == 1);
}

TEST_CASE("steward check says 0 where a start would work, also next to a running server") {
    Bed bed({}, /*app=*/{});
    bed.wait_healthy();
    const auto output = run_steward(bed.sandbox(), {"check", "--data-dir", bed.sandbox().data_dir(),
                                                    "--port", text_at(bed.status(), "port")});
    INFO(output.out << output.err);
    CHECK(output.code == 0);
    CHECK_THAT(output.out, Catch::Contains("can be executed") && Catch::Contains("is free"));
}

TEST_CASE("steward check tells only of what it has tried") {
    Sandbox sandbox;
    // The command does not use the folder.
    const auto unused = run_steward(sandbox, {"check", "--data-dir", "/proc/nonexistent", "--port",
                                              std::to_string(free_port()), "--", "/bin/true"});
    INFO(unused.out);
    CHECK(unused.code == 0);
    CHECK(unused.out.find("/proc/nonexistent") == std::string::npos);

    const auto host = run_steward(
        sandbox,
        Arguments{"check", "--host", "foo", "--data-dir", sandbox.data_dir(), "--"} + test_app());
    INFO(host.out);
    CHECK(host.code == 2);
    CHECK_THAT(host.out, Catch::Contains("wrong  --host: must be a literal address"));
    CHECK(host.out.find("free") == std::string::npos);

    const auto flask =
        run_steward(sandbox, {"check", "--host", "foo", "--data-dir", sandbox.data_dir()});
    CHECK_THAT(flask.out, Catch::Contains("ok     " + sandbox.data_dir() + " can be written"));

    const auto folder = run_steward(sandbox, {"check", "--", sandbox.path()});
    CHECK(folder.code == 2);
    CHECK_THAT(folder.out, Catch::Contains(sandbox.path() + ": cannot be executed"));
}

TEST_CASE("a signal ends steward check while an interpreter does not answer") {
    Sandbox sandbox;
    StewardStart start;
    start.command = "check";
    start.blocked_signals = GENERATE(false, true);
    start.args = {"--python", sandbox.write("interpreter", "#!/bin/sh\nsleep 1000 & wait\n",
                                            /*executable=*/true)};
    StewardProcess steward(sandbox, start);
    REQUIRE(wait_until([&] { return sandbox.processes().size() >= 3; }));
    const auto asked = Clock::now();
    const int signal = GENERATE(SIGTERM, SIGINT, SIGHUP);
    steward.kill(signal);
    const auto end = steward.wait_exit();
    CHECK(end.signal == signal);
    CHECK(end.at - asked < std::chrono::seconds(1));
    CHECK(wait_until([&] { return steward.left().empty(); }, Milliseconds(1000)));
}

TEST_CASE("steward check does not wait for an interpreter for ever") {
    Sandbox sandbox;
    const auto python = sandbox.write("interpreter", "#!/bin/sh\ntrap '' TERM\nsleep 1000 & wait\n",
                                      /*executable=*/true);
    const auto output = run_program(sandbox,
                                    {steward_program(), "check", "--python", python, "--data-dir",
                                     sandbox.data_dir(), "--port", std::to_string(free_port())},
                                    {}, Milliseconds(20'000));
    INFO(output.out << output.err);
    CHECK(output.code == 2);
    CHECK_THAT(output.out, Catch::Contains("does not end within 10 s and was killed"));
    CHECK(wait_until([&] { return sandbox.processes().empty(); }, Milliseconds(1000)));
}

TEST_CASE("steward check says 2 and what to do where a start would fail, and changes nothing") {
    Sandbox sandbox;
    const auto port = free_port();
    const auto taken = occupy("127.0.0.1", port, Ends::kListening);
    struct Case {
        Arguments args;
        std::string names;
    };
    const auto wrong = GENERATE(
        Case{{"--python", "/nonexistent/python"}, "/nonexistent/python: cannot be executed"},
        Case{{"--data-dir", "/proc/nonexistent"},
             "--data-dir: /proc/nonexistent cannot be written"},
        Case{{"--port", "TAKEN", "--port-tries", "1"}, "in use"},
        Case{{"--host", "localhost"}, "--host: must be a literal address"},
        Case{{"--restart", "nonexistent"}, "nonexistent"},
        Case{{"--set", "restart_backoff.base_ms=-1"},
             "restart_backoff.base_ms: must be >= 0 (got -1)"},
        Case{{"--", "/nonexistent/program"}, "/nonexistent/program: cannot be executed"});
    Arguments args = wrong.args;
    std::replace(args.begin(), args.end(), std::string("TAKEN"), std::to_string(port));
    const auto output = run_steward(sandbox, Arguments{"check"} + args);
    INFO(output.out << output.err);
    CHECK(output.code == 2);
    CHECK_THAT(output.out + output.err, Catch::Contains(wrong.names));
    for (const auto& folder : {sandbox.state(), sandbox.cache(), sandbox.data_dir()}) {
        CHECK_FALSE(fs::exists(folder));
    }
    CHECK(fs::is_empty(sandbox.home()));
}

TEST_CASE(
    "steward connect prints what each AI tool needs: valid JSON with a program that is there") {
    Sandbox sandbox;
    const auto [client, path] =
        GENERATE(table<std::string, std::string>({{"claude", "mcpServers.promptbin"},
                                                  {"vscode", "servers.promptbin"},
                                                  {"cursor", "mcpServers.promptbin"}}));
    const auto output = run_steward(sandbox, {"connect", client});
    CHECK(output.code == 0);
    const Json snippet = parse_json(output.out);
    check_program(snippet, path);
    if (client == "vscode") {
        CHECK(text_at(snippet, "servers.promptbin.type") == "stdio");
    }
    const auto all = run_steward(sandbox, {"connect"});
    CHECK(all.code == 0);
    CHECK_THAT(all.out, Catch::Contains(output.out));
    const auto unknown = run_steward(sandbox, {"connect", "nonexistent"});
    CHECK(unknown.code == 2);
    CHECK(lines_in(unknown.err) == 1);
}

}  // namespace steward::tests
