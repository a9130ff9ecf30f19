// PortResponder: accepts on a listening socket and answers each request with the same 503.
//
// A connection is read until its request's head is complete, and answered. If the client may be
// sending still, its connection is half-closed and drained for a moment: it gets the answer and not
// a reset, even in the middle of a body. Each of these steps has a time limit, so a slow or silent
// client costs a place for seconds at the most.
//
// Thread: the loop's.
#pragma once
#include <cstddef>
#include <map>
#include <string>

#include "steward/core/os.hpp"
#include "steward/core/scheduler.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::core {

class PortResponder {
  public:
    static constexpr std::size_t kMaxConnections = 64;
    static constexpr int kAcceptsPerWakeUp = 16;
    static constexpr Duration kReadLimit = std::chrono::seconds(2);
    static constexpr Duration kWriteLimit = std::chrono::seconds(2);
    static constexpr Duration kDrainLimit = std::chrono::seconds(1);
    static constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

    explicit PortResponder(Scheduler& scheduler) : scheduler_(scheduler) {}
    ~PortResponder();
    PortResponder(const PortResponder&) = delete;
    PortResponder& operator=(const PortResponder&) = delete;

    // Begins to accept, or only changes what is said. O_NONBLOCK is set on the socket for as long
    // as it accepts. The listener stays the caller's and must stay open until stop().
    void start(int listener, const PortAnswer& answer);
    // Accepts nothing any more and clears O_NONBLOCK, before it returns. Connections already
    // accepted are answered.
    void stop();
    // Stops and answers everything that waits in the listener's backlog, without waiting for
    // requests, for at most kFinishLimit and kFinishConnections. Connections that are still being
    // read are answered now.
    void finish(int listener, const PortAnswer& answer);

    bool accepting() const { return listener_ >= 0; }
    std::size_t connections() const { return connections_.size(); }

  private:
    static constexpr Duration kFinishLimit = std::chrono::milliseconds(20);
    static constexpr int kFinishConnections = 4096;
    // So many are answered in any case: on a busy machine the time may be gone before any work is
    // done.
    static constexpr int kFinishAtLeast = 256;

    enum class Step { kReading, kWriting, kDraining };
    struct Connection {
        UniqueFd fd;
        Step step = Step::kReading;
        std::string request;
        std::string response;
        std::size_t sent = 0;
        TimerId timer = 0;
    };

    void watch_listener();
    void pause_listener();
    void accept_some();
    void add(UniqueFd fd);
    void drop(int fd);
    void watch(int fd, Interest interest);
    void limit(Connection& connection, Duration time);
    void ready(int fd);
    void timed_out(int fd);
    void read_request(Connection& connection);
    void begin_response(Connection& connection);
    void write_response(Connection& connection);
    void drain(Connection& connection);
    // Says what is to be said, whatever has been asked. True: the client may still be sending.
    bool answer_now(int fd, const PortAnswer& answer);

    Scheduler& scheduler_;
    PortAnswer answer_;
    int listener_ = -1;
    bool watching_ = false;
    TimerId pause_ = 0;
    std::map<int, Connection> connections_;
};

}  // namespace steward::core
