// What the checks of the health strategies share.
#pragma once
#include <string>

#include "check.hpp"
#include "strategies.hpp"

namespace steward::compliance {

// What every report owes, whatever was probed: a verdict and a status that exist, one line of
// detail, the right thread. Throws Broken that begins with `what`.
void require_form(const std::string& what, const HealthReport& report);

// In checks/health_verdicts.cpp; the row is in checks/health.cpp.
void health_verdicts(Trial& trial);

}  // namespace steward::compliance
