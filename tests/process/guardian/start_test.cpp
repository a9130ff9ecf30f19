// What the app gets from the guardian, and what is reported when it cannot be started.
#include <Poco/JSON/Parser.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "fixture.hpp"

namespace steward::test {
namespace {

using Poco::JSON::Object;

// Runs test_app until it has written its report about itself.
Object::Ptr report_of(Guardian& guardian, SpawnRequest request, const std::string& file) {
    request.argv.insert(request.argv.end(), {"--report", file});
    guardian.start(request);
    REQUIRE(wait_until([&] { return std::filesystem::exists(file); }));
    return Poco::JSON::Parser().parse(read_file(file)).extract<Object::Ptr>();
}

std::vector<std::string> strings(const Object::Ptr& object, const std::string& name) {
    std::vector<std::string> result;
    for (const auto& value : *object->getArray(name)) {
        result.push_back(value.toString());
    }
    return result;
}

void write_executable(const std::string& path, const std::string& content, mode_t mode = 0755) {
    std::ofstream(path) << content;
    REQUIRE(chmod(path.c_str(), mode) == 0);
}

Fd listening_socket() {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(fd.get(), 16) == 0);
    return fd;
}

TEST_CASE("the app gets exactly the command line, environment and directory of the order") {
    const TemporaryFolder folder;
    Guardian guardian;
    SpawnRequest request = run_app({"--stderr-line", "two words"});
    request.directory = folder.path();
    request.env = {"B=2", "A=1", "EMPTY=", "A=again", "UTF8=\xc3\xa4", "NO_EQUALS_SIGN"};
    request.err = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const Fd err(request.err);
    const auto report = report_of(guardian, request, folder.file("report"));
    std::vector<std::string> argv = request.argv;
    argv.insert(argv.end(), {"--report", folder.file("report")});
    CHECK(strings(report, "argv") == argv);
    CHECK(strings(report, "env") == request.env);
    CHECK(report->getValue<std::string>("cwd") == folder.path());
}

TEST_CASE(
    "without a directory the app gets that of the guardian's supervisor, and an environment may be "
    "empty") {
    const TemporaryFolder folder;
    Guardian guardian;
    SpawnRequest request = run_app({});
    request.env = {};
    const auto report = report_of(guardian, request, folder.file("report"));
    CHECK(report->getValue<std::string>("cwd") == std::filesystem::current_path().string());
    CHECK(strings(report, "env").empty());
}

TEST_CASE("the app has the descriptors 0, 1 and 2 and no other") {
    const TemporaryFolder folder;
    Guardian guardian;
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    SpawnRequest request = run_app({"--stdout-line", "to stdout", "--stderr-line", "to stderr"});
    request.out = out.write.get();
    request.err = err.write.get();
    const auto fds = report_of(guardian, request, folder.file("report"))->getObject("fds");
    CHECK(fds->getNames() == std::vector<std::string>{"0", "1", "2"});
    CHECK(fds->getValue<std::string>("0") == "/dev/null");
    CHECK(wait_for_line(out.read.get(), "to stdout"));
    CHECK(wait_for_line(err.read.get(), "to stderr"));
}

TEST_CASE("a listening socket becomes descriptor 3 and LISTEN_PID the app's own pid") {
    const TemporaryFolder folder;
    Guardian guardian;
    const Fd listener = listening_socket();
    SpawnRequest request = run_app({"--listen-fd", "3"});
    request.listener = listener.get();
    request.env = {"LISTEN_FDS=1", STEWARD_GUARDIAN_LISTEN_PID_SLOT, "LAST=1"};
    request.listen_pid_index = 1;
    const auto report = report_of(guardian, request, folder.file("report"));
    const auto fds = report->getObject("fds");
    CHECK(fds->getNames() == std::vector<std::string>{"0", "1", "2", "3"});
    CHECK(fds->getValue<std::string>("3").rfind("socket:", 0) == 0);
    const std::string own = "LISTEN_PID=" + std::to_string(report->getValue<int>("pid"));
    CHECK(strings(report, "env") == std::vector<std::string>{"LISTEN_FDS=1", own, "LAST=1"});

    // It is the socket that is listening, and it serves.
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
    const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(write(client.get(), "GET /pid HTTP/1.1\r\n\r\n", 21) == 21);
    CHECK(wait_for_line(client.get(), std::to_string(report->getValue<int>("pid"))));
}

TEST_CASE("the app leads a session and a group of its own and dies with the guardian") {
    const TemporaryFolder folder;
    Guardian guardian;
    const auto report = report_of(guardian, run_app({}), folder.file("report"));
    const int pid = report->getValue<int>("pid");
    CHECK(report->getValue<int>("sid") == pid);
    CHECK(report->getValue<int>("pgid") == pid);
    CHECK(report->getValue<int>("ppid") == guardian.pid());
    CHECK(report->getValue<int>("pdeathsig") == SIGKILL);
    CHECK(getsid(guardian.pid()) == guardian.pid());

    const Fd app = open_pidfd(pid);
    signal_by_pidfd(guardian.pidfd(), SIGKILL);
    CHECK(wait_readable(app.get(), kSecond));
}

TEST_CASE("the app has no blocked and no ignored signal whatever the supervisor has") {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    struct sigaction before[4];
    const int ignored[] = {SIGUSR1, SIGPIPE, SIGCHLD, SIGRTMIN + 3};
    for (int i = 0; i < 4; ++i) {
        sigaction(ignored[i], &ignore, &before[i]);
    }
    sigset_t all;
    sigset_t mask_before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask_before);
    std::optional<Guardian> guardian;
    guardian.emplace();
    sigprocmask(SIG_SETMASK, &mask_before, nullptr);
    for (int i = 0; i < 4; ++i) {
        sigaction(ignored[i], &before[i], nullptr);
    }

