#include "front.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>

#include "process_look.hpp"
#include "steward/core/spawn.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace steward::compliance {

bool end_processes(const std::vector<int>& pids) {
    std::vector<int> killed;
    for (const int pid : pids) {
        if (::kill(pid, SIGKILL) == 0 || errno == ESRCH) {
            killed.push_back(pid);
        }
    }
    for (const int pid : killed) {
        // Also one that was cloned without a signal for its end.
        (void)waitpid(pid, nullptr, __WALL);
    }
    return !killed.empty();
}

void end_all_children() {
    while (end_processes(children())) {
    }
}

int run_behind_front(const std::vector<std::string>& arguments) {
    if (const auto reaper = core::become_subreaper(); !reaper) {
        throw std::runtime_error(reaper.error().text);
    }
    core::ProcessSpec spec;
    spec.file = "/proc/self/exe";
    spec.argv = {"steward-compliance", "behind", std::to_string(getpid())};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    for (char** variable = environ; *variable != nullptr; ++variable) {
        spec.environment.emplace_back(*variable);
    }
    // Also those above 2: a report may go to /dev/fd/63.
    for (const auto& [fd, what] : open_descriptors()) {
        spec.descriptors.emplace_back(fd, fd);
    }
    // A signal to the front's group does not reach it.
    spec.new_session = true;
    auto runner = core::spawn(spec);
    if (!runner) {
        throw std::runtime_error(runner.error().text);
    }
    pollfd ended{runner->pidfd.get(), POLLIN, 0};
    while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
    }
    int status = 0;
    (void)core::reap(*runner, &status);
    end_all_children();
    if (!WIFEXITED(status)) {
        throw std::runtime_error("the process that runs the checks was killed by signal " +
                                 std::to_string(WTERMSIG(status)) + "; nothing is known");
    }
    return WEXITSTATUS(status);
}

int watch_front(int front) {
    const auto fd = static_cast<int>(syscall(SYS_pidfd_open, front, 0));
    return getppid() == front ? fd : -1;
}

}  // namespace steward::compliance
