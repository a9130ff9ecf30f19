#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kCancellationChecks{};

}  // namespace steward::compliance
