// thrower: a policy written with the SDK that throws where its setting says.
#include <array>
#include <stdexcept>
#include <string>

#include <steward/sdk.hpp>

namespace {

namespace sdk = steward::sdk;

class Thrower {
  public:
    struct Settings {
        std::string where = "decide";
    };
    static constexpr std::array kFields{
        sdk::text("where", &Settings::where, "The function that throws.")};
    static constexpr sdk::About kAbout{.name = "Thrower",
                                       .vendor = "Tests",
                                       .version = "1.0.0",
                                       .license = "MIT",
                                       .url = "",
                                       .summary = "Throws."};

    Thrower(sdk::Host /*host*/, const Settings& settings) : settings_(settings) {
        if (settings_.where == "create") {
            throw std::runtime_error("thrown by create");
        }
    }

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& /*question*/) const {
        if (settings_.where == "number") {
            throw 42;  // NOLINT: what is no std::exception must be caught too
        }
        throw std::runtime_error("thrown by decide");
    }

  private:
    Settings settings_;
};

}  // namespace

STEWARD_PLUGIN(thrower, Thrower)
