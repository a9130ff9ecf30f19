// app_metrics: the reader of the text format, and the plugin on a fake host and real sockets.
#include <steward/sdk/guard.hpp>

#include <cmath>
#include <map>
#include <random>

#include "../../../../plugins/examples/app_metrics/exposition.hpp"
#include "../../../../plugins/examples/app_metrics/http_response.hpp"
#include "catch.hpp"
#include "fake_plugin_host.hpp"
#include "scripted_http_server.hpp"

extern "C" const steward_entry steward_plugin_entry_app_metrics;

using namespace steward::tests;
using namespace std::chrono_literals;
using examples::app_metrics::HttpResponse;
using examples::app_metrics::parse_exposition;
using Clock = FakePluginHost::Clock;

namespace {

constexpr const char* kText = R"(# HELP http_requests_total Requests that were answered.
# TYPE http_requests_total counter
http_requests_total{method="GET",code="200"} 1027 1395066363000
http_requests_total{method="POST",code="500",} 3

# TYPE queue_length gauge
# UNIT queue_length jobs
queue_length 12.5
# TYPE latency histogram
latency_bucket{le="0.1"} 7
latency_bucket{le="+Inf"} 9
latency_sum 3.5
latency_count 9
)";

struct Seen {
    std::int32_t kind = -1;
    std::string help;
    std::string unit;
    double value = 0;
};

class MetricsBench {
  public:
    explicit MetricsBench(std::string_view settings = "{}", Clock clock = Clock::kReal)
        : host(clock), plugin(host, steward_plugin_entry_app_metrics, settings) {}

    steward_status sample(std::string_view address, std::uint16_t port,
                          std::chrono::milliseconds limit = 5s) {
        steward_metrics_request request{};
        request.size = sizeof request;
        request.now = host.now();
        request.deadline = request.now + std::chrono::nanoseconds(limit).count();
        request.address = {address.data(), address.size()};
        request.port = port;
        steward_error failure{};
        failure.size = sizeof failure;
        series.clear();
        const auto status =
            plugin.metrics().sample(plugin.instance(), &request, &on_series, this, &failure);
        error = failure.text;
        return status;
    }
    steward_status sample(const ScriptedHttpServer& server, std::chrono::milliseconds limit = 5s) {
        return sample(server.address(), server.port(), limit);
    }

    FakePluginHost host;
    PluginUnderTest plugin;
    std::map<std::string, Seen> series;  // by name and labels
    std::string error;

  private:
    static std::string text(steward_str s) { return {s.ptr, s.len}; }
    static void on_series(void* ud, const steward_metric* metric) {
        std::string name = text(metric->name);
        for (std::size_t i = 0; i < metric->label_count; ++i) {
            name += " " + text(metric->labels[i].name) + "=" + text(metric->labels[i].value);
        }
        static_cast<MetricsBench*>(ud)->series[name] = {metric->kind, text(metric->help),
                                                        text(metric->unit), metric->value};
    }
};

Script metrics(std::string_view body, std::string_view type = "text/plain; version=0.0.4") {
    return script::respond(200, body, type);
}

}  // namespace

TEST_CASE("what the app offers is passed on with kind, help, unit and labels", "[app_metrics]") {
    const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
    ScriptedHttpServer server(metrics(kText), family);
    MetricsBench bench;
    REQUIRE(bench.sample(server) == STEWARD_OK);
    CHECK(bench.series.size() == 8);
    const auto& get = bench.series["http_requests_total method=GET code=200"];
    CHECK(get.kind == STEWARD_COUNTER);
    CHECK(get.value == 1027);
    CHECK(get.help == "Requests that were answered.");
    CHECK(bench.series["http_requests_total method=POST code=500"].value == 3);
    CHECK(bench.series["queue_length"].kind == STEWARD_GAUGE);
    CHECK(bench.series["queue_length"].unit == "jobs");
    CHECK(bench.series["queue_length"].value == 12.5);
    CHECK(bench.series["latency_bucket le=+Inf"].kind == STEWARD_COUNTER);
    CHECK(bench.series["latency_sum"].kind == STEWARD_COUNTER);
    CHECK(bench.series["app_metrics_left_out"].value == 0);
    REQUIRE(server.requests().size() == 1);
    CHECK_THAT(server.requests()[0],
               Catch::StartsWith("GET /metrics HTTP/1.0\r\n") &&
                   Catch::Contains("\r\nAccept: application/openmetrics-text;version=1.0.0"));
}

