#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kLifecycleChecks{};

}  // namespace steward::compliance
