// Load and ABI: what can be told of a library before anything in it is called.
#include <array>

#include "check.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

void load_now(Trial& trial) {
    try {
        (void)trial.library();
    } catch (const Unusable& e) {
        // What its entry says is for abi-magic-version.
        if (e.reason.find("its entry") == std::string::npos) {
            broken(e.reason);
        }
    }
}

constexpr std::array kChecks{
    Check{1, "load-now", Level::kMust, "",
          "the file loads with RTLD_NOW and RTLD_LOCAL, every symbol resolved, and exports "
          "steward_plugin_entry",
          "a library with an undefined symbol loads lazily and ends the whole supervisor at its "
          "first call",
          "link with -Wl,-z,defs as steward_add_plugin() does, and link the library that is "
          "missing",
          5s, &load_now},
};

}  // namespace

const std::span<const Check> kLoadChecks{kChecks};

}  // namespace steward::compliance
