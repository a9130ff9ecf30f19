// A supervisor that tests kill. It is a process of its own, because the guardian watches a process.
//
//   guardian_test_supervisor hold FD
//       starts a guardian with descriptor FD as its end of the socketpair, whose other end is the
//       test's, prints the guardian's pid and waits. The socket stays open when this process dies.
//   guardian_test_supervisor spawn APP ENV-ENTRY
//       starts a guardian and, without waiting for it, the app with a descendant that only SIGKILL
//       ends; when that exits, the next generation, and so on for ever.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>

#include "guardian_driver.hpp"

namespace {

using namespace steward::test;

[[noreturn]] void hold(const std::string& fd) {
    std::printf("%d\n", spawn_guardian(std::stoi(fd), std::to_string(getpid())));
    std::fflush(stdout);
    for (;;) {
        pause();
    }
}

[[noreturn]] void spawn(const std::string& app, const std::string& env) {
    Guardian guardian;
    SpawnRequest request;
    request.argv = {app, "--ignore-term", "--grandchild", "--crash-after-ms", "5", "--crash-code",
                    "1"};
    request.env = {env};
    for (;; ++request.generation) {
        guardian.send_spawn(request);
        for (bool empty = false; !empty;) {
            const auto received = guardian.receive(10 * kSecond);
            if (!received) {
                _exit(1);
            }
            empty = received->report.type == kStewardGuardianEmpty;
            if (received->report.type == kStewardGuardianExited) {
                guardian.send(guardian.order(kStewardGuardianKill));
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "hold" && argc == 3) {
        hold(argv[2]);
    }
    if (mode == "spawn" && argc == 4) {
        spawn(argv[2], argv[3]);
    }
    std::fputs("guardian_test_supervisor: hold FD | spawn APP ENV-ENTRY\n", stderr);
    return 64;
} catch (const std::exception& error) {
    std::fprintf(stderr, "guardian_test_supervisor: %s\n", error.what());
    return 1;
}
