// What subscribers are told: the status, the events, the output and the plugins of the service, and
// the prompts.
//
// A change of the status is told at once, events and output at most ten times a second; the last
// one is always told. News are noted on the loop's thread, by a flag each, so that a burst costs no
// memory, and told on the mcp thread.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <string_view>

#include "mcp_bridge.hpp"
#include "session.hpp"
#include "steward/core/service.hpp"
#include "steward/mcp/stdio_transport.hpp"
#include "steward/prompts/store.hpp"

namespace steward::host {

class McpUpdates {
  public:
    // All outlive it; it outlives the session's loop.
    McpUpdates(Session& session, mcp::StdioTransport& transport, mcp::Server& server);
    McpUpdates(const McpUpdates&) = delete;
    McpUpdates& operator=(const McpUpdates&) = delete;

    // ---- the mcp thread
    // Somebody has subscribed to this uri; before that nothing is noted.
    void watch(std::string_view uri);
    void prompts_changed(const prompts::Change& change);

  private:
    using Clock = mcp::StdioTransport::Clock;
    enum class Topic : std::size_t { kStatus, kEvents, kLog, kPlugins };
    static constexpr std::size_t kTopics = 4;
    struct State {
        std::atomic<bool> watched{false};
        std::atomic<bool> news{false};
        // The mcp thread's.
        Clock::time_point told{};
        bool waiting = false;  // a timer tells it
    };

    // The loop's thread.
    void listen();
    void look_at_status();
    void note(Topic topic);

    // The mcp thread.
    void tell();
    void tell(Topic topic);
    State& state(Topic topic) { return states_.at(static_cast<std::size_t>(topic)); }

    Session& session_;
    mcp::StdioTransport& transport_;
    mcp::Server& server_;
    std::array<State, kTopics> states_;
    std::atomic<bool> posted_{false};          // news are on their way to the mcp thread
    std::optional<core::ServiceStatus> last_;  // the loop's
};

// Whether a client that is told of changes wants to hear of this one: all but what grows by itself,
// and samples.
bool is_same_status(const core::ServiceStatus& a, const core::ServiceStatus& b);

}  // namespace steward::host
