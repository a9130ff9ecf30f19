// Clients of an app, and what a process uses, for tests that restart it many times.
#pragma once
#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace steward::tests {

// Threads that open a connection for each request, about 500 times a second each, so that local
// ports do not run out.
class Load {
  public:
    static constexpr int kClients = 3;

    Load(std::uint16_t port, const std::string& path);
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    // Ends the clients. How often which end: a status, or what went wrong (net_kit.hpp).
    std::map<std::string, int> finish();

  private:
    std::atomic<bool> stop_{false};
    std::array<std::map<std::string, int>, kClients> results_;
    std::vector<std::thread> threads_;
};

struct Resources {
    std::size_t descriptors = 0;
    std::size_t threads = 0;
    bool operator==(const Resources&) const = default;
};

// Once they have been the same for a while: a connection that is just being closed is none. Throws
// std::runtime_error when they never are.
Resources settled_resources(pid_t pid);

}  // namespace steward::tests
