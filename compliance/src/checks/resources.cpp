#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kResourceChecks{};

}  // namespace steward::compliance
