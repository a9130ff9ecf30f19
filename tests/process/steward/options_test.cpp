// The hardcoded defaults: each is in --help, each flag changes it, and what is no value for it is
// refused in one line.
#include "options.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

using host::Options;

// One row of the table of defaults.
struct Flag {
    const char* name;
    const char* shown;  // in --help
    const char* value;  // another one
    std::string (*read)(const Options&);
    const char* is;       // what read() finds without the flag
    const char* becomes;  // and with it
};

std::string ms(std::chrono::nanoseconds time) {
    return std::to_string(std::chrono::duration_cast<Milliseconds>(time).count());
}

std::string setting(const Options& o) {
    return o.settings.empty() ? "" : o.settings.begin()->second.begin()->second;
}

const std::vector<Flag>& flags() {
    static const std::vector<Flag> table{
        {"--host", "[127.0.0.1]", "::1", [](const Options& o) { return o.host; }, "127.0.0.1",
         "::1"},
        {"--port", "[5000]", "81", [](const Options& o) { return std::to_string(o.port); }, "5000",
         "81"},
        {"--port-tries", "[100]", "7",
         [](const Options& o) { return std::to_string(o.port_tries); }, "100", "7"},
        {"--handoff", "[auto]", "flag", [](const Options& o) { return o.handoff; }, "auto", "flag"},
        {"--health-interval", "[5s]", "70ms",
         [](const Options& o) { return ms(o.health_interval); }, "5000", "70"},
        {"--health-timeout", "[2s]", "1m", [](const Options& o) { return ms(o.health_timeout); },
         "2000", "60000"},
        {"--health-failures", "[3]", "9",
         [](const Options& o) { return std::to_string(o.health_failures); }, "3", "9"},
        {"--health-successes", "[1]", "2",
         [](const Options& o) { return std::to_string(o.health_successes); }, "1", "2"},
        {"--busy-limit", "[60s]", "0", [](const Options& o) { return ms(o.busy_limit); }, "60000",
         "0"},
        {"--startup-timeout", "[30s]", "4s", [](const Options& o) { return ms(o.startup_timeout); },
         "30000", "4000"},
        {"--startup-ports", "[3]", "0",
         [](const Options& o) { return std::to_string(o.startup_ports); }, "3", "0"},
        {"--degraded-retry", "[60s]", "2m", [](const Options& o) { return ms(o.degraded_retry); },
         "60000", "120000"},
        {"--shutdown-timeout", "[10s]", "0",
         [](const Options& o) { return ms(o.shutdown_timeout); }, "10000", "0"},
        {"--exit-timeout", "[800ms]", "1s", [](const Options& o) { return ms(o.exit_timeout); },
         "800", "1000"},
        {"--metrics-interval", "[10s]", "30s",
         [](const Options& o) { return ms(o.metrics_interval); }, "10000", "30000"},
        {"--python", "python3]", "/opt/py", [](const Options& o) { return o.python; }, "",
         "/opt/py"},
        {"--data-dir", "[~/promptbin-data]", "/tmp/x", [](const Options& o) { return o.data_dir; },
         "/h/promptbin-data", "/tmp/x"},
        {"--log-level", "[info]", "debug", [](const Options& o) { return o.log_level; }, "info",
         "debug"},
        {"--health", "[health_http]", "none", [](const Options& o) { return o.health; },
         "health_http", "none"},
        {"--restart", "[restart_backoff]", "mine", [](const Options& o) { return o.restart; },
         "restart_backoff", "mine"},
        {"--port-strategy", "[port_sequential]", "mine",
         [](const Options& o) { return o.port_strategy; }, "port_sequential", "mine"},
        {"--metrics", "[metrics_proc]", "none", [](const Options& o) { return o.metrics; },
         "metrics_proc", "none"},
        {"--plugin-dir", "(repeatable)", "/usr",
         [](const Options& o) { return o.plugin_dirs.empty() ? "" : o.plugin_dirs.front(); }, "",
         "/usr"},
        {"--set", "(repeatable)", "a.b.c=d=e", [](const Options& o) { return setting(o); }, "",
         "d=e"},
        {"--env", "(repeatable)", "NAME",
         [](const Options& o) { return o.pass_env.empty() ? "" : o.pass_env.front(); }, "", "NAME"},
    };
    return table;
}

