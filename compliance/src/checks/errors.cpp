#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kErrorChecks{};

}  // namespace steward::compliance
