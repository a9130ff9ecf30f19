// restart_hours as a plugin; what it decides is in policy.hpp.
#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

class RestartHours {
  public:
    using Settings = examples::restart_hours::Settings;
    static constexpr auto kFields = examples::restart_hours::kFields;
    static constexpr sdk::About kAbout{
        .name = "Restarts by time of day",
        .vendor = "Steward examples",
        .version = STEWARD_PLUGIN_VERSION,
        .license = "MIT",
        .url = "",
        .summary = "Has one budget of restarts for the day and another for the night."};

    RestartHours(sdk::Host /*host*/, const Settings& settings) : hours_(settings) {}

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        return hours_.decide(question);
    }

  private:
    examples::restart_hours::Hours hours_;
};

}  // namespace

STEWARD_PLUGIN(restart_hours, RestartHours)
