#include "helper_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <thread>
#include <utility>

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace steward::compliance {
namespace {

core::Result<core::ChildProcess> start(const std::vector<std::string>& arguments, int output) {
    core::ProcessSpec spec;
    spec.file = "/proc/self/exe";
    spec.argv = {"steward-compliance"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    for (char** variable = environ; *variable != nullptr; ++variable) {
        spec.environment.emplace_back(*variable);
    }
    spec.descriptors = {{-1, 0}, {2, 1}, {2, 2}, {output, kHelperFd}};
    return core::spawn(spec);
}

// False: the parent has gone already.
bool tie_to(int parent) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == parent;
}

void say_ready() {
    (void)!::write(kHelperFd, "ready\n", 6);
}

[[noreturn]] void busy() {
    say_ready();
    for (volatile unsigned long turns = 0;;) {
        turns = turns + 1;
    }
}

// Starts `count` children; returns without waiting for them if one cannot be started.
std::deque<core::ChildProcess> start_parts(std::string_view part, int count) {
    std::deque<core::ChildProcess> started;
    for (int i = 0; i < count; ++i) {
        if (auto child = start(helper_arguments(part), -1)) {
            started.push_back(std::move(*child));
        }
    }
    return started;
}

[[noreturn]] void churn() {
    constexpr std::size_t kBranches = 3;
    constexpr int kThreads = 20;
    say_ready();
    auto branches = start_parts("branch", kBranches);
    for (;;) {
        for (int i = 0; i < kThreads; ++i) {
            std::thread([] {}).join();
        }
        std::erase_if(branches,
                      [](const core::ChildProcess& branch) { return core::reap(branch); });
        if (branches.size() < kBranches) {
            auto more = start_parts("branch", 1);
            if (!more.empty()) {
                branches.push_back(std::move(more.front()));
            }
        }
    }
}

}  // namespace

HelperProcess::HelperProcess(const std::vector<std::string>& arguments) {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        throw std::runtime_error(std::string("cannot make a pipe: ") + std::strerror(errno));
    }
    output_ = core::UniqueFd(ends[0]);
    const core::UniqueFd output_end(ends[1]);
    auto child = start(arguments, output_end.get());
    if (!child) {
        throw std::runtime_error(child.error().text);
    }
    child_ = std::move(*child);
}

HelperProcess::~HelperProcess() {
    if (!has_ended_) {
        (void)syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGKILL, nullptr, 0);
        (void)wait_end();
    }
}

int HelperProcess::wait_end() {
    pollfd ended{child_.pidfd.get(), POLLIN, 0};
    while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
    }
    int status = 0;
    (void)core::reap(child_, &status);
    has_ended_ = true;
    return status;
}

std::string HelperProcess::read_line(std::chrono::milliseconds limit) {
    auto end = text_.find('\n');
    while (end == std::string::npos) {
        if (!read_more(limit)) {
            return std::exchange(text_, {});
        }
        end = text_.find('\n');
    }
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
}

std::string HelperProcess::read_all(std::chrono::milliseconds limit) {
    while (read_more(limit)) {
    }
    return std::exchange(text_, {});
}

bool HelperProcess::read_more(std::chrono::milliseconds limit) {
    for (;;) {
        pollfd readable{output_.get(), POLLIN, 0};
        if (::poll(&readable, 1, static_cast<int>(limit.count())) == 0) {
            throw std::runtime_error("a process of the harness printed nothing for " +
                                     std::to_string(limit.count()) + " ms");
        }
        char block[4096];
        const ssize_t got = ::read(output_.get(), block, sizeof block);
        if (got >= 0 || errno != EINTR) {
            text_.append(block, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
            return got > 0;
        }
    }
}

std::vector<std::string> helper_arguments(std::string_view part) {
    return {std::string(part), std::to_string(getpid())};
}

int helper_main(const std::vector<std::string>& arguments) {
    if (arguments.size() != 2) {
        return -1;
    }
    const std::string& part = arguments[0];
    if (part == "leaf") {
        return 0;
    }
    if (part == "sentinel") {
        return kSentinelStatus;
    }
    if (part != "busy" && part != "churn" && part != "branch" && part != "sleep") {
        return -1;
    }
    if (!tie_to(std::atoi(arguments[1].c_str()))) {
        return 1;
    }
    if (part == "busy") {
        busy();
    }
    if (part == "churn") {
        churn();
    }
    while (part == "sleep") {
        (void)pause();
    }
    // What it starts is left to whoever takes orphans.
    (void)start_parts("leaf", 2);
    return 0;
}

}  // namespace steward::compliance
