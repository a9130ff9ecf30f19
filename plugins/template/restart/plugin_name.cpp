// plugin_name as a plugin of Steward; what it decides is in policy.hpp.
#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

// The member decide() makes it a restart strategy. The host makes one object per service, and calls
// it on one thread of this library's own.
class Plugin {
  public:
    using Settings = policy::Settings;
    static constexpr auto kFields = policy::kFields;
    static constexpr sdk::About kAbout{
        .name = "plugin_name",
        .vendor = "Example",
        .version = STEWARD_PLUGIN_VERSION,  // of project() in CMakeLists.txt
        .license = "MIT",
        .url = "",
        .summary = "Restarts ever later, in equal steps, and lets an app end that is done."};

    Plugin(sdk::Host /*host*/, const Settings& settings) : settings_(settings) {}

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        return policy::decide(settings_, question);
    }

  private:
    Settings settings_;
};

}  // namespace

STEWARD_PLUGIN(plugin_name, Plugin)
