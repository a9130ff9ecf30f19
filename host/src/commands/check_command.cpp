#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "commands.hpp"
#include "handoff.hpp"
#include "service_config.hpp"
#include "session.hpp"
#include "steward/core/held_port.hpp"
#include "steward/core/loop.hpp"
#include "steward/core/spawn.hpp"

namespace steward::host {
namespace {

using Clock = std::chrono::steady_clock;

// How long a helper program may take, and how much of what it prints is kept.
constexpr std::chrono::seconds kHelperTime{10};
constexpr std::size_t kHelperText = 64 * 1024;

// Prints one finding and remembers whether all were good.
class Findings {
  public:
    void good(const std::string& what) { fmt::print("ok     {}\n", what); }
    void bad(const std::string& what) {
        fmt::print("wrong  {}\n", what);
        all_good_ = false;
    }
    bool all_good() const { return all_good_; }

  private:
    bool all_good_ = true;
};

bool is_program(const std::string& file) {
    std::error_code error;
    return access(file.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(file, error);
}

// Where the program would be found, as execvp looks for it; empty: nowhere.
std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return is_program(name) ? name : std::string();
    }
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const auto file = folder + "/" + name;
        if (is_program(file)) {
            return file;
        }
    }
    return {};
}

// How a helper program ended.
struct HelperEnd {
    std::string text;  // what it printed, the last of it
    int status = -1;   // a wait status; -1: it was killed
    int signal = 0;    // the one that ends this command, when it came meanwhile
};

// Takes what there is. False: nothing will come any more.
bool drain(int fd, std::string& text) {
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto got = read(fd, buffer.data(), buffer.size());
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
        text.erase(0, text.size() - std::min(text.size(), kHelperText));
    }
}

// Waits for its end, for kHelperTime at most, or until one of `signals` is there; then kills it.
HelperEnd follow(const core::ChildProcess& child, int output, int signals) {
    HelperEnd end;
    std::array<pollfd, 3> fds{
        {{child.pidfd.get(), POLLIN, 0}, {output, POLLIN, 0}, {signals, POLLIN, 0}}};
    const auto until = Clock::now() + kHelperTime;
    while (fds[0].revents == 0 && end.signal == 0 && Clock::now() < until) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        poll(fds.data(), fds.size(), static_cast<int>(std::max<long>(0, left.count())));
        if (!drain(output, end.text)) {
            fds[1].fd = -1;
        }
        signalfd_siginfo info{};
        if (read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            end.signal = static_cast<int>(info.ssi_signo);
        }
    }
    if (fds[0].revents != 0) {
        core::reap(child, &end.status);
        return end;
    }
    // With all that it has started. It is not reaped yet, so the number is still its own.
    kill(-child.pid, SIGKILL);
    poll(fds.data(), 1, 1000);
    core::reap(child);
    return end;
}

