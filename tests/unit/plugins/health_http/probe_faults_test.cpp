// Probes that cannot be made: UNKNOWN, never UNHEALTHY; and nothing is left behind.
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "catch.hpp"
#include "probe_bench.hpp"
#include "scripted_http_server.hpp"

using namespace steward::tests;
using namespace std::chrono_literals;
using Clock = FakePluginHost::Clock;

namespace {

constexpr const char* kHealthy = R"({"status": "healthy"})";

std::size_t open_descriptors() {
    DIR* dir = opendir("/proc/self/fd");
    REQUIRE(dir != nullptr);
    std::size_t count = 0;
    while (const dirent* entry = readdir(dir)) {
        count += entry->d_name[0] == '.' ? 0U : 1U;
    }
    closedir(dir);
    return count;
}

// While it lives, no descriptor can be opened: the limit is the lowest free number.
class NoDescriptors {
  public:
    NoDescriptors() {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const int lowest_free = fcntl(0, F_DUPFD_CLOEXEC, 0);
        REQUIRE(lowest_free >= 0);
        close(lowest_free);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(lowest_free);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    }
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("a target that cannot be probed is unknown", "[health_http]") {
    struct Target {
        std::string address;
        std::uint16_t port;
        std::string detail;
    };
    const auto target = GENERATE(values<Target>({
        {"localhost", 80,
         R"(GET /health: not probed: "localhost" is not a literal IPv4 or IPv6 address)"},
        {"/run/app.sock", 80,
         R"(GET /health: not probed: "/run/app.sock" is not a literal IPv4 or IPv6 address)"},
        {"", 80, R"(GET /health: not probed: "" is not a literal IPv4 or IPv6 address)"},
        {"127.0.0.1", 0, "GET /health: not probed: the service has no port"},
    }));
    ProbeBench bench;
    REQUIRE(bench.start(1, target.address, target.port) == STEWARD_OK);
    CHECK(bench.done() == 0);
    bench.host.run_ready();
    REQUIRE(bench.done() == 1);
    const Report report = bench.of(1)[0];
    CHECK(report.verdict == STEWARD_UNKNOWN);
    CHECK(report.status == STEWARD_E_UNSUPPORTED);
    CHECK(report.detail == target.detail);
    CHECK_FALSE(report.inside_start);
    CHECK(bench.host.armed() == 0);
}

TEST_CASE("a probe whose deadline has passed asks nobody", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench;
    REQUIRE(bench.start(1, server.address(), server.port(), 0ms) == STEWARD_OK);
    bench.host.run_ready();
    REQUIRE(bench.done() == 1);
    CHECK(bench.of(1)[0].verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(1)[0].status == STEWARD_E_TIMEOUT);
    CHECK(server.connections() == 0);
}

TEST_CASE("without a descriptor the verdict is unknown, and the next probe works again",
          "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench;
    {
        const NoDescriptors none;
        REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
        bench.host.run_ready();
    }
    REQUIRE(bench.done() == 1);
    CHECK(bench.of(1)[0].verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(1)[0].status == STEWARD_E_IO);
    CHECK(bench.of(1)[0].detail == "GET /health: not probed: Too many open files");
    REQUIRE(bench.start(2, server.address(), server.port()) == STEWARD_OK);
    REQUIRE(bench.wait_done(2));
    CHECK(bench.of(2)[0].verdict == STEWARD_HEALTHY);
}

TEST_CASE("when the reactor refuses, start fails and done never comes", "[health_http]") {
    const char* call = GENERATE("watch_fd", "arm");
    INFO(call);
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench;
    const std::size_t before = open_descriptors();
    bench.host.fail(call, STEWARD_E_NOMEM);
    CHECK(bench.start(1, server.address(), server.port()) == STEWARD_E_NOMEM);
    CHECK_FALSE(bench.error.empty());
    bench.host.advance(10s);
    CHECK(bench.done() == 0);
    CHECK(bench.host.watched() == 0);
    CHECK(bench.host.armed() == 0);
    bench.host.fail(call, STEWARD_OK);
    REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
    REQUIRE(bench.wait_done(1));
    CHECK(bench.of(1)[0].verdict == STEWARD_HEALTHY);
    CHECK(server.wait_ended(server.connections()));
    CHECK(open_descriptors() == before);
}

TEST_CASE("when the reactor refuses in mid-probe the verdict is unknown", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench;
    REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
    bench.host.fail("watch_fd", STEWARD_E_INTERNAL);
    REQUIRE(bench.wait_done(1));
    CHECK(bench.of(1)[0].verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(1)[0].status == STEWARD_E_INTERNAL);
    CHECK(bench.host.watched() == 0);
    CHECK(bench.host.armed() == 0);
}

TEST_CASE("a thousand probes leave no descriptor and no timer", "[health_http]") {
    ScriptedHttpServer server([](std::size_t connection) {
        switch (connection % 4) {
            case 0:
                return script::respond(200, kHealthy);
            case 1:
                return script::reset_after({});
            case 2:
                return script::close_after_request();
            default:
                return script::raw("nonsense\r\n\r\n");
        }
    });
    ProbeBench bench;
    const std::size_t before = open_descriptors();
    for (steward_token probe = 1; probe <= 1000; ++probe) {
        REQUIRE(bench.start(probe, server.address(), server.port()) == STEWARD_OK);
        if (probe % 10 == 0) {
            REQUIRE(bench.wait_done(probe));
        }
    }
    CHECK(server.wait_ended(1000));
    CHECK(open_descriptors() == before);
    CHECK(bench.host.armed() == 0);
    CHECK(bench.host.offences() == std::vector<std::string>{});
}
