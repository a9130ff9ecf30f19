// The life of a probe: exactly one done, also when it is cancelled or its instance destroyed; and
// the settings.
#include <random>
#include <set>
#include <stdexcept>
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

void check_cancelled(ProbeBench& bench, steward_token probe) {
    REQUIRE(bench.of(probe).size() == 1);
    CHECK(bench.of(probe)[0].verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(probe)[0].status == STEWARD_E_CANCELLED);
    CHECK_FALSE(bench.of(probe)[0].inside_start);
}

// Nothing comes any more, whatever the clock does.
void check_at_rest(ProbeBench& bench, std::size_t done) {
    bench.host.advance(10s);
    CHECK(bench.done() == done);
    CHECK(bench.host.watched() == 0);
    CHECK(bench.host.armed() == 0);
    CHECK(bench.host.offences() == std::vector<std::string>{});
}

}  // namespace

TEST_CASE("a probe can be cancelled at any moment and is done once", "[health_http]") {
    ScriptedHttpServer server(script::stall_after("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"));
    ProbeBench bench;
    REQUIRE(bench.start(7, server.address(), server.port()) == STEWARD_OK);
    SECTION("before the connection is noticed") {}
    SECTION("when the request is sent") {
        REQUIRE(bench.host.run_until([&] { return server.wait_requests(1, 0ms); }));
    }
    SECTION("within the body") {
        REQUIRE(bench.host.run_until([&] { return server.wait_holding(1, 0ms); }));
        bench.host.run_ready();
    }
    SECTION("just before the deadline") {
        bench.host.advance(1999ms);
    }
    bench.cancel(7);
    check_cancelled(bench, 7);
    bench.cancel(7);
    check_at_rest(bench, 1);
}

TEST_CASE("cancelling a probe that is done, unknown or never was does nothing", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench;
    bench.cancel(1);
    REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
    REQUIRE(bench.wait_done(1));
    bench.cancel(1);
    bench.cancel(0);
    bench.cancel(99);
    CHECK(bench.of(1)[0].verdict == STEWARD_HEALTHY);
    check_at_rest(bench, 1);
}

TEST_CASE("a probe that could not begin can be cancelled too", "[health_http]") {
    ProbeBench bench;
    REQUIRE(bench.start(1, "localhost", 80) == STEWARD_OK);
    bench.cancel(1);
    check_cancelled(bench, 1);
    check_at_rest(bench, 1);
}

TEST_CASE("destroying the instance completes what is in flight before it returns",
          "[health_http]") {
    ScriptedHttpServer server(script::black_hole());
    ProbeBench bench;
    for (steward_token probe = 1; probe <= 10; ++probe) {
        REQUIRE(bench.start(probe, server.address(), server.port()) == STEWARD_OK);
    }
    REQUIRE(bench.host.run_until([&] { return server.wait_requests(5, 0ms); }));
    REQUIRE(bench.start(11, "no.literal", 80) == STEWARD_OK);
    bench.plugin.destroy();
    CHECK(bench.done() == 11);
    for (steward_token probe = 1; probe <= 11; ++probe) {
        check_cancelled(bench, probe);
    }
    check_at_rest(bench, 11);
    CHECK(server.wait_ended(10));
}

TEST_CASE("a probe id that is in flight is refused, and free again afterwards", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench;
    REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
    CHECK(bench.start(1, server.address(), server.port()) == STEWARD_E_INVALID);
    CHECK(bench.error == "probe 1 is in flight already");
    REQUIRE(bench.wait_done(1));
    CHECK(bench.start(1, server.address(), server.port()) == STEWARD_OK);
    REQUIRE(bench.wait_done(2));
    check_at_rest(bench, 2);
}

