// What a client hears while flask_start, flask_stop or flask_restart waits: progress if it has asked
// for it, and log messages.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "mcp_bridge.hpp"
#include "steward/core/event_log.hpp"

namespace steward::host {

// The number of the last event that a session of the older eras was sent; the mcp thread's. There log
// messages do not say to which call they belong: two calls must not send them twice.
using LastLogged = std::shared_ptr<std::uint64_t>;

// Reports the events of the service to `call` until unsubscribed. On the loop's thread.
core::EventLog::SubscriberId report_events(const Bridge& bridge, const CallPtr& call,
                                           const Words& words, const LastLogged& last_logged);

// What the progress of a call says of an event, with the status behind it; empty: nothing, since the
// call is about to end or the event is no step of it. Any thread.
std::string progress_text(const core::Event& event, const core::ServiceStatus& status,
                          const Words& words);

}  // namespace steward::host
