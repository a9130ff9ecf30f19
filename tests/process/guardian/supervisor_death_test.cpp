// The supervisor dies, by SIGKILL, at any instant: nothing it started is left.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <random>

#include "fixture.hpp"

extern char** environ;

namespace steward::test {
namespace {

// guardian_test_supervisor; killed and reaped at the end.
class Supervisor {
  public:
    // `kept` stays open in it under the same number; its stdout goes to `out`.
    Supervisor(std::vector<std::string> arguments, int out, int kept = -1) {
        std::vector<char*> argv;
        arguments.insert(arguments.begin(), STEWARD_TEST_SUPERVISOR);
        for (std::string& argument : arguments) {
            argv.push_back(argument.data());
        }
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        if (out >= 0) {
            posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        }
        if (kept >= 0) {
            posix_spawn_file_actions_adddup2(&actions, kept, kept);
        }
        REQUIRE(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
    }
    ~Supervisor() { kill_and_reap(); }
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;
    [[nodiscard]] pid_t pid() const { return pid_; }
    void kill_and_reap() {
        if (!reaped_) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
            reaped_ = true;
        }
    }

  private:
    pid_t pid_ = -1;
    bool reaped_ = false;
};

// A guardian whose supervisor is another process, while its socket is this process's: it can only
// learn of the death by the pidfd.
struct Held {
    Held() {
        SocketPair pair = make_socket_pair();
        Pipe out = make_pipe();
        supervisor.emplace(std::vector<std::string>{"hold", std::to_string(pair.guardian.get())},
                           out.write.get(), pair.guardian.get());
        char line[32] = {};
        REQUIRE(wait_readable(out.read.get(), 5 * kSecond));
        REQUIRE(read(out.read.get(), line, sizeof line - 1) > 1);
        guardian.emplace(std::stoi(line), std::move(pair.supervisor));
    }
    std::optional<Supervisor> supervisor;
    std::optional<Guardian> guardian;
};

TEST_CASE("nothing is left when the supervisor is killed at a random instant") {
    const unsigned seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::uniform_int_distribution<long> delay_us(0, 30000);
    for (int round = 0; round < 60; ++round) {
        const std::string entry = nonce("random");
        Supervisor supervisor({"spawn", STEWARD_TEST_APP, entry}, -1);
        timespec delay{0, delay_us(random) * 1000};
        nanosleep(&delay, nullptr);
        supervisor.kill_and_reap();
        const bool clean = wait_until([&] {
            return processes_with_env(entry).empty() &&
                   processes_with_argv("app-guardian", std::to_string(supervisor.pid())).empty();
        });
        INFO("round " << round << ", " << delay.tv_nsec / 1000 << " us after the start");
        REQUIRE(clean);
    }
}

TEST_CASE("the supervisor's death alone ends the tree, also while somebody holds the socket") {
    Held held;
    const SpawnRequest request = run_app({"--ignore-term", "--grandchild"});
    start_ready(*held.guardian, request);
    held.supervisor->kill_and_reap();
    CHECK(wait_readable(held.guardian->pidfd(), kSecond));
    CHECK(nothing_left(request));
}

TEST_CASE("an order that a dead supervisor has left in the socket is not obeyed") {
    const TemporaryFolder folder;
    Held held;
    Guardian& guardian = *held.guardian;
    guardian.ask(kStewardGuardianPing);  // it is up
    signal_by_pidfd(guardian.pidfd(), SIGSTOP);
    REQUIRE(wait_until([&] { return process_state(guardian.pid()) == 'T'; }));
    guardian.send_spawn(run_app({"--report", folder.file("report")}));
    SECTION("with the socket still open") {
        held.supervisor->kill_and_reap();
    }
    SECTION("with the socket closed and the process alive") {
        guardian.close_socket();
    }
    signal_by_pidfd(guardian.pidfd(), SIGCONT);
    REQUIRE(wait_readable(guardian.pidfd(), kSecond));
    CHECK(std::filesystem::is_empty(folder.path()));
    if (guardian.socket() >= 0) {
        CHECK_FALSE(guardian.receive(Milliseconds(0)));
    }
}

TEST_CASE(
    "a guardian that is not the child of the process it is meant for exits with nothing started") {
    const TemporaryFolder folder;
    SocketPair pair = make_socket_pair();
    const pid_t stranger = getppid();
    const pid_t pid = spawn_guardian(pair.guardian.get(), std::to_string(stranger));
    Guardian guardian(pid, std::move(pair.supervisor));
    guardian.send_spawn(run_app({"--report", folder.file("report")}));
    int status = 0;
    REQUIRE(wait_readable(guardian.pidfd(), kSecond));
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WEXITSTATUS(status) == kStewardGuardianExitOrphaned);
    CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a guardian that is started wrongly says so and exits") {
    const auto exit_code = [](int end, const std::string& argument) {
        const pid_t pid = spawn_guardian(end, argument);
        int status = 0;
        waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
    };
    const SocketPair pair = make_socket_pair();
    const Pipe pipe = make_pipe();
    const std::string self = std::to_string(getpid());
    CHECK(exit_code(pair.guardian.get(), "") == kStewardGuardianExitUsage);
    CHECK(exit_code(pair.guardian.get(), "12x") == kStewardGuardianExitUsage);
    CHECK(exit_code(pair.guardian.get(), "-1") == kStewardGuardianExitUsage);
    CHECK(exit_code(pair.guardian.get(), "99999999999999999999") == kStewardGuardianExitUsage);
    CHECK(exit_code(pipe.read.get(), self) == kStewardGuardianExitUsage);
}

}  // namespace
}  // namespace steward::test
