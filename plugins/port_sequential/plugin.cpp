// port_sequential as a plugin; what it proposes is in policy.hpp.
#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

class PortSequential {
  public:
    struct Settings {};
    static constexpr std::array<sdk::Field<Settings>, 0> kFields{};
    static constexpr sdk::About kAbout{
        .name = "Ports in turn",
        .vendor = "Steward",
        .version = STEWARD_PLUGIN_VERSION,
        .license = "MIT",
        .url = "",
        .summary = "Proposes the wanted port and then the ports above it, one after the other."};

    PortSequential(sdk::Host /*host*/, const Settings& /*settings*/) {}

    [[nodiscard]] std::size_t propose(const sdk::PortRequest& request,
                                      std::span<std::uint16_t> out) const {
        return steward::port_sequential::propose(request, out);
    }
};

}  // namespace

STEWARD_PLUGIN(port_sequential, PortSequential)
