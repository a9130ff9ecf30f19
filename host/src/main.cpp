// The program `steward`.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>

#include <fmt/core.h>

#include "commands.hpp"
#include "mcp_command.hpp"
#include "options.hpp"
#include "session.hpp"
#include "status_commands.hpp"

namespace {

using steward::host::Command;
using steward::host::Options;

// Descriptors 0 to 2 exist from here on, whatever the parent closed, so that nothing else gets
// their numbers; what else was inherited reaches no child.
void tidy_descriptors() {
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fcntl(fd, F_SETFD, 0);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    if (fd >= 0) {
        close(fd);
    }
    constexpr unsigned kCloexec = 1U << 2U;  // CLOSE_RANGE_CLOEXEC
    (void)syscall(SYS_close_range, 3U, ~0U, kCloexec);
}

// Nothing that a plugin or a library prints can reach the client: the protocol has a private
// descriptor, 1 leads to stderr.
steward::core::UniqueFd take_stdout() {
    steward::core::UniqueFd out(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    dup2(STDERR_FILENO, STDOUT_FILENO);
    return out;
}

int run(const Options& options) {
    switch (options.command) {
        case Command::kMcp:
            return steward::host::mcp_command(options, take_stdout());
        case Command::kRun:
            return steward::host::run_command(options);
        case Command::kPlugins:
            return steward::host::printed(steward::host::plugins_command(options));
        case Command::kCheck:
            return steward::host::printed(steward::host::check_command(options));
        case Command::kDoctor:
            return steward::host::printed(steward::host::doctor_command(options));
        case Command::kSimulate:
            return steward::host::printed(steward::host::simulate_command(options));
        case Command::kNewPlugin:
            return steward::host::printed(steward::host::new_plugin_command(options));
        case Command::kConnect:
            return steward::host::printed(steward::host::connect_command(options));
        case Command::kStatus: {
            steward::host::StatusOptions status;
            status.json = options.json;
            status.watch = options.watch;
            status.server = options.server;
            return steward::host::status_command(status);
        }
        case Command::kLogs: {
            steward::host::LogsOptions logs;
            logs.follow = options.follow;
            logs.lines = static_cast<std::size_t>(options.lines);
            logs.events = options.events;
            logs.server = options.server;
            return steward::host::logs_command(logs);
        }
    }
    return 2;
}

}  // namespace

int main(int argc, char* argv[]) {
    tidy_descriptors();
    try {
        const auto parsed = steward::host::parse(argc, argv);
        if (!parsed.options) {
            if (parsed.exit_code == 0) {
                fmt::print("{}\n", parsed.text);
                return steward::host::printed(0);
            }
            fmt::print(stderr, "steward: {}\n", parsed.text);
            return parsed.exit_code;
        }
        const auto command = parsed.options->command;
        if (command == Command::kMcp || command == Command::kRun) {
            steward::host::Session::block_signals();
        }
        return run(*parsed.options);
    } catch (const std::system_error& e) {
        // What is long does not wait for the end to be written.
        if (std::ferror(stdout) != 0) {
            errno = e.code().value();
            return steward::host::printed(1);
        }
        fmt::print(stderr, "steward: {}\n", e.what());
        return 1;
    } catch (const std::exception& e) {
        fmt::print(stderr, "steward: {}\n", e.what());
        return 1;
    }
}
