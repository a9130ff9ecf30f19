#include "other_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "check.hpp"
#include "library.hpp"
#include "scene.hpp"
#include "session.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace steward::compliance {
namespace {

constexpr int kAnswersFd = 3;
// Between the lines, which may hold any other byte.
constexpr char kEnd = '\0';

core::ChildProcess start(const std::vector<std::string>& arguments,
                         const std::vector<std::pair<int, int>>& descriptors) {
    core::ProcessSpec spec;
    spec.file = "/proc/self/exe";
    spec.argv = {"steward-compliance"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.argv.push_back(std::to_string(getpid()));
    for (char** variable = environ; *variable != nullptr; ++variable) {
        spec.environment.emplace_back(*variable);
    }
    spec.descriptors = descriptors;
    auto child = core::spawn(spec);
    if (!child) {
        throw std::runtime_error(child.error().text);
    }
    return std::move(*child);
}

// Ends it if it has not ended by itself, and waits for that. Returns the wait status.
int end(const core::ChildProcess& child, bool by_force) {
    if (by_force) {
        (void)::kill(child.pid, SIGKILL);
    }
    int status = 0;
    while (!core::reap(child, &status)) {
        pollfd polled{child.pidfd.get(), POLLIN, 0};
        (void)::poll(&polled, 1, -1);
    }
    return status;
}

std::string read_to_end(int fd) {
    std::string text;
    char block[4096];
    for (;;) {
        const ssize_t got = ::read(fd, block, sizeof block);
        if (got > 0) {
            text.append(block, static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EINTR) {
            return text;
        }
    }
}

void write_line(const std::string& line) {
    const std::string text = line + kEnd;
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t written = ::write(kAnswersFd, text.data() + done, text.size() - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            _exit(1);
        }
        done += static_cast<std::size_t>(written);
    }
}

// Ends with the parent, whose id is the last argument.
void follow_parent(const std::vector<std::string>& arguments) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (arguments.empty() || std::to_string(getppid()) != arguments.back()) {
        _exit(1);
    }
}

}  // namespace

std::vector<std::string> answers_here(const Library& library, std::uint64_t seed, int count) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(library, host);
    std::vector<std::string> lines;
    for (const auto* plugin : library.plugins()) {
        if (is_pure(*plugin)) {
            const auto instance = session.create(*plugin);
            const auto more = pure_answers(instance, seed, count);
            lines.insert(lines.end(), more.begin(), more.end());
        }
    }
    return lines;
}

std::vector<std::string> answers_elsewhere(const std::string& file, std::uint64_t seed, int count) {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
    }
    const core::UniqueFd from(ends[0]);
    core::UniqueFd to(ends[1]);
    const auto child = start({"answers", file, std::to_string(seed), std::to_string(count)},
                             {{-1, 0}, {1, 1}, {2, 2}, {to.get(), kAnswersFd}});
    to.reset();
    const std::string text = read_to_end(from.get());
    const int status = end(child, /*by_force=*/false);
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto until = std::min(text.find(kEnd, begin), text.size());
        lines.push_back(text.substr(begin, until - begin));
        begin = until + 1;
    }
    if (status != 0) {
        broken("asked in another process, it does not come to an end (wait status " +
               std::to_string(status) + (lines.empty() ? ")" : "): " + lines.back()));
    }
    return lines;
}

int answers_main(const std::vector<std::string>& arguments) {
    follow_parent(arguments);
    if (arguments.size() != 4) {
        return 2;
    }
    try {
        const Library library(arguments[0]);
        for (const auto& line :
             answers_here(library, std::strtoull(arguments[1].c_str(), nullptr, 10),
                          static_cast<int>(std::strtol(arguments[2].c_str(), nullptr, 10)))) {
            write_line(line);
        }
    } catch (const Broken& verdict) {
        write_line(verdict.text);
        _exit(1);
    } catch (const Unusable& verdict) {
        write_line(verdict.reason);
        _exit(1);
    }
    _exit(0);  // No destructor of a plugin's runs.
}

Sleeper::Sleeper() : child_(start({"sleep"}, {{-1, 0}, {-1, 1}, {2, 2}})) {}

Sleeper::~Sleeper() {
    (void)end(child_, /*by_force=*/true);
}

int sleep_main(const std::vector<std::string>& arguments) {
    follow_parent(arguments);
    for (;;) {
        (void)pause();
    }
}

}  // namespace steward::compliance
