// A restart strategy over the C++ layer that uses what differs between builds of the standard
// library: strings, containers, exceptions. A decision is "1234 ms, layered: ...".
#include <steward/sdk.hpp>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace {
namespace sdk = steward::sdk;

class Layered {
  public:
    struct Settings {
        std::int64_t wait_ms = 1234;
    };
    static constexpr std::array kFields{
        sdk::integer("wait_ms", &Settings::wait_ms, {0, 3'600'000}, "The wait, in milliseconds."),
    };
    static constexpr sdk::About kAbout{.name = "Layered",
                                       .vendor = "Tests",
                                       .version = "1.0.0",
                                       .license = "MIT",
                                       .url = "",
                                       .summary = "Restarts after the same time each time."};

    Layered(sdk::Host /*host*/, const Settings& settings) : settings_(settings) {
        if (settings.wait_ms == 13) {
            throw std::runtime_error("thrown for 13 by " + std::string(100, 'x'));
        }
    }

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        const auto& last = question.events.back();
        if (last.kind == STEWARD_EV_MANUAL_STOP || last.kind == STEWARD_EV_MANUAL_START) {
            return {STEWARD_STAY_DOWN, {}, "asked to"};
        }
        if (settings_.wait_ms == 14) {
            throw std::out_of_range("fourteen is out of range");
        }
        std::map<std::string, std::vector<int>> counts;
        for (const auto& event : question.events) {
            counts["kind " + std::to_string(event.kind)].push_back(event.code);
        }
        return {STEWARD_RESTART, std::chrono::milliseconds(settings_.wait_ms),
                "layered: " + std::to_string(counts.size()) +
                    " kinds of events, so the answer is " + std::string(40, 'y')};
    }

  private:
    Settings settings_;
};

}  // namespace

STEWARD_PLUGIN(layered, Layered)
