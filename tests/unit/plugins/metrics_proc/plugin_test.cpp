// metrics_proc through its C interface, on pictures of /proc.
#include <cmath>
#include <string>

#include "catch.hpp"
#include "metrics_bench.hpp"
#include "proc_fixture.hpp"

using namespace steward::tests;
using namespace std::chrono_literals;

namespace {

constexpr const char* kServiceTree = STEWARD_SOURCE_DIR "/tests/data/proc/service_tree";

}  // namespace

TEST_CASE("each series is emitted once, with kind, unit and help", "[metrics_proc]") {
    MetricsBench bench;
    REQUIRE(bench.sample(kServiceTree, 100) == STEWARD_OK);
    CHECK(bench.emitted == 6);
    REQUIRE(bench.series.size() == 6);
    CHECK(bench.value("processes") == 3);
    CHECK(bench.value("threads") == 14);
    CHECK(bench.value("fds") == 16);
    CHECK(bench.value("rss_bytes") == 9750.0 * static_cast<double>(sysconf(_SC_PAGESIZE)));
    CHECK(bench.series["cpu_seconds_total"].kind == STEWARD_COUNTER);
    CHECK(bench.series["cpu_seconds_total"].unit == "seconds");
    CHECK(bench.series["cpu_percent"].kind == STEWARD_GAUGE);
    CHECK(bench.series["cpu_percent"].unit == "percent");
    CHECK(bench.series["rss_bytes"].unit == "bytes");
    for (const auto& [name, series] : bench.series) {
        INFO(name);
        CHECK_FALSE(series.help.empty());
        CHECK(std::isfinite(series.value));
        CHECK(series.value >= 0);
    }
}

TEST_CASE("a tree that does not exist has gone and emits nothing", "[metrics_proc]") {
    MetricsBench bench;
    CHECK(bench.sample(kServiceTree, 12345) == STEWARD_E_GONE);
    CHECK(bench.sample(kServiceTree, 200) == STEWARD_E_GONE);
    CHECK(bench.emitted == 0);
}

TEST_CASE("descriptors that may not be counted are left out rather than wrong", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2}});
    proc.put({.pid = 2, .parent = 1});
    std::filesystem::permissions(proc.folder(2) / "fd", std::filesystem::perms::none);
    MetricsBench bench;
    const bool root = geteuid() == 0;
    if (root) {
        REQUIRE(seteuid(65534) == 0);
    }
    const steward_status status = bench.sample(proc.root(), 1);
    if (root) {
        REQUIRE(seteuid(0) == 0);
    }
    std::filesystem::permissions(proc.folder(2) / "fd", std::filesystem::perms::owner_all);
    CHECK(status == STEWARD_OK);
    CHECK(bench.series.count("fds") == 0);
    CHECK(bench.value("processes") == 1);
}

TEST_CASE("at the deadline the sample ends, and what was seen is emitted", "[metrics_proc]") {
    const ProcFixture proc;
    FixtureProcess root{.pid = 1};
    for (int pid = 2; pid <= 51; ++pid) {
        root.children.push_back(pid);
        proc.put({.pid = pid, .parent = 1, .descriptors = 2});
    }
    proc.put(root);
    MetricsBench bench(FakePluginHost::Clock::kVirtual);
    CHECK(bench.sample(proc.root(), 1) == STEWARD_OK);
    CHECK(bench.value("processes") == 50);
    // The root and each process take 1 ms: when the twentieth is over, the root and 19 others have
    // been seen.
    bench.host.advance_at_each_reading(1ms);
    CHECK(bench.sample(proc.root(), 1, 21ms) == STEWARD_E_TIMEOUT);
    CHECK(bench.value("processes") == 19);
    CHECK(bench.value("fds") == 38);
    CHECK(bench.series.count("cpu_percent") == 0);
    CHECK(bench.series.count("cpu_seconds_total") == 0);
    // Nothing was seen, so nothing is said.
    CHECK(bench.sample(proc.root(), 1, 1ms) == STEWARD_E_TIMEOUT);
    CHECK(bench.emitted == 0);
}

TEST_CASE("there are no settings", "[metrics_proc]") {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    CHECK_THROWS_WITH(
        PluginUnderTest(host, steward_plugin_entry_metrics_proc, R"({"interval": 1})"),
        Catch::Contains("interval"));
}

TEST_CASE("the plugin's file does the same as the code that is linked in", "[metrics_proc]") {
    const LoadedLibrary library("metrics_proc");
    MetricsBench bench(FakePluginHost::Clock::kReal, library.entry());
    REQUIRE(bench.sample(kServiceTree, 100) == STEWARD_OK);
    CHECK(bench.value("processes") == 3);
}
