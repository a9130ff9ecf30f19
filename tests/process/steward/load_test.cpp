// Many restarts under load: clients are never refused, and nothing piles up.
#include <csignal>
#include <utility>

#include "bed.hpp"
#include "catch.hpp"
#include "load.hpp"

namespace steward::tests {
namespace {

constexpr int kRestarts = 50;
constexpr std::chrono::seconds kBound{60};

}  // namespace

TEST_CASE(
    "fifty crashes under load: no connection is refused, the port stays, and nothing piles up") {
    Bed bed(settings({"restart_backoff.base_ms=5", "restart_backoff.cap_ms=5",
                      "restart_backoff.jitter_percent=0", "restart_backoff.max_restarts=200"}));
    // The first restart brings what is made when it is first needed.
    REQUIRE(::kill(static_cast<pid_t>(number_at(bed.wait_healthy(), "pid")), SIGKILL) == 0);
    const Json before = bed.wait_healthy(2);
    const auto port = static_cast<std::uint16_t>(number_at(before, "port"));
    const pid_t steward = bed.steward().pid();
    const pid_t guardian = bed.steward().guardian();
    const Resources of_steward = settled_resources(steward);
    const Resources of_guardian = settled_resources(guardian);

    const auto began = Clock::now();
    Load load(port, "/pid");
    for (int i = 0; i < kRestarts; ++i) {
        const Json healthy = bed.wait_healthy(2 + i);
        REQUIRE(number_at(healthy, "port") == port);
        REQUIRE(::kill(static_cast<pid_t>(number_at(healthy, "pid")), SIGKILL) == 0);
    }
    const Json after = bed.wait_healthy(2 + kRestarts);
    const auto ends = load.finish();
    CHECK(Clock::now() - began < kBound);

    int requests = 0;
    for (const auto& [end, count] : ends) {
        UNSCOPED_INFO(end << ": " << count);
        requests += count;
    }
    CHECK(ends.count("refused") == 0);
    CHECK(ends.count("late") == 0);
    REQUIRE(ends.count("200") == 1);
    // What the dying app had accepted ends early; the rest is answered.
    CHECK(ends.at("200") >= requests - kRestarts * Load::kClients);
    CHECK(ends.at("200") >= kRestarts);
    CHECK(number_at(after, "restarts") == 1 + kRestarts);
    CHECK(number_at(after, "port") == port);
    CHECK(bed.steward().guardian() == guardian);

    for (const auto& [pid, at_first] :
         {std::pair(steward, of_steward), std::pair(guardian, of_guardian)}) {
        const Resources now = settled_resources(pid);
        CHECK(now.descriptors == at_first.descriptors);
        CHECK(now.threads == at_first.threads);
    }
    CHECK(bed.end().code == 0);
    CHECK(bed.nothing_left(Milliseconds(1000)));
}

}  // namespace steward::tests
