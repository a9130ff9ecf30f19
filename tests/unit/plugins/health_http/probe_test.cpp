// health_http against servers that answer well, badly and not at all: one verdict each, exactly
// once.
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <steward/sdk/text.hpp>
#include <string>
#include <vector>

#include "catch.hpp"
#include "probe_bench.hpp"
#include "scripted_http_server.hpp"

using namespace steward::tests;
using namespace std::chrono_literals;
using Clock = FakePluginHost::Clock;

namespace {

constexpr const char* kHealthy = R"({"status": "healthy", "instance_id": "n-1"})";

// Probes the server once and waits for the report.
Report probe_once(ProbeBench& bench, const std::string& address, std::uint16_t port) {
    REQUIRE(bench.start(1, address, port) == STEWARD_OK);
    REQUIRE(bench.wait_done(1));
    REQUIRE(bench.of(1).size() == 1);
    const Report report = bench.of(1)[0];
    CHECK_FALSE(report.inside_start);
    CHECK(bench.host.watched() == 0);
    CHECK(bench.host.armed() == 0);
    CHECK(bench.host.offences() == std::vector<std::string>{});
    CHECK(steward::sdk::is_utf8(report.detail));
    return report;
}

Report probe_script(Script script, const char* settings = "{}") {
    ScriptedHttpServer server(std::move(script));
    ProbeBench bench(Clock::kVirtual, settings);
    const Report report = probe_once(bench, server.address(), server.port());
    CHECK(server.connections() == 1);
    return report;
}

void check_unhealthy(const Report& report, steward_status status, std::int32_t code,
                     const std::string& detail) {
    CHECK(report.verdict == STEWARD_UNHEALTHY);
    CHECK(report.status == status);
    CHECK(report.code == code);
    CHECK(report.detail == detail);
}

}  // namespace

TEST_CASE("a healthy answer is healthy and names its instance", "[health_http]") {
    const Report report = probe_script(script::respond(200, kHealthy));
    CHECK(report.verdict == STEWARD_HEALTHY);
    CHECK(report.status == STEWARD_OK);
    CHECK(report.code == 200);
    CHECK(report.instance_id == "n-1");
}

TEST_CASE("the request is one plain GET that asks for the connection's end", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench(Clock::kVirtual, R"({"path": "/up?deep=1"})");
    probe_once(bench, server.address(), server.port());
    REQUIRE(server.requests().size() == 1);
    CHECK(server.requests()[0] ==
          "GET /up?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
              "\r\nConnection: close\r\nUser-Agent: steward-health/" STEWARD_TEST_VERSION
              "\r\nAccept: application/json\r\n\r\n");
}

TEST_CASE("the settings decide what is expected", "[health_http]") {
    CHECK(probe_script(script::respond(204, ""), R"({"expect_status": 204, "pointer": ""})")
              .verdict == STEWARD_HEALTHY);
    CHECK(probe_script(script::respond(200, R"({"db": {"up": [true]}})"),
                       R"({"pointer": "/db/up/0", "expect": "true"})")
              .verdict == STEWARD_HEALTHY);
    CHECK(probe_script(script::respond(200, "hello", "text/plain"), R"({"pointer": ""})").verdict ==
          STEWARD_HEALTHY);
    CHECK(probe_script(script::redirect("/elsewhere"), R"({"expect_status": 301, "pointer": ""})")
              .verdict == STEWARD_HEALTHY);
}

TEST_CASE("an answer with another status or body is unhealthy", "[health_http]") {
    check_unhealthy(probe_script(script::respond(500, "oops")), STEWARD_OK, 500,
                    "GET /health: 500, expected 200");
    check_unhealthy(probe_script(script::respond(404, "")), STEWARD_OK, 404,
                    "GET /health: 404, expected 200");
    check_unhealthy(probe_script(script::raw("HTTP/1.1 204 No Content\r\n\r\n")), STEWARD_OK, 204,
                    "GET /health: 204, expected 200");
    check_unhealthy(probe_script(script::redirect("http://127.0.0.1:1/health")), STEWARD_OK, 301,
                    "GET /health: 301, expected 200");
    check_unhealthy(probe_script(script::respond(200, R"({"status": "ill"})")), STEWARD_OK, 200,
                    R"(GET /health: 200, but /status is "ill", expected "healthy")");
    check_unhealthy(probe_script(script::respond(200, "<html>")), STEWARD_OK, 200,
                    R"(GET /health: 200, but the body is not JSON: "<html>")");
}

