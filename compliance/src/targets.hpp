// What probes are sent to when a check is not about the answers: ports on the loopback device that
// answer well, refuse, or keep silent.
//
// Thread: the one that made it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "steward/compliance/scripted_http_server.hpp"

namespace steward::compliance {

// What a healthy service answers at /health.
std::string healthy_body(std::string_view instance = "compliance");

struct Targets {
    Targets() : good(script::respond(200, healthy_body())) {}

    ClosedPort refused;         // no connection
    UnattendedPort unattended;  // a connection, and nothing more
    ScriptedHttpServer good;    // 200 and healthy_body()
};
inline constexpr const char* kLoopback = "127.0.0.1";

// A port whose queue of connections is full: the kernel drops whoever comes, so that a connect()
// neither fails nor ends.
class SilentPort {
  public:
    SilentPort();
    ~SilentPort();
    SilentPort(const SilentPort&) = delete;
    SilentPort& operator=(const SilentPort&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    // False if this kernel lets everybody in all the same.
    [[nodiscard]] bool silent() const noexcept { return silent_; }

  private:
    std::vector<int> fds_;
    std::uint16_t port_ = 0;
    bool silent_ = false;
};

// While it lives, this process can open no descriptor. Throws std::runtime_error if that cannot be
// brought about.
class DescriptorFamine {
  public:
    DescriptorFamine();
    ~DescriptorFamine() { end(); }
    DescriptorFamine(const DescriptorFamine&) = delete;
    DescriptorFamine& operator=(const DescriptorFamine&) = delete;
    void end() noexcept;

  private:
    std::vector<int> fillers_;
    std::uint64_t limit_before_ = 0;
    bool on_ = false;
};

}  // namespace steward::compliance
