// A child that the harness starts to see whether its exit status survives a plugin: the program
// itself with this command, which ends at once with this status.
#pragma once
#include <string_view>

namespace steward::compliance {

inline constexpr std::string_view kSentinelCommand = "sentinel";
inline constexpr int kSentinelStatus = 53;

}  // namespace steward::compliance
