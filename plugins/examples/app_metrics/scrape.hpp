// One GET on a connection of its own, waited for up to a deadline.
//
// On [plugin], and it blocks there: that is allowed for a sample, which has its deadline in the
// request and no `done` to come back with later. Nothing else of this library waits behind it, and
// the host's loop never does.
#pragma once

#include <steward/sdk/host.hpp>
#include <string>
#include <string_view>

#include "endpoint.hpp"
#include "http_response.hpp"

namespace examples::app_metrics {

namespace sdk = steward::sdk;

// Throws sdk::Failure: TIMEOUT at the deadline, GONE when nobody listens, IO for other faults of the
// connection, and what HttpResponse throws.
[[nodiscard]] HttpResponse scrape(sdk::Host host, const Endpoint& endpoint, std::string_view path,
                                  sdk::TimePoint deadline);

}  // namespace examples::app_metrics
