// A build of the program with plugins linked in, two of them as its defaults
// (cmake/StewardStaticPlugins.cmake). What they do is tested as it is for the shared ones:
// examples_test.cpp runs against this program too.
#include <filesystem>
#include <fstream>

#include "bed.hpp"
#include "catch.hpp"

namespace steward::tests {
namespace {

// Files of plugins that are mapped into the process.
Arguments loaded_plugins(pid_t pid) {
    Arguments found;
    std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
    REQUIRE(maps);
    for (std::string line; std::getline(maps, line);) {
        if (line.find("/steward_") != std::string::npos) {
            found.push_back(line);
        }
    }
    return found;
}

}  // namespace

TEST_CASE("a custom build supervises with its own defaults and loads no plugin") {
    const auto base = free_port(4);
    StewardStart start;
    start.port = base;
    Bed bed({"--port-tries", "4", "--set", "port_pool.ports=" + std::to_string(base + 2), "--set",
             "restart_hours.delay_ms=10"},
            test_app(), start);
    const Json status = bed.wait_healthy();
    CHECK(number_at(status, "port") == base + 2);
    CHECK_THAT(text_at(status, "plugins.port"), Catch::StartsWith("port_pool "));
    CHECK_THAT(text_at(status, "plugins.restart"), Catch::StartsWith("restart_hours "));
    CHECK_THAT(text_at(status, "plugins.health"), Catch::StartsWith("health_http "));
    CHECK_THAT(text_at(status, "plugins.metrics"), Catch::StartsWith("metrics_proc "));
    // A decision was made, a probe too.
    REQUIRE(kill(static_cast<pid_t>(number_at(status, "pid")), SIGKILL) == 0);
    bed.wait_healthy(2);
    CHECK_THAT(text_at(bed.wait_event("service.restart_scheduled"), "cause"),
               Catch::Contains("restart 1 of"));
    CHECK(loaded_plugins(bed.steward().pid()) == Arguments{});
    CHECK(bed.end().code == 0);
}

TEST_CASE("a custom build lists what is built in") {
    const Sandbox sandbox;
    const auto output = run_steward(sandbox, {"plugins"});
    CHECK(output.code == 0);
    CHECK_THAT(output.out, Catch::Contains("restart_hours 1.0.0  steward.restart/1"));
    CHECK_THAT(output.out, Catch::Contains("\n  built in\n"));
    CHECK_THAT(output.out, !Catch::Contains("next to the program"));
    const auto help = run_steward(sandbox, {"run", "--help"});
    CHECK_THAT(help.out, Catch::Contains("Restart strategy [restart_hours]") &&
                             Catch::Contains("[port_pool]"));
}

TEST_CASE("a custom build's other plugins are loaded as ever") {
    const Sandbox sandbox;
    const auto output = run_steward(sandbox, {"check", "--restart", "restart_nobody"});
    CHECK(output.code == 2);
    CHECK_THAT(output.out + output.err, Catch::Contains("restart_nobody: no such plugin"));
}

}  // namespace steward::tests
