#include "sampler.hpp"

#include <chrono>
#include <string>

#include "catch.hpp"
#include "proc_fixture.hpp"

using namespace steward::metrics_proc;
using namespace std::chrono_literals;
using steward::sdk::TimePoint;
using steward::tests::ProcFixture;

namespace {

constexpr const char* kServiceTree = STEWARD_SOURCE_DIR "/tests/data/proc/service_tree";

bool never() {
    return false;
}

// A tree 1 → 2 on the fixture, with 2's CPU time in ticks.
struct OneProcess {
    ProcFixture proc;
    Sampler sampler{Units{}};
    TimePoint now{1000s};

    OneProcess() { proc.put({.pid = 1, .children = {2}}); }
    Sample sample(std::uint64_t ticks, std::chrono::nanoseconds later) {
        proc.put({.pid = 2, .parent = 1, .user = ticks, .start = 10'000});
        now += later;
        return sampler.sample(proc.root(), 1, now, never);
    }
};

}  // namespace

TEST_CASE("the figures of the service's tree are exact", "[metrics_proc]") {
    Sampler sampler(Units{4096, 100});
    const Sample sample = sampler.sample(kServiceTree, 100, TimePoint(5s), never);
    CHECK(sample.kind == Sample::Kind::kComplete);
    CHECK(sample.processes == 3);
    CHECK(sample.threads == 12 + 1 + 1);
    CHECK(sample.rss_bytes == (8000.0 + 1500 + 250) * 4096);
    CHECK(sample.descriptors == 9.0 + 4 + 3);
    // 101: 150 of its own and 50 inherited; the zombie: 3; 103: more than 32 bits.
    CHECK(sample.cpu_seconds == (200 + 3 + 9'000'000'050.0) / 100);
    // The oldest process started at 500.50 s, the machine is up for 1000.50 s.
    CHECK(sample.cpu_percent == Approx(100.0 * (9'000'000'253.0 / 100) / 500));
}

TEST_CASE("the share is that of the time since the last sample", "[metrics_proc]") {
    OneProcess tree;
    ProcFixture::write(tree.proc.root() + "/uptime", "200.00 0\n");
    // Started at 100 s, so 50 s in 100 s.
    CHECK(tree.sample(5000, 0s).cpu_percent == Approx(50));
    CHECK(tree.sample(5100, 10s).cpu_percent == Approx(10));
    CHECK(tree.sample(5100, 10s).cpu_percent == Approx(0));
    const Sample last = tree.sample(5400, 1s);
    CHECK(last.cpu_percent == Approx(300));
    CHECK(last.cpu_seconds == Approx(54));
}

TEST_CASE("without the time since boot the first sample has no share", "[metrics_proc]") {
    OneProcess tree;
    CHECK_FALSE(tree.sample(5000, 0s).cpu_percent);
    CHECK(tree.sample(5100, 10s).cpu_percent == Approx(10));
}

TEST_CASE("samples in quick succession repeat the share instead of amplifying a tick",
          "[metrics_proc]") {
    OneProcess tree;
    tree.sample(0, 0s);
    CHECK(tree.sample(100, 10s).cpu_percent == Approx(10));
    CHECK(tree.sample(101, 1ms).cpu_percent == Approx(10));
    CHECK(tree.sample(102, 0s).cpu_percent == Approx(10));
    CHECK(tree.sample(103, -5s).cpu_percent == Approx(10));
    CHECK(tree.sample(110, 15s).cpu_percent == Approx(1.0).margin(0.01));
}

TEST_CASE("a restarted app goes on with the counter and the share", "[metrics_proc]") {
    OneProcess tree;
    tree.sample(1000, 0s);
    tree.proc.put({.pid = 1, .children = {3}});
    tree.proc.put({.pid = 3, .parent = 1, .user = 50, .start = 20'000});
    const Sample after = tree.sampler.sample(tree.proc.root(), 1, tree.now + 10s, never);
    CHECK(after.cpu_seconds == Approx(10.5));
    CHECK(after.cpu_percent == Approx(5));
    CHECK(after.processes == 1);
}

TEST_CASE("another tree begins a new account", "[metrics_proc]") {
    OneProcess tree;
    tree.sample(1000, 0s);
    tree.proc.put({.pid = 5, .children = {6}});
    tree.proc.put({.pid = 6, .parent = 5, .user = 30});
    const Sample other = tree.sampler.sample(tree.proc.root(), 5, tree.now + 10s, never);
    CHECK(other.cpu_seconds == Approx(0.3));
}

TEST_CASE("an incomplete look says nothing of the CPU and does not disturb the account",
          "[metrics_proc]") {
    OneProcess tree;
    tree.sample(1000, 0s);
    int calls = 0;
    const Sample late =
        tree.sampler.sample(tree.proc.root(), 1, tree.now + 1s, [&] { return ++calls > 1; });
    CHECK(late.kind == Sample::Kind::kLate);
    CHECK_FALSE(late.cpu_seconds);
    CHECK_FALSE(late.cpu_percent);
    const Sample next = tree.sample(1100, 10s);
    CHECK(next.cpu_seconds == Approx(11));
    CHECK(next.cpu_percent == Approx(10));
}

TEST_CASE("a tree of zombies alone exists, an empty one has gone", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2}});
    proc.put({.pid = 2, .parent = 1, .state = 'Z', .user = 7});
    Sampler sampler(Units{});
    const Sample zombies = sampler.sample(proc.root(), 1, TimePoint(1s), never);
    CHECK(zombies.kind == Sample::Kind::kComplete);
    CHECK(zombies.processes == 0);
    CHECK(zombies.threads == 0);
    CHECK(zombies.cpu_seconds == Approx(0.07));
    proc.remove(2);
    CHECK(sampler.sample(proc.root(), 1, TimePoint(2s), never).kind == Sample::Kind::kGone);
    proc.remove(1);
    CHECK(sampler.sample(proc.root(), 1, TimePoint(3s), never).kind == Sample::Kind::kGone);
}
