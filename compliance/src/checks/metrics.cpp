#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kMetricsChecks{};

}  // namespace steward::compliance
