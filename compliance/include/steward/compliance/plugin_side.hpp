// Marks the way into a plugin and back; for the scope of the object, on its thread.
#pragma once
#include "steward/compliance/plugin_side.h"

namespace steward::compliance {

template <int kSide>
class [[nodiscard]] SideScope {
  public:
    SideScope() noexcept : before_(steward_set_plugin_side(kSide)) {}
    ~SideScope() { steward_set_plugin_side(before_); }
    SideScope(const SideScope&) = delete;
    SideScope& operator=(const SideScope&) = delete;

  private:
    int before_;
};

using OnPluginSide = SideScope<1>;
using OnHostSide = SideScope<0>;

}  // namespace steward::compliance
