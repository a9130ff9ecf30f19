// The pure part of port_sequential: the ports of a range in turn, beginning with the wanted one.
//
// base, base + 1, … last, then first, … base - 1. Without a wanted port in the range it begins at
// `first`. Excluded ports and port 0 are left out. No socket, clock or state; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <steward/sdk/port.hpp>

namespace steward::port_sequential {

// Fills `out` from its front and returns how many it wrote; 0 if nothing is left. Throws a Failure
// with STEWARD_E_INVALID if first > last.
[[nodiscard]] std::size_t propose(const sdk::PortRequest& request, std::span<std::uint16_t> out);

}  // namespace steward::port_sequential
