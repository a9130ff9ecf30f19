// Processes, pipes and clocks of the measurements. One thread. What cannot be done is a
// std::runtime_error that names it.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steward::bench {

// The monotonic clock, in nanoseconds and as milliseconds between two readings.
std::int64_t now_ns();
double ms_between(std::int64_t from, std::int64_t to);
void sleep_ms(double ms);

// Throws "what: strerror(errno)".
[[noreturn]] void fail(const std::string& what);

// Owns a descriptor.
class Fd {
  public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    ~Fd() { reset(); }
    Fd(Fd&& other) noexcept : fd_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept;
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;

    [[nodiscard]] int get() const { return fd_; }
    int release();
    void reset(int fd = -1);

  private:
    int fd_;
};

struct Pipe {
    Fd read;
    Fd write;
};
Pipe make_pipe();

// A listening socket on 127.0.0.1; the kernel chooses the port.
struct Listener {
    Fd socket;
    std::uint16_t port = 0;
};
Listener listen_anywhere();

// A port of 127.0.0.1 that nobody had a moment ago.
std::uint16_t free_port();

// Asks http://127.0.0.1:PORT/health until it is answered with 200. Where nobody listens it tries
// again every half millisecond; where somebody listens the one request waits. Throws at `deadline`.
void wait_for_health(std::uint16_t port, std::int64_t deadline);

struct Plan {
    std::vector<std::string> argv;
    std::vector<std::string> env;
    // -1 = /dev/null.
    int in = -1;
    int out = -1;
    int err = -1;
    // Becomes descriptor 3; -1 = none.
    int listener = -1;
};

// A direct child; killed and reaped when this object ends.
class Process {
  public:
    Process() = default;
    explicit Process(const Plan& plan);
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    // Returns false at `deadline`; true once it has ended and is reaped.
    bool wait(std::int64_t deadline);

  private:
    pid_t pid_ = -1;
    Fd pidfd_;
};

}  // namespace steward::bench
