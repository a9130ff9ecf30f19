#include "check.hpp"

namespace steward::compliance {

const std::span<const Check> kDescriptorChecks{};

}  // namespace steward::compliance