TEST_CASE("only the wanted series are passed on, and no more than allowed", "[app_metrics]") {
    ScriptedHttpServer server(metrics(kText));
    MetricsBench some(R"({"only": "queue_, http_"})");
    REQUIRE(some.sample(server) == STEWARD_OK);
    CHECK(some.series.size() == 4);
    CHECK(some.series["app_metrics_left_out"].value == 0);
    MetricsBench few(R"({"max_series": 2})");
    REQUIRE(few.sample(server) == STEWARD_OK);
    CHECK(few.series.size() == 3);
    CHECK(few.series["app_metrics_left_out"].value == 5);
}

TEST_CASE("what the interface has no place for is counted", "[app_metrics]") {
    const std::string long_name(129, 'a');
    std::string labels;
    for (int i = 0; i < 17; ++i) {
        labels += "l" + std::to_string(i) + "=\"v\",";
    }
    const auto read = parse_exposition(
        "Upper 1\nns:rule 2\na NaN\nb -Inf\n" + long_name + " 1\nc{" + labels + "} 1\nd 4\n",
        false);
    CHECK(read.unfit == 6);
    REQUIRE(read.series.size() == 1);
    CHECK(read.series[0].name == "d");
}

TEST_CASE("a text that breaks the format is refused as a whole", "[app_metrics]") {
    using Row = std::pair<std::string, std::string>;
    const auto [text, problem] = GENERATE(values<Row>({
        {"a 1\nb", "line 2: the line does not end"},
        {"a\n", "line 1: expected \" \" before \"\""},
        {"a x\n", "line 1: \"x\" is no number"},
        {"a --1\n", "line 1: \"--1\" is no number"},
        {"a 0x10\n", "line 1: \"0x10\" is no number"},
        {"a 1 2 3\n", "line 1: \" 3\" follows the value"},
        {"a 1\r\n", "line 1: \"1?\" is no number"},
        {"1a 1\n", "line 1: expected a name before \"1a 1\""},
        {"a{b=\"c} 1\n", "line 1: a label's value does not end"},
        {"a{b=\"\\t\"} 1\n", "line 1: a label's value has an unknown escape"},
        {"a{b=\"1\",b=\"2\"} 1\n", "line 1: the label b is there twice"},
        {"a{b=\"1\"c=\"2\"} 1\n", "line 1: expected \",\" before \"c=\"2\"} 1\""},
        {"<html>\n", "line 1: expected a name before \"<html>\""},
        {"# EOF\na 1\n", "line 2: something follows # EOF"},
    }));
    CHECK_THROWS_WITH(parse_exposition(text, false), problem);
    CHECK_THROWS_WITH(parse_exposition("a{b=\"\xff\"} 1\n", false), "the answer is not UTF-8");
}

TEST_CASE("OpenMetrics ends with its end, and may have exemplars", "[app_metrics]") {
    const std::string text =
        "# TYPE req counter\nreq_total 5 # {trace=\"ab\"} 1 1.5\nreq_created 1e9\n";
    const auto read = parse_exposition(text + "# EOF\n", true);
    REQUIRE(read.series.size() == 2);
    CHECK(read.series[0].counter);
    CHECK_FALSE(read.series[1].counter);
    CHECK_THROWS_WITH(parse_exposition(text, true), "line 4: the text ends before # EOF");
    ScriptedHttpServer server(
        metrics(text, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    MetricsBench bench;
    CHECK(bench.sample(server) == STEWARD_E_UNSUPPORTED);
    CHECK(bench.error == "line 4: the text ends before # EOF");
    CHECK(bench.series.empty());
}

TEST_CASE("any change of a text is read or refused, and nothing else", "[app_metrics]") {
    std::mt19937 random(5);
    for (int i = 0; i < 20'000; ++i) {
        std::string text = kText;
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
            const auto at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = static_cast<char>(random() % 256);
                    break;
                case 1:
                    text.erase(at, random() % 8);
                    break;
                default:
                    text.insert(at, 1, "{}\"\\\n #=,e+-."[random() % 14]);
            }
        }
        try {
            for (const auto& series : parse_exposition(text, random() % 2 == 0).series) {
                REQUIRE(std::isfinite(series.value));
                REQUIRE(series.name.size() <= 128);
                REQUIRE(series.labels.size() <= 16);
            }
        } catch (const steward::sdk::Failure& failure) {
            REQUIRE(failure.status() == STEWARD_E_UNSUPPORTED);
        }
    }
}

TEST_CASE("an answer is the same in whatever pieces it comes", "[app_metrics]") {
    const std::string whole = script::message(200, kText, "text/plain");
    for (std::size_t size = 1; size < whole.size(); size += 13) {
        HttpResponse response;
        bool complete = false;
        for (std::size_t from = 0; from < whole.size(); from += size) {
            REQUIRE_FALSE(complete);
            complete = response.put(std::string_view(whole).substr(from, size));
        }
        CHECK(complete);
        CHECK(response.status() == 200);
        CHECK(response.body() == kText);
    }
}

