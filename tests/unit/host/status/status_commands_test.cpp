// `steward status` and `steward logs` against servers in this process, and the client below them.
#include "status_commands.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <thread>

#include "state_folder.hpp"
#include "status_bench.hpp"
#include "status_client.hpp"

using namespace steward;
using namespace steward::test;
using host::LogsOptions;
using host::StateFolder;
using host::StatusOptions;

namespace {

const char* const kStatus =
    R"({"schema":1,"service":"promptbin","healthy":true,"state":"running","since":"2026-11-22T10:22:33.123Z",)"
    R"("cause":"answered GET /health","port":5000,"url":"http://127.0.0.1:5000","pid":4712,"restarts":2,)"
    R"("uptime":3725.4,"startup_ms":431,"generation":3,"instance_id":"abc","last_exit":{"signal":9,)"
    R"("at":"2026-11-22T10:20:00.000Z","cause":"killed by SIGKILL"},"next_restart_ms":null,)"
    R"("metrics":{"cpu_percent":1.25,"rss_bytes":47448064,"processes":1,"threads":4,"fds":12},)"
    R"("plugins":{"health":"health_http 0.1.0","restart":"restart_backoff 0.1.0","port":"port_sequential 0.1.0",)"
    R"("metrics":"metrics_proc 0.1.0"},"log_file":"/state/app.log","version":"0.1.0"})";

// A running server: its folder, and its status socket.
class Server {
  public:
    explicit Server(const std::string& base)
        : folder_(std::move(*StateFolder::create(base))), socket(folder_.path()) {
        socket.status(kStatus);
    }
    const std::string& path() const { return folder_.path(); }

  private:
    StateFolder folder_;

