// restart_backoff as a plugin; what it decides is in policy.hpp.
#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

class RestartBackoff {
  public:
    using Settings = steward::restart_backoff::Settings;
    static constexpr auto kFields = steward::restart_backoff::kFields;
    static constexpr sdk::About kAbout{
        .name = "Restart with exponential backoff",
        .vendor = "Steward",
        .version = STEWARD_PLUGIN_VERSION,
        .license = "MIT",
        .url = "",
        .summary =
            "Restarts a service that fails, ever later, and gives up after a number of "
            "restarts without a stable time in between.",
        .capabilities = STEWARD_CAP_UNLOADABLE | STEWARD_CAP_BACKOFF};

    RestartBackoff(sdk::Host /*host*/, const Settings& settings) : settings_(settings) {}

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        return steward::restart_backoff::decide(settings_, question);
    }

  private:
    Settings settings_;
};

}  // namespace

STEWARD_PLUGIN(restart_backoff, RestartBackoff)
