// plugin_name as a plugin of Steward; what it proposes is in policy.hpp.
#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

// The member propose() makes it a port strategy. The host makes one object per service, and calls
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
        .summary = "Proposes the wanted port, then those above it that browsers open."};

    // What the table of settings cannot say is checked here: wrong ports are refused before
    // anything is started.
    Plugin(sdk::Host /*host*/, const Settings& settings)
        : avoid_(policy::parse_ports(settings.avoid)) {}

    [[nodiscard]] std::size_t propose(const sdk::PortRequest& request,
                                      std::span<std::uint16_t> out) const {
        return policy::propose(request, avoid_, out);
    }

  private:
    std::vector<std::uint16_t> avoid_;
};

}  // namespace

STEWARD_PLUGIN(plugin_name, Plugin)
