// Starts an app-guardian and speaks its protocol, as plainly as possible: for tests of the guardian
// itself.
//
// One thread. Every call that waits has a deadline and throws std::runtime_error when it passes,
// which fails the test that made it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "guardian/protocol.h"

namespace steward::test {

using Milliseconds = std::chrono::milliseconds;

// Within this time the guardian does anything at all; most things take it less than a millisecond.
constexpr Milliseconds kSecond{1000};

// Owns a descriptor.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }
    void reset();
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

struct Pipe {
    Fd read;
    Fd write;
};
Pipe make_pipe();

struct SocketPair {
    Fd supervisor;
    Fd guardian;
};
SocketPair make_socket_pair();

// A memfd with these bytes; sealed with `seals`.
Fd make_memfd(const std::string& content, int seals = STEWARD_GUARDIAN_SEALS);

// posix_spawn of app-guardian with this end of a socketpair, as the supervisor does it. `argument`
// is its argv[1]. Returns its pid.
pid_t spawn_guardian(int guardian_end, const std::string& argument);

// What a SPAWN order says. The descriptors stay the caller's.
struct SpawnRequest {
    std::uint64_t generation = 1;
    std::string directory;
    std::vector<std::string> argv;
    std::vector<std::string> env;
    int listen_pid_index = -1;
    int out = -1;  // -1 = /dev/null
    int err = -1;  // -1 = the test's stderr
    int listener = -1;
};

// The strings of the request as a document.
std::string make_document(const SpawnRequest& request);

struct Received {
    steward_guardian_report report{};
    Fd fd;
};

// Sends one order over `socket`; returns 0 or the errno.
int send_order(int socket, const void* order, std::size_t size, const std::vector<int>& fds);

class Guardian {
  public:
    // Starts one whose supervisor is this process.
    Guardian();
    // Speaks over a socket to a guardian that somebody else has started.
    Guardian(pid_t pid, Fd socket);
    // Closes the socket, waits for the end of the guardian and reaps it.
    ~Guardian();
    Guardian(const Guardian&) = delete;
    Guardian& operator=(const Guardian&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

    // A header-only order of this type with the next seq, to be changed and sent.
    steward_guardian_order order(std::uint16_t type);
    // Returns the seq of the order sent.
    std::uint64_t send(const steward_guardian_order& order, const std::vector<int>& fds = {});
    std::uint64_t send_spawn(const SpawnRequest& request);

    // The next report, or nothing if none comes in time.
    std::optional<Received> receive(Milliseconds timeout = kSecond);
    // The next report, which must be of this type.
    Received expect(std::uint16_t type, Milliseconds timeout = kSecond);

    // SPAWN, ACK and STARTED.
    Received start(const SpawnRequest& request);
    // Sends an order without further fields and takes its answer.
    Received ask(std::uint16_t type, std::uint64_t generation = 0);

    void close_socket() { socket_.reset(); }
    // Waits for its end; the wait status.
    int wait_for_exit(Milliseconds timeout = kSecond);
    [[nodiscard]] std::size_t open_fds() const;
    // What the kernel lists as its children.
    [[nodiscard]] std::string children() const;

  private:
    pid_t pid_;
    bool ours_;
    Fd socket_;
    Fd pidfd_;
    std::optional<int> status_;
    std::uint64_t seq_ = 0;
};

// --- processes ---

Fd open_pidfd(pid_t pid);
void signal_by_pidfd(int pidfd, int signal);
// True if the descriptor becomes readable in time; a pidfd does when its process ends.
bool wait_readable(int fd, Milliseconds timeout);
// The pids of all processes whose environment has this entry.
std::vector<pid_t> processes_with_env(const std::string& entry);
// The pids of all processes with this argv[0] and argv[1].
std::vector<pid_t> processes_with_argv(const std::string& zero, const std::string& one);
// The state letter in /proc/<pid>/stat, '-' if there is no such process.
char process_state(pid_t pid);
std::string read_file(const std::string& path);

// Calls `done` every millisecond until it returns true; false when the time is over.
template <typename Condition>
bool wait_until(Condition done, Milliseconds timeout = kSecond) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (!done()) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        timespec pause{0, 1000000};
        nanosleep(&pause, nullptr);
    }
    return true;
}

// Reads until a line equal to `line` has come or the time is over.
bool wait_for_line(int fd, const std::string& line, Milliseconds timeout = kSecond);

}  // namespace steward::test
