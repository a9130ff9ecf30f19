#include "probe_run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

namespace steward::test {
namespace {

// Appends what there is to `text`; false at the end of file.
bool take(int fd, std::string& text) {
    char buffer[65536];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got > 0) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return got > 0;
}

pid_t start(const std::string& program, const std::vector<std::string>& arguments, int output,
            int errors) {
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    ::posix_spawn_file_actions_adddup2(&actions, errors, 2);
    pid_t pid = -1;
    const int failed =
        ::posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        throw std::runtime_error("cannot start " + program);
    }
    return pid;
}

}  // namespace

ProbeRun run_probe(const std::string& program, const std::vector<std::string>& arguments,
                   std::chrono::milliseconds patience) {
    int output[2];
    FILE* const errors = ::tmpfile();
    if (errors == nullptr || ::pipe2(output, O_CLOEXEC) != 0) {
        throw std::runtime_error("no descriptor for the test");
    }
    const pid_t pid = start(program, arguments, output[1], ::fileno(errors));
    (void)::close(output[1]);

    ProbeRun run;
    std::string text;
    for (;;) {
        pollfd wait{output[0], POLLIN, 0};
        if (::poll(&wait, 1, static_cast<int>(patience.count())) == 0) {
            run.silent = true;
            (void)::kill(pid, SIGKILL);
            break;
        }
        if (!take(output[0], text)) {
            break;
        }
    }
    (void)::close(output[0]);
    int status = 0;
    (void)::waitpid(pid, &status, 0);
    run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    run.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        run.lines.push_back(line);
    }
    ::rewind(errors);
    while (take(::fileno(errors), run.errors)) {
    }
    (void)::fclose(errors);
    return run;
}

}  // namespace steward::test
