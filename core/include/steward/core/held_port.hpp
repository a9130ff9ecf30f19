// HeldPort: the port that the supervisor binds, listens on and keeps for the whole session
// (PortKeeper, os.hpp).
//
// Why it is kept: the app gets the socket as a descriptor, so there is no moment between "free" and
// "taken", the port stays the same across restarts, and who connects while the app restarts waits
// instead of being refused.
//
// Binding
// - The first attempt is made without SO_REUSEADDR: with it, a port that somebody else has bound
//   but does not listen on yet looks free. It is set afterwards, before listen(): accepted
//   connections inherit it, and without it they would keep the next session from the port for as
//   long as they take to close.
// - A refused attempt is repeated with SO_REUSEADDR. What that gets is kept only if the kernel's
//   socket table shows at least one other socket there, and all of them are connections that are
//   closing and belong to no process. SO_REUSEPORT is never used.
// - The loopback address of the other family is bound too and not listened on: clients that resolve
//   "localhost" to it are refused at once, and nobody can sit there. A machine without that family
//   does without. The host "::" takes both families with one socket.
//
// Thread: the loop's, all functions. None of them waits, but take() and test() may read the whole
// socket table (milliseconds, tens of them under load) if the port is taken and could be shared. To
// name an owner, or where the app listens, all of them look through /proc, for at most about 20 ms
// in any second.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "steward/core/os.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

class HeldPort final : public PortKeeper {
  public:
    // The scheduler must outlive the object.
    explicit HeldPort(Scheduler& scheduler);
    // Closes everything at once; who waits in the backlog is reset. close() is the polite way.
    ~HeldPort() override;
    HeldPort(const HeldPort&) = delete;
    HeldPort& operator=(const HeldPort&) = delete;

    // The host is a literal address. What was held before is let go first.
    Status take(const std::string& host, std::uint16_t port) override;
    // The checks of take(), the other family's loopback address included; holds nothing and leaves
    // nothing behind.
    Status test(const std::string& host, std::uint16_t port) override;
    // Also ends answering: two acceptors would share the connections between them. The descriptor
    // stays ours. -1 as well if the app has shut the socket down and somebody else has taken the
    // port since; nothing is held any more then.
    int listener() override;
    // Up to 64 connections at once, each for a few seconds at most; more wait in the backlog.
    // Without a held socket: nothing.
    void answer(const PortAnswer& answer) override;
    void stop_answering() override;
    // Answers up to 256 connections in any case, and more for 20 ms. Connections that have not sent
    // their request yet are kept open for a moment afterwards, as long as the loop runs.
    void close(const PortAnswer& answer) override;
    bool shareable() const override;
    // "nobody accepts connections on the socket that was handed over", with ", the app listens on
    // 127.0.0.1:8000" when it does. Reads the whole socket table if a connection waits.
    std::string not_accepted(std::int32_t guardian_pid) override;
    // Looks at what answers on the host of the last take() or test(), or on any address before the
    // first of them. "pid 412 (nginx)", or "another process" if no owner can be found.
    std::string stranger_on(std::uint16_t port, std::int32_t guardian_pid) override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace steward::core
