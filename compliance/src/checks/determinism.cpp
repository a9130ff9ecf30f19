#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kDeterminismChecks{};

}  // namespace steward::compliance
