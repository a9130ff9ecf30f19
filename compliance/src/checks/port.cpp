#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kPortChecks{};

}  // namespace steward::compliance
