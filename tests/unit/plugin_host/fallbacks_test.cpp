// The built-in fallbacks: the numbers of the hardcoded defaults.
#include "catch.hpp"

#include "steward/core/plugin_strategies.hpp"
#include "steward/restart.h"

using namespace steward::core;
using namespace std::chrono_literals;
using Ports = std::vector<std::uint16_t>;

namespace {

HistoryEvent event(std::uint32_t kind, Duration healthy_for = {}) {
    HistoryEvent e;
    e.kind = kind;
    e.code = 1;
    e.healthy_for = healthy_for;
    return e;
}

RestartQuestion failures(int count) {
    RestartQuestion question;
    for (int i = 0; i < count; ++i) {
        question.history.push_back(event(STEWARD_EV_EXIT));
    }
    return question;
}

// The entropy that means no jitter.
constexpr std::uint64_t kMiddle = 20;

}  // namespace

TEST_CASE("the fallback restarts after 250 ms times a power of two, five times", "[fallback]") {
    const std::vector<std::int64_t> delays{250, 500, 1000, 2000, 4000};
    for (int i = 1; i <= 5; ++i) {
        const auto answer = fallback_restart(failures(i), kMiddle);
        CAPTURE(i);
        CHECK(answer.action == DecisionAction::kRestart);
        CHECK(to_ms(answer.delay) == delays[static_cast<std::size_t>(i - 1)]);
        CHECK(answer.why == "restart " + std::to_string(i) + " of 5 in " +
                                std::to_string(delays[static_cast<std::size_t>(i - 1)]) + " ms");
    }
    const auto sixth = fallback_restart(failures(6), kMiddle);
    CHECK(sixth.action == DecisionAction::kGiveUp);
    CHECK(sixth.why == "5 restarts without 60 s of health");
    CHECK(fallback_restart(failures(256), kMiddle).action == DecisionAction::kGiveUp);
}

TEST_CASE("the fallback's jitter is a fifth to either side and comes from the entropy",
          "[fallback]") {
    Duration least = Duration::max();
    Duration most{};
    for (std::uint64_t entropy = 0; entropy < 1000; ++entropy) {
        const auto delay = fallback_restart(failures(1), entropy).delay;
        least = std::min(least, delay);
        most = std::max(most, delay);
        CHECK(delay == fallback_restart(failures(1), entropy).delay);
    }
    CHECK(least == 200ms);
    CHECK(most == 300ms);
    CHECK(fallback_restart(failures(1), ~std::uint64_t{0}).delay <= 300ms);
}

TEST_CASE("60 s of health begin a new series for the fallback", "[fallback]") {
    auto question = failures(5);
    question.history.push_back(event(STEWARD_EV_EXIT, 60s));
    CHECK(to_ms(fallback_restart(question, kMiddle).delay) == 250);
    question.history.push_back(event(STEWARD_EV_HEALTH));
    CHECK(to_ms(fallback_restart(question, kMiddle).delay) == 500);

    auto shorter = failures(5);
    shorter.history.push_back(event(STEWARD_EV_EXIT, 59'999ms));
    CHECK(fallback_restart(shorter, kMiddle).action == DecisionAction::kGiveUp);
}

TEST_CASE("the fallback never answers a manual stop with a restart, and forgives before a start",
          "[fallback]") {
    auto question = failures(2);
    question.history.push_back(event(STEWARD_EV_MANUAL_STOP));
    const auto stopped = fallback_restart(question, kMiddle);
    CHECK(stopped.action == DecisionAction::kStayDown);
    CHECK(stopped.why == "it was stopped on request");
    question.history.push_back(event(STEWARD_EV_MANUAL_START));
    question.history.push_back(event(STEWARD_EV_SPAWN_FAILED));
    CHECK(to_ms(fallback_restart(question, kMiddle).delay) == 250);
}

TEST_CASE("the fallback proposes upwards from the base, without what is excluded", "[fallback]") {
    PortQuestion question{"127.0.0.1", 5000, 5000, 5004, {}, 1};
    CHECK(fallback_ports(question, 100) == Ports{5000, 5001, 5002, 5003, 5004});
    CHECK(fallback_ports(question, 2) == Ports{5000, 5001});
    CHECK(fallback_ports(question, 0).empty());
    question.excluded = {5000, 5003};
    CHECK(fallback_ports(question, 100) == Ports{5001, 5002, 5004});
    question.excluded = {5000, 5001, 5002, 5003, 5004};
    CHECK(fallback_ports(question, 100).empty());
    // It does not run over the end of the numbers.
    PortQuestion last{"127.0.0.1", 65534, 65534, 65535, {}, 1};
    CHECK(fallback_ports(last, 100) == Ports{65534, 65535});
    PortQuestion above{"127.0.0.1", 5003, 5000, 5004, {}, 1};
    CHECK(fallback_ports(above, 100) == Ports{5003, 5004});
}
