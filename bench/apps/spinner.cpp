// A restart strategy that computes for eight seconds, far beyond the time that it is waited for:
// what its question costs the loop that asked.
#include <steward/sdk.hpp>

#include <chrono>

namespace {
namespace sdk = steward::sdk;

class Spinner {
  public:
    struct Settings {};
    static constexpr std::array<sdk::Field<Settings>, 0> kFields{};
    static constexpr sdk::About kAbout{.name = "Spinner",
                                       .vendor = "Steward",
                                       .version = "1.0.0",
                                       .license = "MIT",
                                       .url = "",
                                       .summary = "Computes for eight seconds."};

    Spinner(sdk::Host /*host*/, const Settings& /*settings*/) {}

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        using Clock = std::chrono::steady_clock;
        const auto end = Clock::now() + std::chrono::seconds(8);
        volatile std::uint64_t rounds = question.events.size();
        while (rounds % 1'000'000 != 0 || Clock::now() < end) {
            rounds = rounds + 1;
        }
        return {STEWARD_STAY_DOWN, {}, "it has computed"};
    }
};

}  // namespace

STEWARD_PLUGIN(spinner, Spinner)