  public:
    Served<> socket;
};

struct Ran {
    int code;
    std::string out;
    std::string err;
};

// Runs a command to its end; its output goes to files.
template <class Options>
Ran run(int (*command)(const Options&), const std::string& base, Options options) {
    const TempFolder temp;
    const auto open = [&](const char* name) {
        return core::UniqueFd(::open((temp / name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    };
    const auto out = open("out");
    const auto err = open("err");
    options.base = base;
    options.out_fd = out.get();
    options.err_fd = err.get();
    const int code = command(options);
    return {code, read_file(temp / "out"), read_file(temp / "err")};
}

Ran status(const std::string& base, StatusOptions options = {}) {
    return run(host::status_command, base, std::move(options));
}
Ran logs(const std::string& base, LogsOptions options = {}) {
    return run(host::logs_command, base, std::move(options));
}

// A command that goes on: on a thread, its output in a pipe.
class Going {
  public:
    template <class Options>
    Going(int (*command)(const Options&), const std::string& base, Options options) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            throw std::runtime_error("no pipe");
        }
        out_.reset(ends[0]);
        in_.reset(ends[1]);
        error_.reset(::memfd_create("err", MFD_CLOEXEC));
        options.base = base;
        options.out_fd = in_.get();
        options.err_fd = error_.get();
        thread_ = std::thread([this, command, options] { code_ = command(options); });
    }
    ~Going() {
        if (thread_.joinable()) {
            interrupt(SIGTERM);
            end();
        }
    }
    Going(const Going&) = delete;
    Going& operator=(const Going&) = delete;

    std::string line() {
        for (;;) {
            if (const auto end = text_.find('\n'); end != std::string::npos) {
                std::string line = text_.substr(0, end);
                text_.erase(0, end + 1);
                return line;
            }
            pollfd waited{out_.get(), POLLIN, 0};
            char buffer[4096];
            if (::poll(&waited, 1, kLimitMs) <= 0) {
                return "<late>";
            }
            const ssize_t got = ::read(out_.get(), buffer, sizeof buffer);
            if (got <= 0) {
                return "<end>";
            }
            text_.append(buffer, static_cast<std::size_t>(got));
        }
    }
    void stop_reading() { out_.reset(); }
    void interrupt(int signal) { ::pthread_kill(thread_.native_handle(), signal); }
    // Waits for the command's end.
    int end() {
        thread_.join();
        return code_;
    }
    std::string errors() {
        char buffer[4096];
        const ssize_t got = ::pread(error_.get(), buffer, sizeof buffer, 0);
        return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }

  private:
    core::UniqueFd out_;
    core::UniqueFd in_;
    core::UniqueFd error_;
    std::string text_;
    int code_ = -1;
    std::thread thread_;
};

StatusOptions watching(bool json) {
    StatusOptions options;
    options.json = json;
    options.watch = true;
    return options;
}

LogsOptions following(bool events) {
    LogsOptions options;
    options.follow = true;
    options.events = events;
    return options;
}

}  // namespace

TEST_CASE("without a running server the commands say so on one line and exit with 3") {
    const TempFolder temp;
    const std::string line =
        "no steward is running for this user; start one with `steward run` or from your AI tool\n";
    for (const auto& ran : {status(temp / "none"), logs(temp / "none")}) {
        CHECK(ran.code == 3);
        CHECK(ran.out.empty());
        CHECK(ran.err == line);
    }
    CHECK_FALSE(fs::exists(temp / "none"));
    { const auto dead = StateFolder::create(temp.path()); }
    CHECK(status(temp.path()).err == line);
}

TEST_CASE("status --json prints exactly the status object") {
    const TempFolder temp;
    const Server server(temp.path());
    StatusOptions options;
    options.json = true;
    const auto ran = status(temp.path(), options);
    CHECK(ran.code == 0);
    CHECK(ran.out == std::string(kStatus) + "\n");
    CHECK(ran.err.empty());
}

TEST_CASE("status prints a table for people") {
    const TempFolder temp;
    const Server server(temp.path());
    const auto ran = status(temp.path());
    CHECK(ran.code == 0);
    CHECK(ran.out ==
          "state      running since 2026-11-22T10:22:33.123Z\n"
          "healthy    yes\n"
          "url        http://127.0.0.1:5000\n"
          "pid        4712\n"
          "uptime     1 h 2 min\n"
          "restarts   2\n"
          "cause      answered GET /health\n"
          "last exit  signal 9, 2026-11-22T10:20:00.000Z: killed by SIGKILL\n"
          "plugins    health: health_http 0.1.0, restart: restart_backoff 0.1.0, port: "
          "port_sequential 0.1.0, "
          "metrics: metrics_proc 0.1.0\n"
          "metrics    CPU 1.2 %, memory 45.2 MiB, processes 1, threads 4, open files 12\n"
          "log file   /state/app.log\n");
}

TEST_CASE("the table leaves out what is missing and shows nothing a terminal would act on") {
    CHECK(host::status_table(
              R"({"state":"backing_off","healthy":false,"url":null,"pid":null,"uptime":null,)"
              R"("next_restart_ms":250,"last_exit":{"code":1},"metrics":{"cpu_percent":null},)"
              R"("cause":"bad \u001b[2J\u0007\u009b thing\tä","plugins":{}})") ==
          "state      backing_off, next start in 250 ms\n"
          "healthy    no\n"
          "cause      bad \\x1b[2J\\x07\\x9b thing\tä\n"
          "last exit  code 1\n");
    CHECK(
        host::status_table(R"({"uptime":59.9,"next_restart_ms":90000,"state":7,"healthy":"x"})") ==
        "state      , next start in 1 min 30 s\nuptime     59 s\n");
    CHECK(host::status_table("{\"uptime\":200000}") == "uptime     2 d 7 h\n");
    CHECK(host::status_table("{}") == "state      unknown\n");
    CHECK(host::status_table("[]").empty());
    CHECK(host::status_table("{").empty());
}

TEST_CASE("of several servers the newest is asked, a note names the others, --server picks one") {
    const TempFolder temp;
    // In one process all have the same pid: folders tell them apart, as the option allows.
    Server older(temp.path());
    Server newer(temp.path());
    older.socket.log("older");
    newer.socket.log("newer");
    const std::string pid = std::to_string(::getpid());
    const auto ran = logs(temp.path());
    CHECK(ran.code == 0);
    CHECK(ran.out == "newer\n");
    CHECK(ran.err == "note: this is the newest, " + pid + "; also running: " + pid +
                         " (--server PID picks one)\n");

    LogsOptions options;
    options.server =
        GENERATE(true, false) ? older.path() : fs::path(older.path()).filename().string();
    CHECK(logs(temp.path(), options).out == "older\n");
    CHECK(logs(temp.path(), options).err.empty());
    options.server = pid;
    CHECK(logs(temp.path(), options).out == "newer\n");
    options.server = "1";
    const auto wrong = logs(temp.path(), options);
    CHECK(wrong.code == 3);
    CHECK(wrong.out.empty());
    CHECK(wrong.err == "--server 1: no running steward has that pid or folder; running: " + pid +
                           ", " + pid + "\n");
}

TEST_CASE("a server without a socket is named") {
    const TempFolder temp;
    const auto folder = StateFolder::create(temp.path());
    const std::string name = "the steward with the pid " + std::to_string(::getpid());
    auto ran = status(temp.path());
    CHECK(ran.code == 1);
    CHECK(ran.err == name + " has no status socket; it is just starting or ending, try again\n");
    write_file(folder->path() + "/status.sock", "");
    ran = logs(temp.path());
    CHECK(ran.code == 1);
    CHECK(ran.err == name + " cannot be asked: Connection refused\n");
}

TEST_CASE("what the server refuses is shown, with exit code 1") {
    const TempFolder temp;
    Server server(temp.path());
    server.socket.on_loop([&] { server.socket.broken = true; });
    for (const auto& ran : {status(temp.path()), logs(temp.path())}) {
        CHECK(ran.code == 1);
        CHECK(ran.out.empty());
        CHECK(ran.err ==
              "the server says: the server cannot answer this at the moment; try again\n");
    }
}

TEST_CASE("logs prints as many lines as asked for, with --events the events") {
    const TempFolder temp;
    Server server(temp.path());
    for (int i = 1; i <= 300; ++i) {
        server.socket.log("line " + std::to_string(i));
        server.socket.event("{\"n\":" + std::to_string(i) + "}");
    }
    server.socket.log("esc \x1b[31m \"quoted\"");
    LogsOptions options;
    options.lines = 2;
    CHECK(logs(temp.path(), options).out == "line 300\nesc \\x1b[31m \"quoted\"\n");
    options.events = true;
    CHECK(logs(temp.path(), options).out == "{\"n\":299}\n{\"n\":300}\n");
    const auto all = logs(temp.path()).out;
    CHECK(std::count(all.begin(), all.end(), '\n') == 200);
}

TEST_CASE("--watch prints at each change until the server ends") {
    const TempFolder temp;
    Server server(temp.path());
    SECTION("as JSON") {
        Going watch(host::status_command, temp.path(), watching(true));
        CHECK(watch.line() == kStatus);
        server.socket.status(R"({"state":"stopped"})");
        CHECK(watch.line() == R"({"state":"stopped"})");
        server.socket.close();
        CHECK(watch.end() == 0);
        CHECK(watch.errors().empty());
    }
    SECTION("as tables with an empty line in between") {
        Going watch(host::status_command, temp.path(), watching(false));
        for (int i = 0; i < 11; ++i) {
            CHECK_FALSE(watch.line().empty());
        }
        server.socket.status(R"({"state":"stopped"})");
        CHECK(watch.line().empty());
        CHECK(watch.line() == "state      stopped");
        server.socket.close();
        CHECK(watch.end() == 0);
    }
}

TEST_CASE("logs -f goes on with what comes until the server ends") {
    const TempFolder temp;
    Server server(temp.path());
    const bool events = GENERATE(false, true);
    server.socket.log("a");
    server.socket.event("{}");
    Going follow(host::logs_command, temp.path(), following(events));
    CHECK(follow.line() == (events ? "{}" : "a"));
    server.socket.log("b");
    server.socket.event("{\"n\":2}");
    CHECK(follow.line() == (events ? "{\"n\":2}" : "b"));
    server.socket.close();
    CHECK(follow.end() == 0);
    CHECK(follow.errors().empty());
}

TEST_CASE("a signal is the normal end of a command that follows") {
    const TempFolder temp;
    Server server(temp.path());
    server.socket.log("a");
    const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP);
    Going watch(host::status_command, temp.path(), watching(true));
    CHECK(watch.line() == kStatus);
    watch.interrupt(signal);
    CHECK(watch.end() == 0);
    Going follow(host::logs_command, temp.path(), following(false));
    CHECK(follow.line() == "a");
    follow.interrupt(signal);
    CHECK(follow.end() == 0);
    CHECK(server.socket.wait_for_clients(0));
}

TEST_CASE("a signal ends a command whose output is not read") {
    const TempFolder temp;
    Server server(temp.path());
    server.socket.on_loop([&] { server.socket.lines.assign(400, std::string(1000, 'x')); });
    LogsOptions options;
    options.lines = 400;
    Going finite(host::logs_command, temp.path(), options);
    CHECK(finite.line() == std::string(1000, 'x'));
    finite.interrupt(SIGINT);
    CHECK(finite.end() == 128 + SIGINT);
}

TEST_CASE("a reader who goes away ends the commands quietly") {
    const TempFolder temp;
    Server server(temp.path());
    server.socket.log("a");
    SECTION("while nothing comes") {
        Going watch(host::status_command, temp.path(), watching(true));
        CHECK(watch.line() == kStatus);
        watch.stop_reading();
        CHECK(watch.end() == 0);
        CHECK(watch.errors().empty());
        Going follow(host::logs_command, temp.path(), following(false));
        CHECK(follow.line() == "a");
        follow.stop_reading();
        CHECK(follow.end() == 0);
        CHECK(follow.errors().empty());
    }
    SECTION("in the middle of the output") {
        server.socket.on_loop([&] { server.socket.lines.assign(400, std::string(1000, 'x')); });
        LogsOptions options;
        options.lines = 400;
        Going finite(host::logs_command, temp.path(), options);
        CHECK(finite.line() == std::string(1000, 'x'));
        finite.stop_reading();
        CHECK(finite.end() == 0);
        CHECK(finite.errors().empty());
    }
}

TEST_CASE("output that cannot be written is an error") {
    const TempFolder temp;
    Server server(temp.path());
    server.socket.log("a");
    const core::UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    REQUIRE(full);
    StatusOptions status_options;
    status_options.base = temp.path();
    status_options.out_fd = full.get();
    CHECK(host::status_command(status_options) == 1);
    LogsOptions logs_options;
    logs_options.base = temp.path();
    logs_options.out_fd = full.get();
    CHECK(host::logs_command(logs_options) == 1);
}

TEST_CASE("the commands leave the signals as they found them") {
    const TempFolder temp;
    const Server server(temp.path());
    CHECK(status(temp.path()).code == 0);
    sigset_t now;
    REQUIRE(::pthread_sigmask(SIG_SETMASK, nullptr, &now) == 0);
    CHECK(sigismember(&now, SIGINT) == 0);
    struct sigaction pipe {};
    REQUIRE(::sigaction(SIGPIPE, nullptr, &pipe) == 0);
    CHECK(pipe.sa_handler == SIG_DFL);
}

TEST_CASE("the client tells a late answer, an end and an unknown answer apart") {
    const TempFolder temp;
    const auto address = host::StatusAddress::of(temp.path());
    REQUIRE(address);
    const core::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener.get(), address->get(), sizeof address->address) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    auto client = host::StatusClient::connect({temp.path(), 1, {}});
    REQUIRE(client);
    CHECK(client->send({"status", false, 5}));
    core::UniqueFd server(::accept(listener.get(), nullptr, nullptr));
    char request[100]{};
    CHECK(::recv(server.get(), request, sizeof request - 1, 0) > 0);
    CHECK(std::string(request) == "{\"want\":\"status\",\"count\":5}\n");

    using Kind = host::StatusReply::Kind;
    CHECK(client->next(0ms, -1, -1).kind == Kind::kLate);
    CHECK(client->next(20ms, -1, -1).kind == Kind::kLate);
    const std::string answer = "{\"event\":{\"a\":1}}\n{\"news\":1}\n\n{\"status\":{";
    REQUIRE(::send(server.get(), answer.data(), answer.size(), 0) > 0);
    const auto event = client->next(std::nullopt, -1, -1);
    CHECK(event.kind == Kind::kEvent);
    CHECK(event.text == "{\"a\":1}");
    CHECK(client->next(std::nullopt, -1, -1).kind == Kind::kError);
    CHECK(client->next(std::nullopt, -1, -1).kind == Kind::kError);
    CHECK(client->next(0ms, -1, -1).kind == Kind::kLate);
    server.reset();
    CHECK(client->next(std::nullopt, -1, -1).kind == Kind::kEnd);
}
