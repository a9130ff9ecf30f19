// port_pool as a plugin; what it proposes is in policy.hpp.
#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;
using examples::port_pool::Pool;

class PortPool {
  public:
    struct Settings {
        std::string ports = "1-65535";
    };
    static constexpr std::array kFields{
        sdk::text("ports", &Settings::ports,
                  "The pool, best first: ports and ranges, such as 8100-8110,9000."),
    };
    static constexpr sdk::About kAbout{
        .name = "Fixed pool of ports",
        .vendor = "Steward examples",
        .version = STEWARD_PLUGIN_VERSION,
        .license = "MIT",
        .url = "",
        .summary = "Proposes the ports of a fixed pool that lie in the host's range."};

    PortPool(sdk::Host /*host*/, const Settings& settings) : pool_(Pool::parse(settings.ports)) {}

    [[nodiscard]] std::size_t propose(const sdk::PortRequest& request,
                                      std::span<std::uint16_t> out) const {
        return pool_.propose(request, out);
    }

  private:
    Pool pool_;
};

}  // namespace

STEWARD_PLUGIN(port_pool, PortPool)
