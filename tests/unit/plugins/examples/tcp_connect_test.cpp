// tcp_connect: its pure parts, and its probes on a fake host and real sockets.
#include "../../../../plugins/examples/tcp_connect/script.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <random>

#include "../health_http/probe_bench.hpp"
#include "catch.hpp"
#include "scripted_http_server.hpp"

extern "C" const steward_entry steward_plugin_entry_tcp_connect;

using namespace steward::tests;
using namespace std::chrono_literals;
using examples::tcp_connect::unescaped;
using Clock = FakePluginHost::Clock;

namespace {

constexpr const char* kGreeted = R"({"expect": "220 "})";

struct TcpBench : ProbeBench {
    explicit TcpBench(std::string_view settings = "{}", Clock clock = Clock::kVirtual)
        : ProbeBench(clock, settings, steward_plugin_entry_tcp_connect) {}

    Report probe(std::string_view address, std::uint16_t port) {
        REQUIRE(start(1, address, port) == STEWARD_OK);
        REQUIRE(wait_done(1));
        check_at_rest(1);
        return of(1).front();
    }
    // Nothing comes any more, whatever the clock does, and nothing is left behind.
    void check_at_rest(std::size_t count) {
        host.advance(10s);
        CHECK(done() == count);
        CHECK(host.watched() == 0);
        CHECK(host.armed() == 0);
        CHECK(host.offences() == std::vector<std::string>{});
    }
};

Script says(std::string text) {
    return {{Step::Kind::kSend, std::move(text)}, {Step::Kind::kHold}};
}

std::string at(const ScriptedHttpServer& server) {
    return server.address() + ":" + std::to_string(server.port());
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

TEST_CASE("a service that accepts is healthy", "[tcp_connect]") {
    const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
    ScriptedHttpServer server(says(""), family);
    TcpBench bench;
    const auto report = bench.probe(server.address(), server.port());
    CHECK(report.verdict == STEWARD_HEALTHY);
    CHECK(report.status == STEWARD_OK);
    CHECK_THAT(report.detail, Catch::EndsWith(":" + std::to_string(server.port()) + ": connected"));
    CHECK_FALSE(report.inside_start);
}

TEST_CASE("a port that refuses is unhealthy", "[tcp_connect]") {
    const ClosedPort closed;
    TcpBench bench;
    const auto report = bench.probe("127.0.0.1", closed.port());
    CHECK(report.verdict == STEWARD_UNHEALTHY);
    CHECK(report.status == STEWARD_E_IO);
    CHECK(report.detail == "127.0.0.1:" + std::to_string(closed.port()) + ": connection refused");
}

TEST_CASE("what the kernel accepts is a connection, whoever listens", "[tcp_connect]") {
    const UnattendedPort port;
    TcpBench bench;
    CHECK(bench.probe("127.0.0.1", port.port()).verdict == STEWARD_HEALTHY);
}

TEST_CASE("the greeting decides, however it is cut", "[tcp_connect]") {
    struct Case {
        Script script;
        std::int32_t verdict;
        std::string detail;
    };
    const auto one = GENERATE(values<Case>({
        {says("220 mail.example ready\r\n"), STEWARD_HEALTHY, ": said \"220 \""},
        {{{Step::Kind::kSend, "2"},
          {Step::Kind::kPause, {}, 5ms},
          {Step::Kind::kSend, "20 hello"},
          {Step::Kind::kHold}},
         STEWARD_HEALTHY,
         ": said \"220 \""},
        {says("5"), STEWARD_UNHEALTHY, ": said \"5\", expected \"220 \""},
        {says("221 bye"), STEWARD_UNHEALTHY, ": said \"221 \", expected \"220 \""},
        {{{Step::Kind::kSend, "22"}},
         STEWARD_UNHEALTHY,
         ": said no more than \"22\" and closed the connection, expected \"220 \""},
        {{},
         STEWARD_UNHEALTHY,
         ": connected, but said nothing and closed the connection, expected \"220 \""},
        {{{Step::Kind::kSend, "22"}, {Step::Kind::kPause, {}, 5ms}, {Step::Kind::kReset}},
         STEWARD_UNHEALTHY,
         ": connection reset"},
    }));
    ScriptedHttpServer server(one.script);
    TcpBench bench(kGreeted);
    const auto report = bench.probe(server.address(), server.port());
    CHECK(report.verdict == one.verdict);
    CHECK(report.detail == at(server) + one.detail);
}

TEST_CASE("what is to be sent is sent before the answer is judged", "[tcp_connect]") {
    ScriptedHttpServer server(
        Script{{Step::Kind::kReadRequest}, {Step::Kind::kSend, "+PONG\r\n"}, {Step::Kind::kHold}});
    TcpBench bench(R"({"send": "PING\\r\\n\\r\\n", "expect": "+PONG\\r\\n"})");
    CHECK(bench.probe(server.address(), server.port()).verdict == STEWARD_HEALTHY);
    REQUIRE(server.requests().size() == 1);
    CHECK(server.requests()[0] == "PING\r\n\r\n");
}

TEST_CASE("at the deadline a service that has not said it is unhealthy", "[tcp_connect]") {
    ScriptedHttpServer server(says("22"));
    TcpBench bench(kGreeted);
    REQUIRE(bench.start(1, server.address(), server.port(), 2s) == STEWARD_OK);
    REQUIRE(bench.host.run_until([&] { return server.wait_holding(1, 0ms); }));
    bench.host.run_ready();
    const auto started = bench.host.now();
    bench.host.advance(2s);
    REQUIRE(bench.done() == 1);
    const auto& report = bench.of(1).front();
    CHECK(report.verdict == STEWARD_UNHEALTHY);
    CHECK(report.status == STEWARD_E_TIMEOUT);
    CHECK(report.at - started == std::chrono::nanoseconds(2s).count());
    CHECK(report.latency == 2s);
    CHECK(report.detail ==
          at(server) + ": said no more than \"22\" within 2000 ms, expected \"220 \"");
    bench.check_at_rest(1);
}

TEST_CASE("a probe that cannot be made is unknown", "[tcp_connect]") {
    struct Case {
        std::string address;
        std::uint16_t port;
        std::chrono::milliseconds limit;
        steward_status status;
        std::string detail;
    };
    const auto one = GENERATE(values<Case>({
        {"localhost", 80, 2s, STEWARD_E_UNSUPPORTED,
         "localhost: not probed: not a literal IPv4 or IPv6 address"},
        {"fe80::1%nowhere", 80, 2s, STEWARD_E_UNSUPPORTED,
         "fe80::1%nowhere: not probed: not a literal IPv4 or IPv6 address"},
        {std::string("127.0.0.1\0x", 11), 80, 2s, STEWARD_E_UNSUPPORTED,
         "127.0.0.1?x: not probed: not a literal IPv4 or IPv6 address"},
        {"127.0.0.1", 0, 2s, STEWARD_E_UNSUPPORTED,
         "127.0.0.1:0: not probed: the service has no port"},
        {"::1", 80, 0ms, STEWARD_E_TIMEOUT,
         "[::1]:80: not probed: the deadline had passed already"},
    }));
    TcpBench bench;
    REQUIRE(bench.start(1, one.address, one.port, one.limit) == STEWARD_OK);
    REQUIRE(bench.wait_done(1));
    CHECK(bench.of(1).front().verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(1).front().status == one.status);
    CHECK(bench.of(1).front().detail == one.detail);
    CHECK_FALSE(bench.of(1).front().inside_start);
    bench.check_at_rest(1);
}

TEST_CASE("without a descriptor the probe is unknown, and the next one works", "[tcp_connect]") {
    ScriptedHttpServer server(says(""));
    TcpBench bench;
    {
        const NoDescriptors none;
        REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
        REQUIRE(bench.wait_done(1));
    }
    CHECK(bench.of(1).front().verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(1).front().detail == at(server) + ": not probed: Too many open files");
    REQUIRE(bench.start(2, server.address(), server.port()) == STEWARD_OK);
    REQUIRE(bench.wait_done(2));
    CHECK(bench.of(2).front().verdict == STEWARD_HEALTHY);
    bench.check_at_rest(2);
}

TEST_CASE("a reactor that refuses ends the start, and done never comes", "[tcp_connect]") {
    ScriptedHttpServer server(says(""));
    TcpBench bench;
    bench.host.fail(GENERATE("watch_fd", "arm"), STEWARD_E_NOMEM);
    CHECK(bench.start(1, server.address(), server.port()) == STEWARD_E_NOMEM);
    bench.check_at_rest(0);
}

TEST_CASE("a probe can be cancelled at any moment and is done once", "[tcp_connect]") {
    ScriptedHttpServer server(says("22"));
    TcpBench bench(kGreeted);
    REQUIRE(bench.start(7, server.address(), server.port()) == STEWARD_OK);
    SECTION("before the connection is noticed") {}
    SECTION("within the greeting") {
        REQUIRE(bench.host.run_until([&] { return server.wait_holding(1, 0ms); }));
        bench.host.run_ready();
    }
    SECTION("just before the deadline") {
        bench.host.advance(1999ms);
    }
    bench.cancel(7);
    REQUIRE(bench.of(7).size() == 1);
    CHECK(bench.of(7).front().verdict == STEWARD_UNKNOWN);
    CHECK(bench.of(7).front().status == STEWARD_E_CANCELLED);
    bench.cancel(7);
    bench.cancel(99);
    bench.check_at_rest(1);
}

TEST_CASE("the same probe cannot be in flight twice", "[tcp_connect]") {
    ScriptedHttpServer server(says(""));
    TcpBench bench(kGreeted);
    REQUIRE(bench.start(7, server.address(), server.port()) == STEWARD_OK);
    CHECK(bench.start(7, server.address(), server.port()) == STEWARD_E_INVALID);
    CHECK(bench.error == "probe 7 is in flight already");
    bench.cancel(7);
    bench.check_at_rest(1);
}

TEST_CASE("an instance that is destroyed completes what is in flight", "[tcp_connect]") {
    ScriptedHttpServer server(says(""));
    TcpBench bench(kGreeted);
    for (steward_token probe = 1; probe <= 64; ++probe) {
        REQUIRE(bench.start(probe, server.address(), server.port()) == STEWARD_OK);
    }
    bench.host.run_ready();
    bench.plugin.destroy();
    CHECK(bench.done() == 64);
    for (steward_token probe = 1; probe <= 64; ++probe) {
        REQUIRE(bench.of(probe).size() == 1);
        CHECK(bench.of(probe).front().status == STEWARD_E_CANCELLED);
    }
    bench.check_at_rest(64);
}

TEST_CASE("starts and cancels in any order leave each probe done once", "[tcp_connect]") {
    ScriptedHttpServer server(says("220 ready"));
    TcpBench bench(kGreeted);
    std::mt19937 random(3);
    std::size_t begun = 0;
    for (int i = 0; i < 2000; ++i) {
        const auto probe = static_cast<steward_token>(1 + random() % 300);
        if (random() % 3 == 0) {
            bench.cancel(probe);
        } else if (bench.of(probe).empty()) {
            begun += bench.start(probe, server.address(), server.port()) == STEWARD_OK ? 1U : 0U;
        }
        if (random() % 50 == 0) {
            bench.host.run_ready();
        }
    }
    bench.host.advance(2s);
    bench.check_at_rest(begun);
    for (steward_token probe = 1; probe <= 300; ++probe) {
        REQUIRE(bench.of(probe).size() <= 1);
    }
}

TEST_CASE("escapes stand for the bytes that a shell cannot give", "[tcp_connect]") {
    CHECK(unescaped("send", R"(PING\r\n)") == "PING\r\n");
    CHECK(unescaped("send", R"(\t\\\x00\xfF)") == std::string("\t\\\0\xff", 4));
    CHECK(unescaped("send", R"(a\0b)") == std::string("a\0b", 3));
    const std::string wrong = GENERATE(R"(\)", R"(\q)", R"(\x1)", R"(\xg0)", R"(\x)");
    CHECK_THROWS_WITH(
        unescaped("send", wrong),
        "send: must have no escapes but \\r \\n \\t \\0 \\\\ \\xHH (got \"" + wrong + "\")");
}

TEST_CASE("a host without a reactor is refused", "[tcp_connect]") {
    FakePluginHost host(Clock::kVirtual);
    host.hide_reactor();
    CHECK_THROWS_WITH(PluginUnderTest(host, steward_plugin_entry_tcp_connect, "{}"),
                      Catch::Contains("steward.host.reactor/1"));
}