TEST_CASE("a connection that ends early is unhealthy", "[health_http]") {
    check_unhealthy(probe_script(script::close_after_request()), STEWARD_E_IO, 0,
                    "GET /health: connection closed before an answer");
    check_unhealthy(probe_script(script::raw("HTTP/1.1 200 OK\r\nX: y\r\n")), STEWARD_E_IO, 0,
                    "GET /health: connection closed within the headers");
    check_unhealthy(probe_script(script::raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")),
                    STEWARD_E_IO, 200, "GET /health: 200, but connection closed within the body");
    check_unhealthy(probe_script(script::reset_after({})), STEWARD_E_IO, 0,
                    "GET /health: connection reset before an answer");
    const Report at_once = probe_script(script::close_at_once());
    CHECK(at_once.verdict == STEWARD_UNHEALTHY);
    CHECK(at_once.status == STEWARD_E_IO);
}

TEST_CASE("a connection that is reset within the body is unhealthy", "[health_http]") {
    // The reset may overtake the bytes before it; what is sure is the verdict and that it is an
    // error of the connection.
    const Report report =
        probe_script(script::reset_after("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"));
    CHECK(report.verdict == STEWARD_UNHEALTHY);
    CHECK(report.status == STEWARD_E_IO);
    CHECK(report.detail.find("connection reset") != std::string::npos);
}

TEST_CASE("what is not HTTP is unhealthy", "[health_http]") {
    check_unhealthy(probe_script(script::raw("SSH-2.0-OpenSSH_9.2\r\n")), STEWARD_OK, 0,
                    R"(GET /health: the answer is not HTTP: "SSH-2.0-OpenSSH_9.2\x0d\n")");
    // What a TLS server says to a plain request: a fatal alert.
    check_unhealthy(probe_script(script::raw(std::string("\x15\x03\x03\x00\x02\x02\x46", 7))),
                    STEWARD_OK, 0,
                    R"(GET /health: the answer is not HTTP: "\x15\x03\x03\x00\x02\x02F")");
    std::string garbage;
    for (int i = 0; i < 256; ++i) {
        garbage += static_cast<char>(255 - i);
    }
    CHECK(probe_script(script::raw(garbage)).verdict == STEWARD_UNHEALTHY);
}

TEST_CASE("an answer that is too large is unhealthy and not read to its end", "[health_http]") {
    const Report body = probe_script(script::huge_body(100'000'000));
    check_unhealthy(body, STEWARD_OK, 200, "GET /health: 200, but the body is larger than 64 KiB");
    const Report header = probe_script(script::huge_header(65'536));
    check_unhealthy(header, STEWARD_OK, 0, "GET /health: the headers are larger than 8 KiB");
    CHECK(probe_script(script::huge_body(100'000'000), R"({"pointer": ""})").verdict ==
          STEWARD_HEALTHY);
}

TEST_CASE("a slow, chopped or chunked answer counts as a whole", "[health_http]") {
    CHECK(probe_script(script::drip(script::message(200, kHealthy), 9, 1ms)).verdict ==
          STEWARD_HEALTHY);
    CHECK(probe_script(script::chunked(200, {"{\"status\":", " \"healthy\"}"})).verdict ==
          STEWARD_HEALTHY);
    CHECK(probe_script(script::raw("HTTP/1.0 200 OK\r\n\r\n{\"status\": \"healthy\"}")).verdict ==
          STEWARD_HEALTHY);
    CHECK(
        probe_script(script::raw("HTTP/1.1 100 Continue\r\n\r\n" + script::message(200, kHealthy)))
            .verdict == STEWARD_HEALTHY);
}

TEST_CASE("a closed port is unhealthy: connection refused", "[health_http]") {
    const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
    const ClosedPort port(family);
    ProbeBench bench;
    const Report report =
        probe_once(bench, family == Family::kIpv4 ? "127.0.0.1" : "::1", port.port());
    check_unhealthy(report, STEWARD_E_IO, 0, "GET /health: connection refused");
}

TEST_CASE("a server on ::1 is probed", "[health_http]") {
    ScriptedHttpServer server(script::respond(200, kHealthy), Family::kIpv6);
    ProbeBench bench;
    CHECK(probe_once(bench, "::1", server.port()).verdict == STEWARD_HEALTHY);
    REQUIRE(server.requests().size() == 1);
    CHECK(server.requests()[0].find("\r\nHost: [::1]:" + std::to_string(server.port()) + "\r\n") !=
          std::string::npos);
}

TEST_CASE("without an answer the verdict comes at the deadline, not earlier", "[health_http]") {
    struct Silence {
        Script script;
        std::int32_t code;
        const char* detail;
    };
    const auto silence =
        GENERATE(Silence{script::black_hole(), 0, "GET /health: no answer within 2000 ms"},
                 Silence{script::stall_after("HTTP/1.1 200 OK\r\nX: y\r\n"), 0,
                         "GET /health: no complete answer within 2000 ms"},
                 Silence{script::stall_after("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), 200,
                         "GET /health: 200, but no complete body within 2000 ms"});
    ScriptedHttpServer server(silence.script);
    ProbeBench bench;
    REQUIRE(bench.start(1, server.address(), server.port()) == STEWARD_OK);
    // What the server sends is there before the clock moves.
    REQUIRE(bench.host.run_until([&] { return server.wait_holding(1, 0ms); }));
    bench.host.run_ready();
    bench.host.advance(1999ms);
    CHECK(bench.done() == 0);
    bench.host.advance(1ms);
    REQUIRE(bench.done() == 1);
    check_unhealthy(bench.of(1)[0], STEWARD_E_TIMEOUT, silence.code, silence.detail);
    CHECK(bench.of(1)[0].latency == 2000ms);
    CHECK(server.wait_ended(1));
}

TEST_CASE("a connection that nobody accepts ends at the deadline", "[health_http]") {
    const UnattendedPort port;
    ProbeBench bench;
    REQUIRE(bench.start(1, "127.0.0.1", port.port()) == STEWARD_OK);
    bench.host.advance(2000ms);
    REQUIRE(bench.done() == 1);
    check_unhealthy(bench.of(1)[0], STEWARD_E_TIMEOUT, 0, "GET /health: no answer within 2000 ms");
}

TEST_CASE("on the real clock the deadline is kept within 100 ms", "[health_http]") {
    ScriptedHttpServer server(script::black_hole());
    ProbeBench bench(Clock::kReal);
    // A busy machine may keep any thread waiting; that every one of five times is bad luck is not
    // believed.
    std::chrono::nanoseconds best = 1h;
    for (steward_token probe = 1; probe <= 5 && best > 400ms; ++probe) {
        const steward_ns begin = bench.host.now();
        REQUIRE(bench.start(probe, server.address(), server.port(), 300ms) == STEWARD_OK);
        REQUIRE(bench.wait_done(probe));
        const std::chrono::nanoseconds took(bench.of(probe)[0].at - begin);
        CHECK(took >= 300ms);
        CHECK(bench.of(probe)[0].verdict == STEWARD_UNHEALTHY);
        best = std::min(best, took);
    }
    CHECK(best <= 400ms);
}

TEST_CASE("the latency covers the server's delay and no more than the probe", "[health_http]") {
    ScriptedHttpServer server(script::respond_after(150ms, 200, kHealthy));
    ProbeBench bench(Clock::kReal);
    const steward_ns begin = bench.host.now();
    REQUIRE(bench.start(1, server.address(), server.port(), 10s) == STEWARD_OK);
    REQUIRE(bench.wait_done(1));
    const std::chrono::nanoseconds outside(bench.host.now() - begin);
    const Report report = bench.of(1)[0];
    CHECK(report.verdict == STEWARD_HEALTHY);
    CHECK(report.latency >= 150ms);
    CHECK(report.latency <= outside);
}

TEST_CASE("64 probes at once each get their own server's answer", "[health_http]") {
    constexpr steward_token kCount = 64;
    std::vector<std::unique_ptr<ScriptedHttpServer>> servers;
    for (steward_token i = 0; i < kCount; ++i) {
        const std::string body = R"({"status": ")" + std::string(i % 2 == 0 ? "healthy" : "ill") +
                                 R"(", "instance": "server )" + std::to_string(i) + "\"}";
        servers.push_back(std::make_unique<ScriptedHttpServer>(
            script::drip(script::message(i % 3 == 0 ? 500 : 200, body), 1 + i, 1ms)));
    }
    ProbeBench bench;
    for (steward_token i = 0; i < kCount; ++i) {
        REQUIRE(bench.start(i + 1, servers[i]->address(), servers[i]->port()) == STEWARD_OK);
    }
    CHECK(bench.host.watched() == kCount);
    REQUIRE(bench.wait_done(kCount));
    for (steward_token i = 0; i < kCount; ++i) {
        INFO("server " << i);
        REQUIRE(bench.of(i + 1).size() == 1);
        const Report& report = bench.of(i + 1)[0];
        CHECK(report.instance_id == "server " + std::to_string(i));
        CHECK(report.code == (i % 3 == 0 ? 500 : 200));
        CHECK((report.verdict == STEWARD_HEALTHY) == (i % 3 != 0 && i % 2 == 0));
    }
    CHECK(bench.host.watched() == 0);
    CHECK(bench.host.armed() == 0);
    CHECK(bench.host.offences() == std::vector<std::string>{});
}

TEST_CASE("the plugin's file does the same as the code that is linked in", "[health_http]") {
    const LoadedLibrary library("health_http");
    ScriptedHttpServer server(script::respond(200, kHealthy));
    ProbeBench bench(Clock::kVirtual, "{}", library.entry());
    CHECK(probe_once(bench, server.address(), server.port()).verdict == STEWARD_HEALTHY);
}