TEST_CASE("done may start and cancel probes", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    struct Chain {
        FakePluginHost host{Clock::kVirtual};
        PluginUnderTest plugin{host, steward_plugin_entry_health_http, "{}"};
        std::string address;
        std::uint16_t port = 0;
        steward_token last = 0;
        int cancelled = 0;

        void start(steward_token probe) {
            steward_health_request request{};
            request.size = sizeof request;
            request.probe = probe;
            request.deadline = host.now() + 2'000'000'000;
            request.address = {address.data(), address.size()};
            request.port = port;
            REQUIRE(plugin.health().start(plugin.instance(), &request, &on_done, this, nullptr) ==
                    STEWARD_OK);
        }
        static void on_done(void* ud, steward_token probe, const steward_health_result* result) {
            auto& chain = *static_cast<Chain*>(ud);
            chain.last = probe;
            chain.cancelled += result->status == STEWARD_E_CANCELLED ? 1 : 0;
            chain.plugin.health().cancel(chain.plugin.instance(), probe);
            if (probe < 5) {
                chain.start(probe + 1);
            } else if (probe == 5) {
                chain.start(6);
                chain.plugin.health().cancel(chain.plugin.instance(), 6);
            }
        }
    } chain;
    chain.address = server.address();
    chain.port = server.port();
    chain.start(1);
    REQUIRE(chain.host.run_until([&] { return chain.last == 6; }));
    CHECK(chain.cancelled == 1);
    CHECK(chain.host.watched() == 0);
    CHECK(chain.host.armed() == 0);
}

TEST_CASE("two thousand random starts and cancels are each done once", "[health_http]") {
    ScriptedHttpServer server([](std::size_t connection) {
        return connection % 3 == 0 ? script::black_hole() : script::respond(200, kHealthy);
    });
    ProbeBench bench;
    std::mt19937 random(46);
    std::set<steward_token> in_flight;
    steward_token next = 1;
    while (next <= 2000) {
        if (in_flight.size() < 64 && random() % 3 != 0) {
            REQUIRE(bench.start(next, server.address(), server.port()) == STEWARD_OK);
            in_flight.insert(next++);
        } else if (!in_flight.empty()) {
            const auto victim = in_flight.lower_bound(1 + random() % next);
            bench.cancel(victim == in_flight.end() ? *in_flight.begin() : *victim);
        }
        if (random() % 8 == 0) {
            bench.host.run_ready();
        }
        std::erase_if(in_flight, [&](steward_token probe) { return !bench.of(probe).empty(); });
    }
    bench.host.advance(3s);
    CHECK(bench.done() == 2000);
    for (steward_token probe = 1; probe <= 2000; ++probe) {
        if (bench.of(probe).size() != 1) {
            FAIL("probe " << probe << " was done " << bench.of(probe).size() << " times");
        }
    }
    check_at_rest(bench, 2000);
}

TEST_CASE("settings that cannot be used are refused by name", "[health_http]") {
    struct Refused {
        std::string json;
        std::string begins;
    };
    const auto refused = GENERATE(values<Refused>({
        {R"({"path": "health"})", "path: must begin with a slash (got \"health\")"},
        {R"({"path": ""})", "path: must begin with a slash"},
        {R"({"path": "/a b"})", "path: must be printable ASCII"},
        {R"({"path": "/a\r\nX: y"})", "path: must be printable ASCII"},
        {R"({"path": "/\u00fc"})", "path: must be printable ASCII"},
        {"{\"path\": \"/" + std::string(1024, 'a') + "\"}",
         "path: must be at most 1024 bytes (got 1025)"},
        {R"({"path": 5})", "path: "},
        {R"({"pointer": "status"})", "pointer: must be empty or a JSON pointer"},
        {R"({"pointer": "/~2"})", "pointer: must be empty or a JSON pointer"},
        {R"({"expect_status": 99})", "expect_status: must be >= 100 (got 99)"},
        {R"({"expect_status": 600})", "expect_status: must be <= 599 (got 600)"},
        {R"({"expect_status": "200"})", "expect_status: "},
        {R"({"expected": 200})", "expected: "},
    }));
    INFO(refused.json);
    FakePluginHost host(Clock::kVirtual);
    try {
        const PluginUnderTest plugin(host, steward_plugin_entry_health_http, refused.json);
        FAIL("accepted");
    } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()).substr(0, refused.begins.size()) == refused.begins);
    }
}

TEST_CASE("without a reactor there is no instance", "[health_http]") {
    FakePluginHost host(Clock::kVirtual);
    host.hide_reactor();
    CHECK_THROWS_WITH(PluginUnderTest(host, steward_plugin_entry_health_http, "{}"),
                      Catch::Contains("steward.host.reactor/1"));
}