    const TemporaryFolder folder;
    const auto report = report_of(*guardian, run_app({}), folder.file("report"));
    CHECK(report->getValue<std::string>("sig_blocked") == "0");
    CHECK(report->getValue<std::string>("sig_ignored") == "0");
}

TEST_CASE("STARTED has the app's pid and a pidfd of it") {
    Guardian guardian;
    const SpawnRequest request = run_app({});
    const std::uint64_t seq = guardian.send_spawn(request);
    CHECK(guardian.expect(kStewardGuardianAck).report.seq == seq);
    const Received started = guardian.expect(kStewardGuardianStarted);
    CHECK(started.report.seq == seq);
    CHECK(started.report.generation == 1);
    CHECK(wait_until([&] {
        return processes_with_env(request.env[0]) == std::vector<pid_t>{started.report.pid};
    }));
    REQUIRE(started.fd.valid());
    CHECK_FALSE(wait_readable(started.fd.get(), Milliseconds(0)));
    signal_by_pidfd(started.fd.get(), SIGKILL);
    CHECK(wait_readable(started.fd.get(), kSecond));
    CHECK(guardian.expect(kStewardGuardianExited).report.pid == started.report.pid);
}

// --- failures ---

// Expects EXEC_FAILED with this errno and stage, then EMPTY, and that the next generation starts.
void check_failure(SpawnRequest request, int error, std::uint32_t stage) {
    Guardian guardian;
    guardian.ask(kStewardGuardianPing);
    const std::size_t fds = guardian.open_fds();
    const std::uint64_t seq = guardian.send_spawn(request);
    guardian.expect(kStewardGuardianAck);
    const auto failed = guardian.expect(kStewardGuardianExecFailed).report;
    CHECK(failed.seq == seq);
    CHECK(failed.generation == request.generation);
    CHECK(failed.error == error);
    CHECK(failed.detail == stage);
    CHECK(guardian.expect(kStewardGuardianEmpty).report.generation == request.generation);
    CHECK(guardian.children().empty());

    guardian.start(run_app({"--exit-code", "0"}, request.generation + 1));
    guardian.expect(kStewardGuardianExited);
    guardian.expect(kStewardGuardianEmpty);
    guardian.ask(kStewardGuardianPing);
    CHECK(guardian.open_fds() == fds);
}

