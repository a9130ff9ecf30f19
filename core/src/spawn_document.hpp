// What an order to start is made of besides its packet: directory, arguments and environment, as
// guardian/protocol.h says.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "steward/core/os.hpp"

namespace steward::core {

// Adds what apps that know socket activation look for, in place of what is there of it. Returns the
// index of LISTEN_PID, into which the guardian writes the app's own pid.
std::int32_t add_listen_variables(std::vector<std::pair<std::string, std::string>>& environment);

// A sealed memfd, and its size in bytes. Any failure of the kernel is the error.
Result<UniqueFd> spawn_document(const SpawnRequest& request, std::size_t& size);

}  // namespace steward::core
