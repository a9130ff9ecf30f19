// Why a service is in its state: the answer of flask_explain, made of the status and the event log.
//
// Any thread; the functions keep no state.
#pragma once
#include <string>
#include <vector>

#include <Poco/JSON/Object.h>

#include "steward/core/event.hpp"
#include "steward/core/service.hpp"

namespace steward::host {

inline constexpr std::size_t kExplainedEvents = 20;

// {service, state, cause, since, transitions: [{ts, event, generation, cause, fields}] (the last
// 20, oldest first, no samples), next: {action, in_ms} or null, text}. `events` are in their order.
Poco::JSON::Object::Ptr explanation(const core::ServiceStatus& status,
                                    const std::vector<core::Event>& events, core::WallTime now);

}  // namespace steward::host
