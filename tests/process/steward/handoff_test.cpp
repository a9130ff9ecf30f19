// Apps that are not ours: how each comes to its port, what a restart does to those who use it, and
// what is said where the way was the wrong one.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"
#include "stock_apps.hpp"

namespace steward::tests {
namespace {

// Fails with what to do where a server is not installed.
void require_server(const Sandbox& files, const StockApp& app) {
    const auto found =
        run_program(files, {"/usr/bin/env", "python3", "-c", std::string("import ") + app.needs});
    if (found.code != 0) {
        FAIL("Debian's Python has no " << app.needs
                                       << ": `script/bootstrap test` installs it: " << found.err);
    }
}

std::uint16_t port_in(const Json& status) {
    return static_cast<std::uint16_t>(number_at(status, "port"));
}

// Asks again and again, each time on a connection of its own, until it is destroyed.
class Client {
  public:
    explicit Client(std::uint16_t port) : thread_([this, port] { ask(port); }) {}
    ~Client() { end(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void end() {
        ended_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    int answered() const { return answered_; }
    int refused() const { return refused_; }
    int cut() const { return cut_; }
    int other() const { return other_; }

  private:
    void ask(std::uint16_t port) {
        while (!ended_) {
            const Answer answer = fetch(port, "/health");
            auto& count = answer.status == 200                                           ? answered_
                          : answer.trouble == "refused"                                  ? refused_
                          : answer.trouble == "reset" || answer.trouble == "ended early" ? cut_
                                                                                         : other_;
            ++count;
        }
    }

    std::atomic<bool> ended_{false};
    std::atomic<int> answered_{0};
    std::atomic<int> refused_{0};
    std::atomic<int> cut_{0};
    std::atomic<int> other_{0};
    std::thread thread_;
};

// The app as it is left by a failure that is for good.
Arguments gives_up_at_once() {
    return settings({"restart_backoff.max_restarts=0"});
}

std::vector<StockApp> all_ways() {
    auto all = handed_over();
    for (auto& app : own_ports()) {
        all.push_back(std::move(app));
    }
    return all;
}

// Waitress has no option for it.
StewardStart in_folder(const Sandbox& files) {
    StewardStart start;
    start.env = {"PYTHONPATH=" + files.file("site")};
    return start;
}

}  // namespace

TEST_CASE("kill -9 keeps the port of a stock server, and no request is refused meanwhile") {
    const auto app = GENERATE(from_range(handed_over()));
    INFO(app.name);
    Sandbox files;
    write_app(files);
    require_server(files, app);
    Bed bed(quick_restarts() + app.options, command_of(app, files));
    Json status = bed.wait_healthy();
    const auto port = port_in(status);
    Client client(port);
    constexpr int kKills = 3;
    for (int kill = 1; kill <= kKills; ++kill) {
        const int before = client.answered();
        REQUIRE(wait_until([&] { return client.answered() > before + 2; }));
        std::vector<core::UniqueFd> ends;
        const auto pid = static_cast<pid_t>(number_at(status, "pid"));
        ends.push_back(pidfd_of(pid));
        for (const auto worker : descendants_of(pid)) {
            ends.push_back(pidfd_of(worker));
        }
        REQUIRE(::kill(pid, SIGKILL) == 0);
        for (const auto& end : ends) {
            REQUIRE((!end || ends_within(end, kPatience)));
        }
        // Nobody is there to accept it: it waits for the next instance.
        const Answer answer = fetch(port, "/health");
        INFO(answer.trouble);
        CHECK(answer.status == 200);
        status = bed.wait_healthy(kill + 1);
        CHECK(port_in(status) == port);
        CHECK(number_at(status, "restarts") == kill);
    }
    client.end();
    CHECK(client.refused() == 0);
    CHECK(client.other() == 0);
    CHECK(client.cut() <= kKills);  // What an instance was busy with dies with it.
    // The app is given what its mode says, and nothing else.
    const auto variables = environment_of(static_cast<pid_t>(number_at(status, "pid")));
    const auto has = [&](const std::string& begin) {
        return std::any_of(variables.begin(), variables.end(), [&](const std::string& variable) {
            return variable.starts_with(begin);
        });
    };
    const bool werkzeug = app.mode == std::string("werkzeug");
    CHECK(has("WERKZEUG_SERVER_FD=3") == werkzeug);
    CHECK(has("WERKZEUG_RUN_MAIN=true") == werkzeug);
    CHECK(has("LISTEN_FDS=1") == !werkzeug);
    CHECK(has("LISTEN_PID=") == !werkzeug);
}

TEST_CASE("steward check says how the app comes to its port, and why") {
    const auto app = GENERATE(from_range(all_ways()));
    INFO(app.name);
    Sandbox files;
    write_app(files);
    const auto output =
        run_steward(files, Arguments{"check", "--port", std::to_string(free_port())} + app.options +
                               Arguments{"--"} + command_of(app, files));
    INFO(output.out << output.err);
    CHECK(output.code == 0);
    CHECK_THAT(output.out, Catch::Contains("ok     --handoff " + std::string(app.mode) + ": "));
}

TEST_CASE("degraded ends at once when the app's files change, however it comes to its port") {
    const auto app = GENERATE(from_range(all_ways()));
    INFO(app.name);
    Sandbox files;
    write_app(files, "raise SystemExit(3)");
    Bed bed(gives_up_at_once() + Arguments{"--env", "PYTHONPATH"} + app.options,
            command_of(app, files), in_folder(files));
    bed.wait_event("service.degraded");
    write_app(files);
    const Json status = bed.wait_healthy(2);
    CHECK_THAT(text_at(bed.wait_event(
                           "service.start",
                           [](const Json& event) { return number_at(event, "generation") == 2; }),
                       "cause"),
               Catch::Contains("the app's files changed"));
    CHECK(fetch(port_in(status), "/health").status == 200);
}

TEST_CASE("degraded ends by its half-open start, however the app comes to its port") {
    const auto app = GENERATE(from_range(all_ways()));
    INFO(app.name);
    Sandbox files;
    Sandbox elsewhere;
    write_app(files, "import os\nif not os.path.exists('" + elsewhere.file("mended") +
                         "'): raise SystemExit(3)");
    Bed bed(gives_up_at_once() + Arguments{"--env", "PYTHONPATH", "--degraded-retry", "300ms"} +
                app.options,
            command_of(app, files), in_folder(files));
    bed.wait_event("service.degraded");
    elsewhere.write("mended", "");
    const Json status = bed.wait_healthy(2);
    CHECK(number_at(status, "restarts") == 0);
    CHECK(fetch(port_in(status), "/health").status == 200);
}

TEST_CASE("an app that listens elsewhere is found out, and the cause names where and what to try") {
    const std::string mode = GENERATE("werkzeug", "listen-fds");
    Sandbox files;
    write_app(files);
    const auto other = std::to_string(free_port());
    const auto command =
        mode == "werkzeug" ? Arguments{"python3", "-m", "http.server", "--bind", "127.0.0.1", other}
                           : Arguments{"python3", files.file("site/hello.py"), other};
    Bed bed(gives_up_at_once() + Arguments{"--handoff", mode, "--startup-timeout", "2500ms"},
            command);
    const auto cause = text_at(bed.wait_event("service.degraded"), "cause");
    CHECK_THAT(cause, Catch::Contains("not healthy within 2.5 s") &&
                          Catch::Contains("nobody accepts connections on the socket") &&
                          Catch::Contains("the app listens on 127.0.0.1:" + other) &&
                          Catch::Contains("--handoff " + mode) &&
                          Catch::Contains("try --handoff port"));
}

TEST_CASE("an app that binds the port which it was handed is told of, with what to try") {
    Sandbox files;
    write_app(files);
    Bed bed(gives_up_at_once() + Arguments{"--handoff", "listen-fds"},
            {"python3", files.file("site/hello.py"), "{port}"});
    const auto cause = text_at(bed.wait_event("service.degraded"), "cause");
    CHECK_THAT(cause, Catch::Contains("is in use by another program") &&
                          Catch::Contains("the app binds a port by itself") &&
                          Catch::Contains("--handoff listen-fds (--handoff was given)") &&
                          Catch::Contains("try --handoff port"));
    CHECK(bed.events("port.skipped").empty());
}

TEST_CASE("a stock server that finds its port taken gets another one") {
    struct Server {
        const char* name;
        Arguments command;
    };
    const auto server = GENERATE(values<Server>(
        {{"flask run", {"flask", "--app", "hello", "run", "--port", "{port}"}},
         {"gunicorn", {"gunicorn", "-b", "{host}:{port}", "hello:app"}},
         {"waitress", {"python3", "-m", "waitress", "--listen={host}:{port}", "hello:app"}}}));
    INFO(server.name);
    Sandbox files;
    write_app(files);
    // It waits until the test has taken the port that it was given.
    const std::string script = "cd '" + files.file("site") + "'; until test -e '" +
                               files.file("taken") + "'; do sleep 0.01; done; exec \"$@\"";
    Bed bed(Arguments{"--env", "PYTHONPATH", "--handoff", "port"},
            Arguments{"/bin/sh", "-c", script, "sh"} + server.command, in_folder(files));
    const auto chosen = port_in(bed.wait_event("service.started"));
    const auto taken = occupy("127.0.0.1", chosen, Ends::kListening);
    files.write("taken", "");
    const Json status = bed.wait_healthy(2, Milliseconds(20'000));
    CHECK(port_in(status) > chosen);
    CHECK(number_at(status, "restarts") == 0);
    CHECK(fetch(port_in(status), "/health").status == 200);
}

TEST_CASE("an app that is not told its port is looked for at the first one, and only there") {
    Sandbox files;
    write_app(files);
    const auto port = free_port(4);
    StewardStart start;
    start.defaults = false;
    SECTION("and is healthy there") {
        Bed bed({"--handoff", "port", "--port", std::to_string(port)},
                {"python3", files.file("site/hello.py"), std::to_string(port)}, start);
        CHECK(port_in(bed.wait_healthy()) == port);
    }
    SECTION("or has no port") {
        const auto taken = occupy("127.0.0.1", port, Ends::kListening);
        Bed bed({"--handoff", "port", "--port", std::to_string(port)},
                {"python3", files.file("site/hello.py"), std::to_string(port)}, start);
        CHECK_THAT(text_at(bed.wait_event("service.degraded"), "cause"),
                   Catch::Contains("tried 1 port from " + std::to_string(port)));
    }
}

TEST_CASE("the port survives an app that shuts the listening socket down and dies") {
    Sandbox files;
    const auto app = files.write(
        "app.py",
        "import http.server, os, signal, socket, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        if self.path == '/shut':\n"
        "            listener.shutdown(socket.SHUT_RDWR)\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        body = b'{\"status\": \"healthy\"}'\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', str(len(body)))\n"
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n"
        "    def log_message(self, *args): pass\n"
        "listener = socket.socket(fileno=int(sys.argv[1]))\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Handler, bind_and_activate=False)\n"
        "server.socket.close()\n"
        "server.socket = listener\n"
        "server.serve_forever()\n");
    // Down for a second: who asks now has to wait.
    Bed bed(settings({"restart_backoff.base_ms=1000", "restart_backoff.jitter_percent=0"}),
            {"python3", app, "{fd}"});
    const auto port = port_in(bed.wait_healthy());
    for (int death = 1; death <= 2; ++death) {
        (void)fetch(port, "/shut");
        bed.wait_event("service.exit", [death](const Json& event) {
            return number_at(event, "generation") == death;
        });
        const auto began = Clock::now();
        const Answer answer = fetch(port, "/health");
        INFO(answer.trouble);
        CHECK(answer.status == 200);
        CHECK(Clock::now() - began > Milliseconds(500));
        CHECK(port_in(bed.wait_healthy(death + 1)) == port);
    }
}

}  // namespace steward::tests
