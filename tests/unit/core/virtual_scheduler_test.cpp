// The virtual scheduler itself: every other test here relies on its order.
#include "steward/core/simulation/virtual_scheduler.hpp"

#include <string>
#include <vector>

#include "catch.hpp"

namespace steward::tests {

using namespace simulation;

using namespace std::chrono_literals;

TEST_CASE("tasks run in the order of posting, then timers by time and arming", "[scheduler]") {
    VirtualScheduler scheduler;
    std::string order;
    const auto now = scheduler.now();
    scheduler.arm(now + 2s, [&] { order += 'd'; });
    scheduler.arm(now + 1s, [&] { order += 'b'; });
    scheduler.arm(now + 1s, [&] {
        order += 'c';
        scheduler.post([&] { order += 'p'; });
    });
    scheduler.post([&] { order += 'a'; });
    CHECK(order.empty());
    scheduler.advance(3s);
    CHECK(order == "abcpd");
    CHECK(scheduler.now() == now + 3s);
}

TEST_CASE("a disarmed timer does not run, and a fired or unknown id is ignored", "[scheduler]") {
    VirtualScheduler scheduler;
    int runs = 0;
    const auto first = scheduler.arm(scheduler.now() + 1s, [&] { ++runs; });
    const auto second = scheduler.arm(scheduler.now() + 1s, [&] { ++runs; });
    scheduler.disarm(first);
    scheduler.advance(1s);
    CHECK(runs == 1);
    scheduler.disarm(second);
    scheduler.disarm(0);
    CHECK(scheduler.armed() == 0);
}

TEST_CASE("a timer armed in the past runs at once, without the time going back", "[scheduler]") {
    VirtualScheduler scheduler;
    const auto now = scheduler.now();
    bool ran = false;
    scheduler.arm(now - 5s, [&] { ran = true; });
    scheduler.run_ready();
    CHECK(ran);
    CHECK(scheduler.now() == now);
}

TEST_CASE("after a stall everything that was due runs late", "[scheduler]") {
    VirtualScheduler scheduler;
    const auto due = scheduler.now() + 1s;
    core::TimePoint ran_at{};
    scheduler.arm(due, [&] { ran_at = scheduler.now(); });
    scheduler.stall(10s);
    CHECK(ran_at == core::TimePoint{});
    scheduler.run_ready();
    CHECK(ran_at == due + 9s);
}

TEST_CASE("running until something happens stops there, or at the limit", "[scheduler]") {
    VirtualScheduler scheduler;
    int ticks = 0;
    std::function<void()> tick = [&] {
        ++ticks;
        scheduler.arm(scheduler.now() + 1s, tick);
    };
    tick();
    CHECK(scheduler.run_until([&] { return ticks == 5; }, 10s));
    const auto then = scheduler.now();
    CHECK_FALSE(scheduler.run_until([&] { return ticks == 100; }, 10s));
    CHECK(scheduler.now() == then + 10s);
    CHECK_FALSE(scheduler.run_until_idle(10s));
}

TEST_CASE("tasks that post themselves for ever are an error, not a hang", "[scheduler]") {
    VirtualScheduler scheduler;
    std::function<void()> again = [&] { scheduler.post(again); };
    scheduler.post(again);
    CHECK_THROWS(scheduler.run_ready());
}

TEST_CASE("a watched descriptor is called until it is unwatched", "[scheduler]") {
    VirtualScheduler scheduler;
    int calls = 0;
    scheduler.watch(7, core::Interest::kRead, [&](bool readable, bool) {
        calls += readable ? 1 : 0;
        scheduler.unwatch(7);
    });
    CHECK(scheduler.make_ready(7, true, false));
    CHECK_FALSE(scheduler.make_ready(7, true, false));
    CHECK(calls == 1);
}

}  // namespace steward::tests
