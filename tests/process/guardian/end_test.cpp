// How an instance ends: exits, TERM, KILL, and the end of the guardian itself.
#include <signal.h>
#include <sys/wait.h>

#include "fixture.hpp"

namespace steward::test {
namespace {

TEST_CASE("the exit status of an app that exits at once is right two hundred times") {
    Guardian guardian;
    for (std::uint64_t generation = 1; generation <= 200; ++generation) {
        const int code = static_cast<int>(generation % 256);
        const Received started =
            guardian.start(run_app({"--exit-code", std::to_string(code)}, generation));
        REQUIRE(started.fd.valid());
        REQUIRE(wait_readable(started.fd.get(), kSecond));
        const auto exited = guardian.expect(kStewardGuardianExited).report;
        REQUIRE(exited.pid == started.report.pid);
        REQUIRE(exited.generation == generation);
        REQUIRE(WIFEXITED(exited.status));
        REQUIRE(WEXITSTATUS(exited.status) == code);
        REQUIRE(guardian.expect(kStewardGuardianEmpty).report.generation == generation);
    }
}

TEST_CASE("a signal that ends the app is reported, with what the app has used") {
    Guardian guardian;
    std::uint64_t generation = 0;
    for (const int signal : {SIGABRT, SIGKILL, SIGSEGV, SIGTERM, SIGUSR1}) {
        guardian.start(run_app({"--signal", std::to_string(signal)}, ++generation));
        const auto exited = guardian.expect(kStewardGuardianExited).report;
        REQUIRE(WIFSIGNALED(exited.status));
        CHECK(WTERMSIG(exited.status) == signal);
        CHECK(exited.maxrss_kib > 100);
        CHECK(exited.maxrss_kib < 1024 * 1024);
        CHECK(exited.utime_us + exited.stime_us < 1000000);
        guardian.expect(kStewardGuardianEmpty);
    }
}

TEST_CASE("EMPTY waits for the descendants, which TERM and KILL still reach when the app is gone") {
    Guardian guardian;
    SpawnRequest request = run_app({});
    SECTION("TERM reaches each child") {
        request.argv.insert(request.argv.end(), {"--children", "3"});
    }
    SECTION("KILL reaches one in another session") {
        request.argv.push_back("--grandchild");
    }
    const Received started = start_ready(guardian, request);
    signal_by_pidfd(started.fd.get(), SIGKILL);
    guardian.expect(kStewardGuardianExited);
    guardian.ask(kStewardGuardianPing);  // the next report is its answer, not EMPTY
    CHECK_FALSE(nothing_left(request));

    const bool by_term = request.argv.back() == "3";
    guardian.ask(by_term ? kStewardGuardianTerm : kStewardGuardianKill, 1);
    guardian.expect(kStewardGuardianEmpty);
    CHECK(nothing_left(request));
}

TEST_CASE("TERM reaches the app's whole process group") {
    Guardian guardian;
    const SpawnRequest request = run_app({"--children", "5"});
    start_ready(guardian, request);
    CHECK(processes_with_env(request.env[0]).size() == 6);
    guardian.ask(kStewardGuardianTerm, 1);
    CHECK(WTERMSIG(guardian.expect(kStewardGuardianExited).report.status) == SIGTERM);
    guardian.expect(kStewardGuardianEmpty);
    CHECK(nothing_left(request));
}

TEST_CASE("TERM lets the app drain and exit by itself") {
    Guardian guardian;
    start_ready(guardian, run_app({"--drain-ms", "20"}));
    guardian.ask(kStewardGuardianTerm, 1);
    const auto exited = guardian.expect(kStewardGuardianExited).report;
    REQUIRE(WIFEXITED(exited.status));
    CHECK(WEXITSTATUS(exited.status) == 0);
    guardian.expect(kStewardGuardianEmpty);
}

TEST_CASE("TERM ends a stopped app") {
    Guardian guardian;
    const Received started = start_ready(guardian, run_app({"--drain-ms", "0"}));
    signal_by_pidfd(started.fd.get(), SIGSTOP);
    REQUIRE(wait_until([&] { return process_state(started.report.pid) == 'T'; }));
    guardian.ask(kStewardGuardianTerm, 1);
    CHECK(WIFEXITED(guardian.expect(kStewardGuardianExited).report.status));
    guardian.expect(kStewardGuardianEmpty);
}

TEST_CASE("KILL ends an app that ignores TERM, and its descendants") {
    Guardian guardian;
    const SpawnRequest request = run_app({"--ignore-term", "--grandchild", "--children", "3"});
    start_ready(guardian, request);
    CHECK(processes_with_env(request.env[0]).size() == 5);
    guardian.ask(kStewardGuardianTerm, 1);
    guardian.ask(kStewardGuardianPing);
    CHECK_FALSE(nothing_left(request));
    guardian.ask(kStewardGuardianKill, 1);
    CHECK(WTERMSIG(guardian.expect(kStewardGuardianExited).report.status) == SIGKILL);
    guardian.expect(kStewardGuardianEmpty);
    CHECK(nothing_left(request));
}

TEST_CASE("TERM and KILL on an empty tree are acknowledged and do nothing") {
    Guardian guardian;
    guardian.ask(kStewardGuardianTerm);
    guardian.ask(kStewardGuardianKill);
    start_ready(guardian, run_app({}));  // the KILL from before does not end it
    guardian.ask(kStewardGuardianPing);
    guardian.ask(kStewardGuardianKill);
    guardian.expect(kStewardGuardianExited);
    guardian.expect(kStewardGuardianEmpty);
    guardian.ask(kStewardGuardianKill);
    guardian.ask(kStewardGuardianPing);
}

// Sends PINGs until EMPTY comes, which must come within `limit`; each is answered within 200 ms.
void ping_until_empty(Guardian& guardian, Milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (bool empty = false; !empty;) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        guardian.send(guardian.order(kStewardGuardianPing));
        for (bool answered = false; !answered;) {
            const auto received = guardian.receive(Milliseconds(200));
            REQUIRE(received);
            answered = received->report.type == kStewardGuardianPong;
            empty = empty || received->report.type == kStewardGuardianEmpty;
        }
    }
}

TEST_CASE("KILL empties a fork bomb while orders are still answered") {
    Guardian guardian;
    const SpawnRequest request = run_app({"--fork-bomb", "500"});
    start_ready(guardian, request);
    guardian.send(guardian.order(kStewardGuardianKill));
    ping_until_empty(guardian, 5 * kSecond);
    CHECK(nothing_left(request));
}

TEST_CASE("KILL catches processes that fork, change session and exit all the time") {
    Guardian guardian;
    // A hundred seconds' worth.
    const SpawnRequest request = run_app({"--comet", "1000000"});
    start_ready(guardian, request);
    guardian.send(guardian.order(kStewardGuardianKill));
    ping_until_empty(guardian, 5 * kSecond);
    CHECK(nothing_left(request));
}

TEST_CASE("the end of the socket ends the tree and the guardian") {
    for (int round = 0; round < 5; ++round) {
        Guardian guardian;
        const SpawnRequest request = run_app({"--ignore-term", "--grandchild", "--children", "2"});
        start_ready(guardian, request);
        guardian.close_socket();
        CHECK(guardian.wait_for_exit() == 0);
        CHECK(nothing_left(request));
    }
}

TEST_CASE("a guardian whose socket ends before any order just exits") {
    Guardian guardian;
    guardian.close_socket();
    CHECK(guardian.wait_for_exit() == 0);
}

TEST_CASE("a signal to the guardian ends the tree first and is reported") {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
        Guardian guardian;
        const SpawnRequest request = run_app({"--ignore-term", "--grandchild"});
        start_ready(guardian, request);
        signal_by_pidfd(guardian.pidfd(), signal);
        CHECK(WTERMSIG(guardian.expect(kStewardGuardianExited).report.status) == SIGKILL);
        guardian.expect(kStewardGuardianEmpty);
        CHECK(guardian.wait_for_exit() == 0);
        CHECK(nothing_left(request));
    }
}

TEST_CASE("other signals do not end the guardian") {
    Guardian guardian;
    start_ready(guardian, run_app({}));
    for (const int signal :
         {SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGCHLD, SIGTSTP, SIGTTIN, SIGIO}) {
        signal_by_pidfd(guardian.pidfd(), signal);
    }
    guardian.ask(kStewardGuardianPing);
    guardian.ask(kStewardGuardianKill);
    guardian.expect(kStewardGuardianExited);
    guardian.expect(kStewardGuardianEmpty);
}

}  // namespace
}  // namespace steward::test