// What --help says of one flag: up to the next one.
std::string help_of(const std::string& help, const std::string& flag) {
    const auto from = help.find("\n  " + flag + " ");
    if (from == std::string::npos) {
        return {};
    }
    return help.substr(from, help.find("\n  -", from + 1) - from);
}

host::Parsed parse(const std::string& command, const Arguments& args) {
    std::vector<const char*> argv{"steward"};
    if (!command.empty()) {
        argv.push_back(command.c_str());
    }
    for (const auto& argument : args) {
        argv.push_back(argument.c_str());
    }
    return host::parse(static_cast<int>(argv.size()), argv.data());
}

// The app's file for another interpreter, which writes down how it was called and then does as the
// app would.
std::string interpreter(const Sandbox& files) {
    return files.write("interpreter",
                       "#!/bin/sh\nprintf '%s\\n' \"$@\" > '" + files.file("argv") +
                           "'\ntr '\\0' '\\n' < /proc/self/environ > '" +
                           files.file("environment") + "'\nshift\nexec '" + test_app_program() +
                           "' \"$@\"\n",
                       /*executable=*/true);
}

std::vector<std::string> lines_of(const std::string& file) {
    std::vector<std::string> lines;
    const std::string text = read_file(file);
    for (std::size_t from = 0, to = text.find('\n'); to != std::string::npos;
         from = to + 1, to = text.find('\n', from)) {
        lines.push_back(text.substr(from, to - from));
    }
    return lines;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("every default is in --help, of each command that takes it") {
    const std::string command = GENERATE("", "run", "mcp", "check");
    Sandbox sandbox;
    const auto output = command.empty() ? run_steward(sandbox, {"--help"})
                                        : run_steward(sandbox, {command, "--help"});
    CHECK(output.code == 0);
    for (const auto& flag : flags()) {
        INFO(command << " " << flag.name);
        CHECK_THAT(help_of(output.out, flag.name), Catch::Contains(flag.shown));
    }
    for (const char* shown :
         {"base_ms [250]", "factor [2]", "cap_ms [30000]", "jitter_percent [20]",
          "stable_ms [60000]", "max_restarts [5]", "path [/health]", "expect_status [200]",
          "pointer [/status]", "expect [healthy]"}) {
        CHECK_THAT(help_of(output.out, "--set"), Catch::Contains(shown));
    }
    CHECK_THAT(help_of(output.out, "--degraded-retry"), Catch::Contains("10m"));
    CHECK_THAT(help_of(output.out, "--plugin-dir"), Catch::Contains("next to the program"));
}

TEST_CASE("what the app's environment is made of is in --help") {
    Sandbox sandbox;
    const auto output = run_steward(sandbox, {"--help"});
    CHECK_THAT(
        output.out,
        Catch::Contains(
            "PATH, HOME, LANG, LC_*, TZ, TMPDIR, USER, XDG_*, PYTHONUTF8=1, PYTHONUNBUFFERED=1") &&
            Catch::Contains("STEWARD_INSTANCE"));
}

TEST_CASE("the settings that --help names are those of the plugins, with their defaults") {
    Sandbox sandbox;
    const auto listed = run_steward(sandbox, {"plugins"});
    for (const char* line : {"restart_backoff.base_ms=250", "restart_backoff.factor=2",
                             "restart_backoff.cap_ms=30000", "restart_backoff.jitter_percent=20",
                             "restart_backoff.stable_ms=60000", "restart_backoff.max_restarts=5",
                             "health_http.path=\"/health\"", "health_http.expect_status=200",
                             "health_http.pointer=\"/status\"", "health_http.expect=\"healthy\""}) {
        CHECK_THAT(listed.out, Catch::Contains(std::string("--set ") + line + " "));
    }
}

TEST_CASE("each flag changes its value, and nothing else does") {
    const std::string command = GENERATE("", "run", "mcp", "check");
    setenv("HOME", "/h", 1);
    for (const auto& flag : flags()) {
        INFO(command << " " << flag.name);
        const auto without = parse(command, {});
        REQUIRE(without.options);
        CHECK(flag.read(*without.options) == flag.is);
        for (const bool joined : {false, true}) {
            const auto with = joined ? parse(command, {std::string(flag.name) + "=" + flag.value})
                                     : parse(command, {flag.name, flag.value});
            INFO(with.text);
            REQUIRE(with.options);
            CHECK(flag.read(*with.options) == flag.becomes);
            for (const auto& other : flags()) {
                if (other.name != flag.name) {
                    INFO("and " << other.name);
                    CHECK(other.read(*with.options) == other.is);
                }
            }
        }
    }
}

TEST_CASE("a plugin's id ends at the first dot, the value begins after the first equals sign") {
    const auto parsed = parse("run", {"--set", "a.b.c=d=e", "--set", "a.f=", "--set", "g.h=1"});
    REQUIRE(parsed.options);
    CHECK(parsed.options->settings ==
          host::Settings{{"a", {{"b.c", "d=e"}, {"f", ""}}}, {"g", {{"h", "1"}}}});
}

TEST_CASE("what is no value for a flag is refused: exit code 2 and one line that names it") {
    struct Wrong {
        Arguments args;
        std::string says;
    };
    const auto wrong = GENERATE(values<Wrong>({
        {{"--port", "0"}, "--port: must be a whole number from 1 to 65535 (got 0)"},
        {{"--port", "65536"}, "--port: must be a whole number from 1 to 65535 (got 65536)"},
        {{"--port", "-1"}, "--port"},
        {{"--port", "80x"}, "--port: must be a whole number"},
        {{"--port", ""}, "--port"},
        {{"--port-tries", "0"}, "--port-tries"},
        {{"--handoff", "fd"},
         "--handoff: must be auto, flag, listen-fds, werkzeug or port (got fd)"},
        {{"--handoff", "port"}, "--handoff port: PromptBin takes the socket by a flag"},
        {{"--handoff", "flag", "--", "/bin/true", "{port}"},
         "--handoff flag: no argument of the command has {fd}"},
        {{"--handoff", "port", "--", "/bin/true", "{port}", "{fd}"},
         "--handoff port: an argument of the command has {fd}"},
        {{"--handoff", "werkzeug", "--env", "WERKZEUG_RUN_MAIN", "--", "/bin/true"},
         "--env: WERKZEUG_RUN_MAIN is set by --handoff werkzeug"},
        {{"--health-interval", "5"},
         "--health-interval: must be a duration such as 500ms, 5s or 2m (got 5)"},
        {{"--health-interval", "9ms"}, "--health-interval: must be from 10ms"},
        {{"--health-timeout", "0"}, "--health-timeout"},
        {{"--health-timeout", "5h"}, "--health-timeout"},
        {{"--health-failures", "0"}, "--health-failures"},
        {{"--health-successes", "0"}, "--health-successes"},
        {{"--busy-limit", "long"}, "--busy-limit"},
        {{"--startup-timeout", "-1s"}, "--startup-timeout"},
        {{"--startup-ports", "101"}, "--startup-ports"},
        {{"--degraded-retry", "soon"}, "--degraded-retry"},
        {{"--shutdown-timeout", "10081m"}, "--shutdown-timeout"},
        {{"--exit-timeout", "1.5s"}, "--exit-timeout"},
        {{"--metrics-interval", "1ms"}, "--metrics-interval"},
        {{"--data-dir", ""}, "--data-dir"},
        {{"--data-dir", "/proc/nonexistent"}, "--data-dir: /proc/nonexistent cannot be written"},
        {{"--log-level", "loud"},
         "--log-level: must be debug, info, warning, error or critical (got loud)"},
        {{"--host", "localhost"},
         "--host: must be a literal address such as 127.0.0.1 or ::1 (got localhost)"},
        {{"--health", ""}, "--health"},
        {{"--restart", "nonexistent"}, "nonexistent"},
        {{"--metrics", "/dev/null/x.so"}, "/dev/null/x.so"},
        {{"--plugin-dir", "/dev/null/x"}, "--plugin-dir: /dev/null/x does not exist"},
        {{"--set", "nonsense"}, "--set: must be ID.KEY=VALUE"},
        {{"--set", ".a=b"}, "--set: must be ID.KEY=VALUE"},
        {{"--set", "nonexistent.a=1"}, "nonexistent"},
        {{"--set", "restart_backoff.nonexistent=1"}, "restart_backoff.nonexistent"},
        {{"--set", "restart_backoff.base_ms=-1"}, "restart_backoff.base_ms: must be >= 0 (got -1)"},
        {{"--set", "restart_backoff.base_ms=fast"}, "restart_backoff.base_ms"},
        {{"--set", "health_http.path=nowhere"}, "path: must begin with a slash"},
        {{"--env", "=x"}, "--env: must be NAME or NAME=VALUE (got =x)"},
        {{"--env", "STEWARD_INSTANCE=x"}, "--env: STEWARD_INSTANCE is set by steward itself"},
        {{"--env", "STEWARD_INSTANCE"}, "--env: STEWARD_INSTANCE is set by steward itself"},
        {{"--env", "LISTEN_FDS=2"}, "--env: LISTEN_FDS is set by steward itself"},
        {{"--env", "LISTEN_PID=1"}, "--env: LISTEN_PID is set by steward itself"},
        {{"foo"}, "foo: unknown argument of `steward "},
        {{"--foo"}, "--foo: no such option of `steward "},
        {{"--nonexistent"}, "--nonexistent"},
        {{"nonexistent"}, "nonexistent"},
        {{"--port"}, "--port"},
        {{"--port=", "--nonexistent"}, "--port= has no value behind it"},
        {{"--python", ""}, "--python: must not be empty"},
        {{"--"}, "give the command"},
    }));
    Sandbox sandbox;
    const std::string command = GENERATE("run", "mcp");
    const auto began = Clock::now();
    const auto output = run_steward(sandbox, Arguments{command} + wrong.args);
    CAPTURE(command, wrong.args, output.err);
    CHECK(output.code == 2);
    CHECK(output.out.empty());
    CHECK_THAT(output.err, Catch::StartsWith("steward: ") && Catch::Contains(wrong.says));
    CHECK(std::count(output.err.begin(), output.err.end(), '\n') == 1);
    CHECK(Clock::now() - began < std::chrono::seconds(5));
    CHECK_FALSE(std::filesystem::exists(sandbox.state()));
}

TEST_CASE("base_ms and cap_ms may be 0") {
    Bed bed(settings({"restart_backoff.base_ms=0", "restart_backoff.cap_ms=0"}),
            test_app({"--exit-code", "3"}));
    bed.wait_event("service.degraded");
    CHECK(bed.numbers("service.restart_scheduled", "delay_ms") == std::vector<std::int64_t>(5, 0));
}

TEST_CASE("the app is started with what the flags say") {
    Sandbox files;
    StewardStart start;
    start.defaults = false;
    start.env = {"PASSED=yes", "SECRET=word", "LC_ALL=C.UTF-8", "TZ=UTC"};
    const auto port = free_port(4);
    const bool given = GENERATE(false, true);
    const Arguments more =
        given ? Arguments{"--data-dir", files.file("d"), "--log-level", "debug",
                          "--env",      "PASSED",        "--env",       "MADE=here",
                          "--env",      "PYTHONUTF8=0",  "--host",      "::1"}
              : Arguments{};
    Bed bed(Arguments{"--python", interpreter(files), "--port", std::to_string(port)} + more,
            /*app=*/{}, start);
    const Json status = bed.wait_healthy();
    const auto argv = lines_of(files.file("argv"));
    REQUIRE(argv.size() == 15);
    CHECK_THAT(argv[0], Catch::EndsWith("/flask_app/app.py"));
    const std::string data = given ? files.file("d") : bed.sandbox().home() + "/promptbin-data";
    const Arguments expected{"--mode",        "mcp-managed",
                             "--host",        given ? "::1" : "127.0.0.1",
                             "--port",        text_at(status, "port"),
                             "--log-level",   given ? "debug" : "info",
                             "--data-dir",    data,
                             "--listen-fd",   "3",
                             "--instance-id", text_at(status, "instance_id")};
    CHECK(Arguments(argv.begin() + 1, argv.end()) == expected);

    const auto environment = lines_of(files.file("environment"));
    for (const auto& entry :
         {std::string("PYTHONUNBUFFERED=1"), "STEWARD_INSTANCE=" + text_at(status, "instance_id"),
          "HOME=" + bed.sandbox().home(), std::string("PATH=/usr/bin:/bin"),
          std::string("USER=tester"), std::string("LC_ALL=C.UTF-8"), std::string("TZ=UTC"),
          std::string(given ? "PYTHONUTF8=0" : "PYTHONUTF8=1")}) {
        INFO(entry);
        CHECK(has(environment, entry));
    }
    CHECK(has(environment, "PASSED=yes") == given);
    CHECK(has(environment, "MADE=here") == given);
    CHECK_FALSE(has(environment, "SECRET=word"));
    CHECK_FALSE(has(environment, "SHELL=/bin/sh"));

    CHECK(text_at(status, "url") ==
          (given ? "http://[::1]:" : "http://127.0.0.1:") + text_at(status, "port"));
    const auto fd = connect_to(static_cast<std::uint16_t>(number_at(status, "port")),
                               given ? "::1" : "127.0.0.1");
    REQUIRE(fd);
    send_get(fd.get(), "/health");
    CHECK(read_answer(fd.get(), kPatience).status == 200);
}

TEST_CASE("--startup-timeout is the time to the first healthy answer") {
    Bed bed(Arguments{"--startup-timeout", "400ms"} + settings({"restart_backoff.max_restarts=0"}),
            test_app({"--start-delay-ms", "60000"}));
    const Json unhealthy = bed.wait_event("service.unhealthy");
    CHECK_THAT(text_at(unhealthy, "cause"), Catch::Contains("not healthy within 400 ms"));
    const auto took = milliseconds_of(unhealthy) - milliseconds_of(bed.wait_event("service.start"));
    CHECK(took >= 399);
    CHECK(took < 1000);
    CHECK(text_at(bed.wait_event("service.degraded"), "cause").find("max_restarts 0") !=
          std::string::npos);
}

TEST_CASE("--exit-timeout is the time from SIGTERM to SIGKILL at the end, 800 ms by default") {
    const bool given = GENERATE(false, true);
    Bed bed(given ? Arguments{"--exit-timeout", "200ms"} : Arguments{},
            test_app({"--ignore-term"}));
    bed.wait_healthy();
    const auto asked = Clock::now();
    const auto exit = bed.end(Milliseconds(1000));
    CHECK(exit.code == 0);
    CHECK(exit.at - asked >= Milliseconds(given ? 199 : 799));
    CHECK(exit.at - asked < Milliseconds(given ? 500 : 1000));
    CHECK(number_at(bed.wait_event("service.exit"), "signal") == SIGKILL);
    CHECK(bed.nothing_left(Milliseconds(100)));
}

TEST_CASE("--shutdown-timeout is the time from SIGTERM to SIGKILL at a restart") {
    Bed bed(quick_restarts() + Arguments{"--shutdown-timeout", "300ms", "--health-interval", "50ms",
                                         "--health-failures", "1"},
            test_app({"--ignore-term"}));
    const auto port = static_cast<std::uint16_t>(number_at(bed.wait_healthy(), "port"));
    REQUIRE(fetch(port, "/unhealthy").status == 200);
    const auto exit = milliseconds_of(bed.wait_event("service.exit"));
    const auto told = milliseconds_of(bed.wait_event("service.unhealthy"));
    CHECK(exit - told >= 299);
    CHECK(exit - told < 600);
    bed.wait_healthy(2);
}

TEST_CASE("--health-interval is the time between two checks, --health-timeout that of one") {
    Bed bed(Arguments{"--health-interval", "200ms", "--health-timeout", "100ms",
                      "--health-failures", "4"});
    const auto port = static_cast<std::uint16_t>(number_at(bed.wait_healthy(), "port"));
    // It accepts no answer any more: each check takes its whole time.
    const auto fd = connect_to(port);
    send_get(fd.get(), "/hang");
    bed.wait_event("service.unhealthy");
    const auto failures = bed.events("probe.failed");
    REQUIRE(failures.size() == 4);
    for (std::size_t i = 0; i < failures.size(); ++i) {
        CHECK_THAT(text_at(failures[i], "cause"), Catch::Contains("no answer within "));
        if (i > 0) {
            const auto apart = milliseconds_of(failures[i]) - milliseconds_of(failures[i - 1]);
            CHECK(apart >= 150);
            CHECK(apart <= 400);
        }
    }
}

TEST_CASE("what is expected of the health answer can be set") {
    Bed bed(settings({"health_http.path=/elsewhere", "health_http.pointer=/path",
                      "health_http.expect=/elsewhere"}));
    CHECK_THAT(text_at(bed.wait_healthy(), "cause"),
               Catch::Contains("GET /elsewhere: 200, /path is \"/elsewhere\""));
}

TEST_CASE("--metrics none: no samples, and the status says so") {
    Bed bed(Arguments{"--metrics", "none", "--metrics-interval", "10ms"});
    bed.wait_healthy();
    CHECK(stays(Milliseconds(300), [&] { return bed.events("metrics").empty(); }));
    CHECK(at(bed.status(), "metrics.rss_bytes").isEmpty());
    CHECK_THAT(text_at(bed.status(), "plugins.health"), Catch::StartsWith("health_http"));
}

}  // namespace steward::tests
