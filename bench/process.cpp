#include "process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace steward::bench {
namespace {

constexpr double kNsPerMs = 1e6;

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    out.reserve(strings.size() + 1);
    for (const auto& text : strings) {
        out.push_back(const_cast<char*>(text.c_str()));  // The interface is older than const.
    }
    out.push_back(nullptr);
    return out;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// One request; true if the answer was a 200.
bool ask_health(int socket, std::uint16_t port, std::int64_t deadline) {
    const auto left = std::max<std::int64_t>(1, (deadline - now_ns()) / 1'000'000);
    const timeval limit{static_cast<time_t>(left / 1000),
                        static_cast<suseconds_t>(left % 1000 * 1000)};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const std::string request = "GET /health HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                                "\r\nConnection: close\r\n\r\n";
    if (send(socket, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
        return false;
    }
    std::string answer;
    char bytes[512];
    constexpr std::string_view kGood = "HTTP/1.1 200";
    while (answer.size() < kGood.size()) {
        const ssize_t count = recv(socket, bytes, sizeof bytes, 0);
        if (count <= 0) {
            return false;
        }
        answer.append(bytes, static_cast<std::size_t>(count));
    }
    return std::string_view(answer).substr(0, kGood.size()) == kGood;
}

}  // namespace

std::int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

double ms_between(std::int64_t from, std::int64_t to) {
    return static_cast<double>(to - from) / kNsPerMs;
}

void sleep_ms(double ms) {
    const auto ns = static_cast<std::int64_t>(ms * kNsPerMs);
    const timespec time{static_cast<time_t>(ns / 1'000'000'000),
                        static_cast<long>(ns % 1'000'000'000)};
    nanosleep(&time, nullptr);
}

void fail(const std::string& what) {
    const int reason = errno;
    throw std::runtime_error(what + ": " + std::strerror(reason));
}

Fd& Fd::operator=(Fd&& other) noexcept {
    if (this != &other) {
        reset(other.release());
    }
    return *this;
}

int Fd::release() {
    return std::exchange(fd_, -1);
}

void Fd::reset(int fd) {
    if (fd_ >= 0) {
        close(fd_);
    }
    fd_ = fd;
}

Pipe make_pipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        fail("pipe");
    }
    return {Fd(fds[0]), Fd(fds[1])};
}

Listener listen_anywhere() {
    Listener out;
    out.socket.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(0);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(out.socket.get(), generic, size) != 0 || listen(out.socket.get(), SOMAXCONN) != 0 ||
        getsockname(out.socket.get(), generic, &size) != 0) {
        fail("a socket on 127.0.0.1");
    }
    out.port = ntohs(address.sin_port);
    return out;
}

std::uint16_t free_port() {
    return listen_anywhere().port;
}

void wait_for_health(std::uint16_t port, std::int64_t deadline) {
    const auto address = loopback(port);
    while (now_ns() < deadline) {
        const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const bool connected =
            connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        if (connected && ask_health(client.get(), port, deadline)) {
            return;
        }
        sleep_ms(0.5);
    }
    throw std::runtime_error("no healthy answer on port " + std::to_string(port) + " in time");
}

Process::Process(const Plan& plan) {
    const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const int sources[] = {plan.in, plan.out, plan.err};
    for (int fd = 0; fd < 3; ++fd) {
        posix_spawn_file_actions_adddup2(&actions, sources[fd] >= 0 ? sources[fd] : null.get(), fd);
    }
    if (plan.listener >= 0) {
        posix_spawn_file_actions_adddup2(&actions, plan.listener, 3);
    }
    // This program ignores SIGPIPE (main.cpp); what it starts must not.
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const auto argv = pointers(plan.argv);
    const auto env = pointers(plan.env);
    const int error = posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(), env.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        pid_ = -1;
        errno = error;
        fail(plan.argv[0]);
    }
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
}

Process::~Process() {
    if (pid_ > 0) {
        signal(SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    return *this;
}

void Process::signal(int number) const {
    if (pid_ > 0) {
        kill(pid_, number);
    }
}

bool Process::wait(std::int64_t deadline) {
    while (pid_ > 0) {
        const auto left = std::max<std::int64_t>(0, deadline - now_ns()) / 1'000'000;
        pollfd gone{pidfd_.get(), POLLIN, 0};
        const int ready = poll(&gone, 1, static_cast<int>(left));
        if (ready > 0) {
            waitpid(pid_, nullptr, 0);
            pid_ = -1;
        } else if (ready == 0) {
            return false;
        }
    }
    return true;
}

}  // namespace steward::bench
