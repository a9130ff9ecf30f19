// What the core answers when a strategy does not: the numbers of the hardcoded defaults.
#include <algorithm>

#include "steward/core/plugin_strategies.hpp"
#include "steward/restart.h"

namespace steward::core {
namespace {

constexpr Duration kBase = std::chrono::milliseconds(250);
constexpr Duration kCap = std::chrono::seconds(30);
constexpr Duration kStable = std::chrono::seconds(60);
constexpr int kMaxRestarts = 5;
constexpr int kJitterPercent = 20;

}  // namespace

std::vector<std::uint16_t> fallback_ports(const PortQuestion& question, std::size_t count) {
    std::vector<std::uint16_t> ports;
    for (unsigned port = std::max(question.base, question.first);
         port <= question.last && ports.size() < count; ++port) {
        const auto candidate = static_cast<std::uint16_t>(port);
        if (!std::binary_search(question.excluded.begin(), question.excluded.end(), candidate)) {
            ports.push_back(candidate);
        }
    }
    return ports;
}

RestartAnswer fallback_restart(const RestartQuestion& question, std::uint64_t entropy) {
    int failures = 0;
    for (auto it = question.history.rbegin(); it != question.history.rend(); ++it) {
        if (it->kind == STEWARD_EV_MANUAL_STOP) {
            if (failures == 0) {
                return {DecisionAction::kStayDown, {}, "it was stopped on request"};
            }
            break;
        }
        if (it->kind == STEWARD_EV_MANUAL_START) {
            break;
        }
        ++failures;
        if (it->healthy_for >= kStable) {
            break;
        }
    }
    if (failures > kMaxRestarts) {
        return {DecisionAction::kGiveUp, {}, "5 restarts without 60 s of health"};
    }
    const int doublings = std::clamp(failures - 1, 0, 20);
    const Duration delay = std::min(kCap, kBase * (1 << doublings));
    const auto jitter =
        static_cast<Duration::rep>(entropy % (2 * kJitterPercent + 1)) - kJitterPercent;
    const Duration jittered = std::min(kCap, delay + delay / 100 * jitter);
    return {DecisionAction::kRestart, jittered,
            "restart " + std::to_string(failures) + " of " + std::to_string(kMaxRestarts) + " in " +
                std::to_string(to_ms(jittered)) + " ms"};
}

}  // namespace steward::core
