// Strategies that are chosen at the command line change what the supervisor does: the plugins of
// plugins/examples/, as their pages say.
#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"

namespace steward::tests {
namespace {

// A build that has them linked in finds them without a folder.
Arguments with_examples(const Arguments& more) {
    return std::getenv("STEWARD_TEST_PROGRAM") != nullptr
               ? more
               : Arguments{"--plugin-dir", STEWARD_TEST_EXAMPLES} + more;
}

// The base port that a steward is given, so that a test can speak of the ones behind it.
StewardStart from_port(std::uint16_t base) {
    StewardStart start;
    start.port = base;
    return start;
}

Arguments pool(std::uint16_t base, std::initializer_list<int> offsets) {
    std::string ports;
    for (const int offset : offsets) {
        ports += (ports.empty() ? "" : ",") + std::to_string(base + offset);
    }
    return with_examples(
        {"--port-tries", "4", "--port-strategy", "port_pool", "--set", "port_pool.ports=" + ports});
}

// An app that ends at once, each time.
Arguments crasher() {
    return {"/bin/sh", "-c", "exit 3"};
}

Arguments hours(const std::string& from, const std::string& until, int day, int night) {
    return with_examples({"--health", "none", "--restart", "restart_hours"}) +
           settings({"restart_hours.day_from=" + from, "restart_hours.day_until=" + until,
                     "restart_hours.day_restarts=" + std::to_string(day),
                     "restart_hours.night_restarts=" + std::to_string(night),
                     "restart_hours.delay_ms=10"});
}

// HH:MM, so many hours from now, in a zone so far east of UTC.
std::string hour_from_now(int hours, int zone) {
    const std::time_t at = std::time(nullptr) + (hours + zone) * 3600;
    std::tm parts{};
    gmtime_r(&at, &parts);
    char text[6];
    REQUIRE(std::strftime(text, sizeof text, "%H:%M", &parts) == 5);
    return text;
}

Fits is_degraded() {
    return [](const Json& status) { return text_at(status, "state") == "degraded"; };
}

}  // namespace

TEST_CASE("port_pool: the port is the pool's best that is free") {
    const auto base = free_port(4);
    const auto take_first = GENERATE(false, true);
    core::UniqueFd taken;
    if (take_first) {
        taken = occupy("127.0.0.1", static_cast<std::uint16_t>(base + 2), Ends::kListening);
    }
    Bed bed(pool(base, {2, 1}), test_app(), from_port(base));
    const Json status = bed.wait_healthy();
    CHECK(number_at(status, "port") == base + (take_first ? 1 : 2));
    CHECK_THAT(text_at(status, "plugins.port"), Catch::StartsWith("port_pool "));
    const Json chosen = bed.wait_event("port.chosen");
    CHECK_THAT(text_at(chosen, "cause"), Catch::Contains("proposed by port_pool"));
}

TEST_CASE("port_pool: a pool that is used up is told with its remedy") {
    const auto base = free_port(4);
    const auto taken = occupy("127.0.0.1", static_cast<std::uint16_t>(base + 2), Ends::kListening);
    Bed bed(pool(base, {2}), test_app(), from_port(base));
    const Json status = bed.wait_status([](const Json& now) {
        return text_at(now, "cause").find("no port can be had") != std::string::npos;
    });
    CHECK_THAT(text_at(status, "cause"),
               Catch::Contains("tried 1 port from " + std::to_string(base)));
}

TEST_CASE("tcp_connect: the greeting is the verdict") {
    const Arguments args = with_examples({"--health", "tcp_connect", "--health-interval", "200ms",
                                          "--restart", "restart_backoff"}) +
                           settings({R"(tcp_connect.send=GET /health HTTP/1.0\r\n\r\n)",
                                     "tcp_connect.expect=HTTP/1.1 200"}) +
                           quick_restarts();
    Bed bed(args, test_app());
    const Json first = bed.wait_healthy();
    CHECK_THAT(text_at(first, "plugins.health"), Catch::StartsWith("tcp_connect "));
    const auto port = static_cast<std::uint16_t>(number_at(first, "port"));
    REQUIRE(fetch(port, "/unhealthy").status == 200);
    const Json down = bed.wait_event("service.unhealthy");
    CHECK_THAT(text_at(down, "cause"),
               Catch::Contains("127.0.0.1:" + std::to_string(port) +
                               ": said \"HTTP/1.1 503\", expected \"HTTP/1.1 200\""));
    CHECK(number_at(bed.wait_healthy(2), "port") == port);
}

TEST_CASE("tcp_connect: an app that does not listen is not healthy") {
    const Arguments args =
        with_examples({"--health", "tcp_connect", "--handoff", "port", "--health-interval", "100ms",
                       "--startup-timeout", "1s", "--restart", "none"});
    Bed bed(args, Arguments{"/bin/sh", "-c", "exec sleep 1000", "sh", "{port}"});
    const Json late = bed.wait_event("service.unhealthy");
    CHECK_THAT(text_at(late, "cause"), Catch::StartsWith("not healthy within 1 s: 127.0.0.1:") &&
                                           Catch::EndsWith(": connection refused"));
}

TEST_CASE("restart_hours: a budget that is used up is degraded, with the policy's reason") {
    // The hour before now and the one after it are the day, or the night, in a zone of its own.
    constexpr int kZone = 5;
    const bool day = GENERATE(true, false);
    const std::string before = hour_from_now(-1, kZone);
    const std::string after = hour_from_now(1, kZone);
    StewardStart start;
    start.env = {"TZ=TST-5"};
    Bed bed(hours(day ? before : after, day ? after : before, 2, 1), crasher(), start);
    const Json status = bed.wait_status(is_degraded());
    CHECK(number_at(status, "restarts") == (day ? 2 : 1));
    CHECK_THAT(
        text_at(status, "cause"),
        Catch::StartsWith("exit code 3; ") &&
            Catch::EndsWith(day ? "the 2 restarts of the day are used up; the night begins at " +
                                      after + " with 1"
                                : "the 1 restart of the night is used up; the day begins at " +
                                      after + " with 2"));
    const auto scheduled = bed.events("service.restart_scheduled");
    REQUIRE_FALSE(scheduled.empty());
    CHECK(number_at(scheduled.front(), "delay_ms") == 10);
}

TEST_CASE("restart_hours: the next period begins with a budget of its own, simulated") {
    const Sandbox sandbox;
    const auto output = run_steward(
        sandbox, Arguments{"simulate", "exit 1 after 10m", "--at", "21:00", "--for", "120m"} +
                     hours("07:00", "22:00", 3, 2));
    INFO(output.out << output.err);
    REQUIRE(output.code == 0);
    const auto at = [&](const std::string& text) { return output.out.find(text); };
    CHECK(at("restart 3 of 3 of the day") < at("the 3 restarts of the day are used up"));
    CHECK(at("the 3 restarts of the day are used up; the night begins at 22:00 with 2") <
          at("restart 1 of 2 of the night"));
    CHECK(at("restart 1 of 2 of the night") < at("the 2 restarts of the night are used up"));
    CHECK(at("the 2 restarts of the night are used up") != std::string::npos);
}

TEST_CASE("app_metrics: the status has what the app offers") {
    const std::string script = R"(
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"status": "healthy"}' if self.path == "/health" else \
            b'# TYPE jobs gauge\njobs 12.5\n# TYPE done counter\ndone_total 7\nby{kind="a"} 1\n'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
)";
    const Sandbox files;
    Bed bed(with_examples({"--metrics", "app_metrics", "--metrics-interval", "200ms"}),
            {TEST_PYTHON, files.write("app.py", script), "{port}"});
    const Json status =
        bed.wait_status([](const Json& now) { return !at(now, "metrics.jobs").isEmpty(); });
    CHECK(at(status, "metrics.jobs").convert<double>() == 12.5);
    CHECK(number_at(status, "metrics.done_total") == 7);
    CHECK(number_at(status, "metrics.app_metrics_left_out") == 0);
    CHECK_THAT(text_at(status, "plugins.metrics"), Catch::StartsWith("app_metrics "));
    // Nobody else fills these now, and a series with labels has no place in the status.
    CHECK(at(status, "metrics.cpu_percent").isEmpty());
    CHECK(at(status, "metrics.by").isEmpty());
}

}  // namespace steward::tests
