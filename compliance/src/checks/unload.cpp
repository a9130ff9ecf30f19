#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kUnloadChecks{};

}  // namespace steward::compliance
