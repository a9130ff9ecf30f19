// A restart strategy whose answers are right, and that reads beyond its memory (FAULT_OVERREAD) or
// lets a signed number overflow (FAULT_OVERFLOW) on the way.
#include <steward/sdk.hpp>

#include <memory>

namespace {
namespace sdk = steward::sdk;

class Faulty {
  public:
    struct Settings {};
    static constexpr std::array<sdk::Field<Settings>, 0> kFields{};
    static constexpr sdk::About kAbout{.name = "Faulty",
                                       .vendor = "Tests",
                                       .version = STEWARD_PLUGIN_VERSION,
                                       .license = "MIT",
                                       .url = "",
                                       .summary = "Stays down."};

    Faulty(sdk::Host /*host*/, const Settings& /*settings*/) {}

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        volatile std::size_t count = question.events.size();
#ifdef FAULT_OVERREAD
        const auto kinds = std::make_unique<std::uint32_t[]>(count);
        volatile std::uint32_t beyond = kinds[count];
        (void)beyond;
#endif
#ifdef FAULT_OVERFLOW
        volatile int most = 2'147'483'647;
        most = most + static_cast<int>(count);
#endif
        return {STEWARD_STAY_DOWN, {}, "it never restarts"};
    }
};

}  // namespace

STEWARD_PLUGIN(faulty, Faulty)
