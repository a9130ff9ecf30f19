#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kHealthChecks{};

}  // namespace steward::compliance