// Runs a helper program in a session of its own and returns the last line that it prints. A signal
// that ends this command ends the helper, too.
core::Result<std::string> run_helper(core::ProcessSpec spec) {
    std::array<int, 2> pipe{};
    if (pipe2(pipe.data(), O_CLOEXEC) != 0) {
        return core::system_error("cannot make a pipe");
    }
    const core::UniqueFd output(pipe[0]);
    core::UniqueFd input(pipe[1]);
    fcntl(output.get(), F_SETFL, O_NONBLOCK);
    sigset_t before;
    const sigset_t ending = Session::ending_signals();
    pthread_sigmask(SIG_BLOCK, &ending, &before);
    const core::UniqueFd signals(signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
    spec.descriptors = {{-1, 0}, {input.get(), 1}, {input.get(), 2}};
    spec.new_session = true;
    const auto child = core::spawn(spec);
    input.reset();
    HelperEnd end;
    if (child) {
        end = follow(*child, output.get(), signals.get());
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!child) {
        return child.error();
    }
    if (end.signal != 0) {
        std::fflush(stdout);
        raise(end.signal);
    }
    if (end.status == -1) {
        return core::Error{
            fmt::format("does not end within {} s and was killed", kHelperTime.count())};
    }
    while (!end.text.empty() && end.text.back() == '\n') {
        end.text.pop_back();
    }
    const std::string line = end.text.substr(end.text.rfind('\n') + 1);
    if (end.status != 0) {
        return core::Error{line.empty() ? "ends without saying what it lacks" : line};
    }
    return line;
}

// In the environment that the app will have.
void check_python(const std::string& python, const core::ServiceConfig& config,
                  Findings& findings) {
    core::ProcessSpec spec;
    spec.file = python;
    spec.argv = {python, "-c", "import flask, waitress; print('flask', flask.__version__)"};
    for (const auto& [name, value] : config.environment) {
        spec.environment.push_back(name + "=" + value);
    }
    if (const auto line = run_helper(std::move(spec)); line) {
        findings.good(fmt::format("{} has {} and waitress", python, *line));
    } else {
        findings.bad(fmt::format(
            "{}: {}; install python3-flask and python3-waitress, or give another --python", python,
            line.error().text));
    }
}

void check_command_line(const core::ServiceConfig& config, bool is_default, Findings& findings) {
    const std::string& program = config.argv.front();
    const auto file = find_program(program);
    if (file.empty()) {
        findings.bad(fmt::format("{}: cannot be executed; install it or give {}", program,
                                 is_default ? "another --python" : "the command's path"));
        return;
    }
    findings.good(fmt::format("{} can be executed", file));
    if (is_default) {
        const std::string& app = config.argv[1];
        if (access(app.c_str(), R_OK) == 0) {
            findings.good(fmt::format("{} is there", app));
            check_python(file, config, findings);
        } else {
            findings.bad(fmt::format("{}: is missing; build or install Steward again", app));
        }
    }
}

void check_own_programs(const Paths& paths, Findings& findings) {
    for (const auto& file : {paths.guardian, paths.prober}) {
        if (is_program(file)) {
            findings.good(fmt::format("{} can be executed", file));
        } else {
            findings.bad(
                fmt::format("{}: cannot be executed; build or install Steward again", file));
        }
    }
}

void check_port(const core::ServiceConfig& config, const Options& options, Findings& findings) {
    if (const auto handoff = choose_handoff(options); handoff && !handoff->mode.empty()) {
        findings.good(
            fmt::format("--handoff {}: {} ({})", handoff->mode, handoff->meaning, handoff->why));
    }
    if (config.machine.port_mode == core::PortMode::kNone) {
        findings.good(
            config.machine.health_enabled
                ? "no port is needed, so nothing can be probed: it will never be healthy; "
                  "give {port}, {fd} or --health none"
                : "no port is needed");
        return;
    }
    core::Loop loop;
    core::HeldPort port(loop);
    std::string last;
    const unsigned tries = std::min<unsigned>(config.port_tries, 65536U - config.base_port);
    for (unsigned i = 0; i < tries; ++i) {
        const auto candidate = static_cast<std::uint16_t>(config.base_port + i);
        const auto free = port.test(config.address, candidate);
        if (free) {
            findings.good(fmt::format("port {} of {} is free{}", candidate, config.address,
                                      i == 0 ? "" : " (" + last + ")"));
            return;
        }
        last = free.error().text;
    }
    findings.bad(fmt::format("none of {} ports from {} is free: {}; give another --port", tries,
                             config.base_port, last));
}

}  // namespace

int check_command(const Options& options) {
    // Whatever was inherited, a signal ends this command.
    const sigset_t ending = Session::ending_signals();
    for (const int number : {SIGTERM, SIGHUP, SIGINT}) {
        signal(number, SIG_DFL);
    }
    pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
    Findings findings;
    const auto paths = find_paths();
    const auto config = service_config(options, paths);
    check_own_programs(paths, findings);
    if (needs_data_dir(options)) {
        if (const auto status = check_data_dir(options); status) {
            findings.good(fmt::format("{} can be written", options.data_dir));
        } else {
            findings.bad(status.error().text);
        }
    }
    check_command_line(config, options.app_command.empty(), findings);
    if (const auto status = check_address(options); status) {
        check_port(config, options, findings);
    } else {
        findings.bad(status.error().text);
    }
    {
        Session session({options, core::Severity::kError, /*watch_parent=*/false});
        if (const auto wrong = session.prepare_plugins(); wrong.empty()) {
            findings.good(fmt::format("strategies {}, {}, {}, {}", options.health, options.restart,
                                      options.port_strategy, options.metrics));
        } else {
            findings.bad(wrong);
        }
#ifndef STEWARD_SANITIZED
        // A plugin that hangs may not hold this up.
        _exit(printed(findings.all_good() ? 0 : 2));
#endif
    }
    return findings.all_good() ? 0 : 2;
}

}  // namespace steward::host
