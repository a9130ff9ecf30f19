#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kConfigChecks{};

}  // namespace steward::compliance
