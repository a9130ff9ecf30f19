// Restart: decisions about failures.
#include <algorithm>
#include <array>

#include "check.hpp"
#include "strategies.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr steward_ns kMs = 1'000'000;
constexpr steward_ns kSecond = 1000 * kMs;
constexpr steward_ns kDay = 24 * 3600 * kSecond;

// Any history that a host could show: times that do not fall, uptimes that fit between them.
RestartQuestion random_question(Random& random) {
    RestartQuestion question;
    const std::size_t count = 1 + random.below(256);
    steward_ns now = static_cast<steward_ns>(random.below(std::uint64_t(10) * kDay));
    for (std::size_t i = 0; i < count; ++i) {
        const auto pause = static_cast<steward_ns>(
            random.below(random.one_in(4) ? std::uint64_t(2) * kDay : std::uint64_t(5) * kSecond));
        now += pause;
        steward_event event{};
        event.kind = static_cast<std::uint32_t>(random.below(7));
        event.code = static_cast<std::int32_t>(random.below(256));
        event.at = now;
        event.uptime = static_cast<steward_ns>(random.below(static_cast<std::uint64_t>(pause) + 1));
        event.healthy_for =
            static_cast<steward_ns>(random.below(static_cast<std::uint64_t>(event.uptime) + 1));
        question.events.push_back(event);
    }
    question.now = now + static_cast<steward_ns>(random.below(std::uint64_t(kSecond)));
    question.entropy = random.next();
    question.total_restarts = random.below(1000);
    return question;
}

std::string to_text(const RestartQuestion& question) {
    const steward_event& last = question.events.back();
    return std::to_string(question.events.size()) + " events, the last of kind " +
           std::to_string(last.kind) + " with code " + std::to_string(last.code);
}

void restart_total(Trial& trial) {
    constexpr int kQuestions = 20'000;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (int i = 0; i < kQuestions; ++i) {
            const auto question = random_question(trial.random());
            const auto decided = decide(instance, question);
            const bool valid = decided.status == STEWARD_OK && decided.action >= STEWARD_RESTART &&
                               decided.action <= STEWARD_GIVE_UP &&
                               (decided.action != STEWARD_RESTART ||
                                (decided.delay >= 0 && decided.delay <= kDay));
            require(valid, to_text(question) + ": " + compliance::to_text(decided) +
                               "; expected an action, with a delay of 0 to one day");
        }
    }
}

constexpr std::array kChecks{
    Check{68, "restart-total", Level::kMust, STEWARD_IFACE_RESTART,
          "every history of events gets a valid action, and RESTART a delay from 0 to one day",
          "a question that is not answered, or with a delay that no clock can wait for, is "
          "answered by the host's fallback: the policy that the user chose is not in force",
          "give every kind of event an answer, and bound the delay after the last calculation "
          "with it",
          20s, &restart_total},
};

}  // namespace

const std::span<const Check> kRestartChecks{kChecks};

}  // namespace steward::compliance