TEST_CASE("an app that does not give its metrics is an error with its reason", "[app_metrics]") {
    struct Case {
        Script script;
        steward_status status;
        std::string text;  // "@": address and port
    };
    const auto one = GENERATE(values<Case>({
        {script::respond(404, "no"), STEWARD_E_UNSUPPORTED, "GET /metrics: 404, expected 200"},
        {script::raw("SSH-2.0-x\r\n\r\n"), STEWARD_E_UNSUPPORTED,
         "the answer is not HTTP: \"SSH-2.0-x\""},
        {script::chunked(200, {"a 1\n"}), STEWARD_E_UNSUPPORTED,
         "the answer is coded although that was not asked for: transfer-encoding chunked"},
        {script::raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), STEWARD_E_UNSUPPORTED,
         "the answer's Content-Length is wrong: \"-1\""},
        {script::huge_body(100'000'000), STEWARD_E_EXHAUSTED,
         "the answer's body is larger than 256 KiB"},
        {script::huge_header(1'000'000), STEWARD_E_EXHAUSTED,
         "the answer's headers are larger than 16 KiB"},
        {script::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na 1\n"), STEWARD_E_IO,
         "@: closed before the answer's end"},
        {script::close_after_request(), STEWARD_E_IO, "@: closed before the answer's end"},
        {script::reset_after("HTTP/1.1 200 OK\r\n"), STEWARD_E_IO, "@: Connection reset by peer"},
    }));
    ScriptedHttpServer server(one.script);
    MetricsBench bench;
    CHECK(bench.sample(server) == one.status);
    const auto peer = server.address() + ":" + std::to_string(server.port());
    CHECK(bench.error == (one.text[0] == '@' ? peer + one.text.substr(1) : one.text));
    CHECK(bench.series.empty());
}

TEST_CASE("a body without a length ends with the connection", "[app_metrics]") {
    ScriptedHttpServer server(script::raw("HTTP/1.0 200 OK\r\n\r\na 1\n"));
    MetricsBench bench;
    CHECK(bench.sample(server) == STEWARD_OK);
    CHECK(bench.series["a"].value == 1);
}

TEST_CASE("an app that has gone is gone", "[app_metrics]") {
    const ClosedPort closed;
    MetricsBench bench;
    CHECK(bench.sample("127.0.0.1", closed.port()) == STEWARD_E_GONE);
    CHECK(bench.error == "127.0.0.1:" + std::to_string(closed.port()) + ": connection refused");
}

TEST_CASE("a service without a port or a literal address is not asked", "[app_metrics]") {
    MetricsBench bench;
    CHECK(bench.sample("127.0.0.1", 0) == STEWARD_E_UNSUPPORTED);
    CHECK(bench.error == "the service has no port to ask");
    CHECK(bench.sample("localhost", 80) == STEWARD_E_UNSUPPORTED);
    CHECK(bench.error == "localhost is not a literal IPv4 or IPv6 address");
}

TEST_CASE("the sample is back before its deadline, whatever the app does", "[app_metrics]") {
    ScriptedHttpServer server(GENERATE(
        script::black_hole(), script::stall_after("HTTP/1.1 200 OK\r\n\r\na 1\n"),
        script::drip(script::message(200, std::string(4000, '\n'), "text/plain"), 1, 20ms)));
    MetricsBench bench;
    const auto begun = bench.host.now();
    CHECK(bench.sample(server, 300ms) == STEWARD_E_TIMEOUT);
    const std::chrono::nanoseconds took(bench.host.now() - begun);
    CHECK(took >= 200ms);
    // It may only be late for want of a processor, on a machine that is busy with something else.
    CHECK(took < 300ms + 1s);
    CHECK(bench.series.empty());
}

TEST_CASE("a deadline that has passed is a time-out at once, on any clock", "[app_metrics]") {
    const UnattendedPort port;
    MetricsBench bench("{}", Clock::kVirtual);
    CHECK(bench.sample("127.0.0.1", port.port(), 0ms) == STEWARD_E_TIMEOUT);
    CHECK(bench.sample("127.0.0.1", port.port(), 40ms) == STEWARD_E_TIMEOUT);
}

TEST_CASE("a path that would be another request is refused", "[app_metrics]") {
    FakePluginHost host(Clock::kVirtual);
    const std::string path = GENERATE("", "metrics", "/a b", "/a\\r\\nX: y");
    CHECK_THROWS_WITH(
        PluginUnderTest(host, steward_plugin_entry_app_metrics, R"({"path":")" + path + R"("})"),
        Catch::StartsWith("path: must begin with a slash"));
}