SpawnRequest command(std::vector<std::string> argv, std::vector<std::string> env = {}) {
    SpawnRequest request;
    request.argv = std::move(argv);
    request.env = std::move(env);
    return request;
}

TEST_CASE("a command that cannot be executed is reported with its errno") {
    const TemporaryFolder folder;
    write_executable(folder.file("no_x"), "#!/bin/sh\n", 0644);
    write_executable(folder.file("no_format"), "not a program\n");
    write_executable(folder.file("no_interpreter"), "#!/nonexistent/interpreter\n");
    SECTION("no such file") {
        check_failure(command({folder.file("missing")}), ENOENT, kStewardGuardianStageExec);
    }
    SECTION("no command at all") {
        check_failure(command({""}), ENOENT, kStewardGuardianStageExec);
    }
    SECTION("not executable") {
        check_failure(command({folder.file("no_x")}), EACCES, kStewardGuardianStageExec);
    }
    SECTION("a directory") {
        check_failure(command({folder.path()}), EACCES, kStewardGuardianStageExec);
    }
    SECTION("neither program nor script") {
        check_failure(command({folder.file("no_format")}), ENOEXEC, kStewardGuardianStageExec);
    }
    SECTION("interpreter missing") {
        check_failure(command({folder.file("no_interpreter")}), ENOENT, kStewardGuardianStageExec);
    }
    SECTION("an argument that is too long") {
        check_failure(command({"/bin/true", std::string(200000, 'x')}), E2BIG,
                      kStewardGuardianStageExec);
    }
    SECTION("no such directory") {
        SpawnRequest request = command({"/bin/true"});
        request.directory = folder.file("missing");
        check_failure(request, ENOENT, kStewardGuardianStageChdir);
    }
    SECTION("a directory that is a file") {
        SpawnRequest request = command({"/bin/true"});
        request.directory = folder.file("no_x");
        check_failure(request, ENOTDIR, kStewardGuardianStageChdir);
    }
}

TEST_CASE("a command without a slash is looked for in the app's own PATH") {
    const TemporaryFolder folder;
    const std::string first = folder.file("first");
    const std::string second = folder.file("second");
    std::filesystem::create_directories(first);
    std::filesystem::create_directories(second);
    write_executable(second + "/tool", "#!/bin/sh\nexit 42\n");
    write_executable(first + "/denied", "#!/bin/sh\n", 0644);
    write_executable(first + "/broken", "not a program\n");
    write_executable(second + "/broken", "#!/bin/sh\nexit 43\n");
    write_executable(second + "/denied_then_found", "#!/bin/sh\nexit 44\n");
    write_executable(first + "/denied_then_found", "#!/bin/sh\n", 0644);
    const std::string path =
        "PATH=" + first + ":/nonexistent:" + std::string(5000, 'x') + ':' + second;

    const auto exit_code = [](SpawnRequest request) {
        Guardian guardian;
        guardian.start(request);
        const auto exited = guardian.expect(kStewardGuardianExited, 5 * kSecond).report;
        REQUIRE(WIFEXITED(exited.status));
        return WEXITSTATUS(exited.status);
    };
    SECTION("found in a later folder") {
        CHECK(exit_code(command({"tool"}, {"A=1", path})) == 42);
    }
    SECTION("a denied file is passed over") {
        CHECK(exit_code(command({"denied_then_found"}, {path})) == 44);
    }
    SECTION("an empty element is the working directory") {
        SpawnRequest request = command({"tool"}, {"PATH=/nonexistent:"});
        request.directory = second;
        CHECK(exit_code(request) == 42);
    }
    SECTION("without PATH the system's folders") {
        CHECK(exit_code(command({"true"})) == 0);
    }
    SECTION("not found") {
        check_failure(command({"missing"}, {path}), ENOENT, kStewardGuardianStageExec);
    }
    SECTION("denied is remembered") {
        check_failure(command({"denied"}, {path}), EACCES, kStewardGuardianStageExec);
    }
    SECTION("a file that is no program ends the search") {
        check_failure(command({"broken"}, {path}), ENOEXEC, kStewardGuardianStageExec);
    }
}

}  // namespace
}  // namespace steward::test
