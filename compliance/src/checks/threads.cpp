#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kThreadChecks{};

}  // namespace steward::compliance
