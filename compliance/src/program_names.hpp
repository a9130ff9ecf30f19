// What this program is called, and the prober that goes with it: what loads a plugin with a
// sanitizer must have it too.
#pragma once

#ifndef STEWARD_COMPLIANCE_SUFFIX
#define STEWARD_COMPLIANCE_SUFFIX ""
#endif

namespace steward::compliance {

inline constexpr const char* kProgram = "steward-compliance" STEWARD_COMPLIANCE_SUFFIX;
inline constexpr const char* kProber = "steward-plugin-probe" STEWARD_COMPLIANCE_SUFFIX;

}  // namespace steward::compliance
