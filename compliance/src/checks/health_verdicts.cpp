// The check health-verdicts: what is said of everything that a port can do.
#include <array>
#include <functional>
#include <steward/sdk/text.hpp>

#include "health_rules.hpp"
#include "manner.hpp"
#include "strategies.hpp"
#include "targets.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 2s;
constexpr std::uint64_t kHugeBody = 100'000'000;
constexpr std::uint64_t kHugeHeader = 64 * 1024;

enum class Expected {
    kHealthy,
    kUnhealthy,
    kEither,  // a matter of taste, but no fault of the probe's
    kReport   // a report of the right form is all
};

struct Row {
    std::string name;
    Script script;
    Expected expected;
    // What the server does ends without an end: the clock goes to the deadline once all has been
    // sent.
    bool endless = false;
    // The kernels of both sides race: only the verdict is the same each time.
    bool racy = false;
};

std::string random_bytes(Random& random) {
    std::string bytes("\x8f");
    while (bytes.size() < 2000) {
        bytes += static_cast<char>(random.below(256));
    }
    return bytes;
}

std::vector<Row> rows(const Manner& manner, Random& random) {
    const std::string good = script::message(manner.status, manner.body);
    const std::string head = good.substr(0, good.find("\r\n\r\n") + 4);
    const Expected well = manner.content ? Expected::kHealthy : Expected::kEither;
    const Expected cut = manner.reads_body ? Expected::kUnhealthy : Expected::kEither;
    const Expected bad = Expected::kUnhealthy;
    const Expected either = Expected::kEither;
    const std::string start = "HTTP/1.1 " + std::to_string(manner.status) + " OK\r\n";
    std::vector<Row> rows{
        {"the answer of a healthy service", manner.good(), well},
        {"the same answer in pieces of 3 bytes", script::drip(good, 3, 0ms), well},
        {"status 404", script::respond(404, manner.body), bad},
        {"status 500", script::respond(500, manner.body), bad},
        {"status 503", script::respond(503, manner.body), bad},
        {"status 301", script::redirect("/elsewhere"), either},
        {"no answer at all", script::black_hole(), bad, true},
        {"headers that stop", script::stall_after(start + "Content-Ty"), bad, true},
        {"a body that stops", script::stall_after(head + manner.body.substr(0, 1)), cut, true},
        {"a body that is cut off", script::raw(head + manner.body.substr(0, 1)), cut},
        {"RST before an answer", script::reset_after(""), bad, false, true},
        {"RST within the headers", script::reset_after(start), bad, false, true},
        {"FIN before an answer", script::close_after_request(), bad},
        {"FIN within the headers", script::raw(start + "Content-Ty"), bad},
        {"a connection that is closed at once", script::close_at_once(), bad, false, true},
        {"another protocol (SMTP)", script::raw("220 mail.example ESMTP ready\r\n"), bad},
        {"a TLS alert", script::raw(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)), bad},
        {"2000 random bytes", script::raw(random_bytes(random)), bad, false, true},
        {"a body of 100 MB", script::huge_body(kHugeBody), either},
        {"a header line of 64 KiB", script::huge_header(kHugeHeader), either},
    };
    if (!manner.body.empty()) {
        rows.push_back({"status 204 without a body", script::respond(204, ""), either});
        const bool whole = manner.status == 200;
        rows.push_back(
            {"the healthy answer by HTTP/1.0, ended by FIN",
             script::raw("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + manner.body),
             whole ? well : either});
    }
    return rows;
}

// A verdict that only an HTTP client can come to is not asked of another.
Expected owed(const Manner& manner, Expected expected) {
    if (!manner.connects) {
        return Expected::kReport;
    }
    return manner.speaks_http ? expected : Expected::kEither;
}

bool fits(const HealthReport& report, Expected expected) {
    switch (expected) {
        case Expected::kHealthy:
            return report.verdict == STEWARD_HEALTHY;
        case Expected::kUnhealthy:
            return report.verdict == STEWARD_UNHEALTHY;
        case Expected::kEither:
            return report.verdict == STEWARD_HEALTHY || report.verdict == STEWARD_UNHEALTHY;
        case Expected::kReport:
            return true;
    }
    return false;
}

const char* to_text(Expected expected) {
    switch (expected) {
        case Expected::kHealthy:
            return "HEALTHY";
        case Expected::kUnhealthy:
            return "UNHEALTHY";
        case Expected::kEither:
            return "HEALTHY or UNHEALTHY";
        case Expected::kReport:
            break;
    }
    return "a report";
}

class Judge {
  public:
    Judge(Session& session, const Instance& instance, Random& random)
        : host_(session.host()), prober_(host_, instance), manner_(manner_of(session, instance)) {
        for (const Row& row : rows(manner_, random)) {
            serve(row);
        }
        const ClosedPort refused;
        silent("a port that refuses", refused.port(), Expected::kUnhealthy);
        const UnattendedPort unattended;
        silent("a port that connects and never answers", unattended.port(),
               manner_.speaks_http ? Expected::kUnhealthy : Expected::kEither);
        const SilentPort black_hole;
        if (black_hole.silent()) {
            silent("a port that does not even refuse", black_hole.port(), Expected::kUnhealthy);
        }
    }

  private:
    // Twice each: the same question gets the same verdict.
    void serve(const Row& row) {
        const Expected expected = owed(manner_, row.expected);
        ScriptedHttpServer server(row.script);
        const HealthReport first = probe(row, server, 1);
        judge(row.name, first, expected);
        if (manner_.speaks_http) {
            same(row.name, first, probe(row, server, 2), row.racy);
        }
    }

    HealthReport probe(const Row& row, ScriptedHttpServer& server, std::size_t turn) {
        start(row.name, server.port());
        const auto limit = manner_.speaks_http ? 10000ms : 20ms;
        if (row.endless) {
            prober_.wait_for_target(
                token_, [&] { return server.wait_holding(turn, 0ms); }, limit);
        } else {
            host_.run_until([&] { return !prober_.of(token_).empty(); }, limit);
        }
        return settle(row.name);
    }

    void silent(const std::string& name, std::uint16_t port, Expected expected) {
        const Expected wanted = manner_.connects ? expected : Expected::kReport;
        start(name, port);
        const HealthReport first = settle(name);
        judge(name, first, wanted);
        start(name, port);
        same(name, first, settle(name), /*racy=*/false);
    }

    void start(const std::string& name, std::uint16_t port) {
        const steward_status status = prober_.start(++token_, kLoopback, port, kLimit);
        require(status == STEWARD_OK, name + ": start gives status " + std::to_string(status) +
                                          " (" + prober_.error() + "), expected STEWARD_OK");
    }

    HealthReport settle(const std::string& name) {
        require(prober_.settle(token_, kLimit, 0ms), name + ": done had not come by the deadline");
        host_.run_ready();
        const auto& reports = prober_.of(token_);
        require(reports.size() == 1,
                name + ": done came " + std::to_string(reports.size()) + " times, expected once");
        return reports.front();
    }

    void judge(const std::string& name, const HealthReport& report, Expected expected) {
        require_form(name, report);
        require(fits(report, expected),
                name + ": " + compliance::to_text(report) + "; expected " + to_text(expected));
    }

    static void same(const std::string& name, const HealthReport& first, const HealthReport& second,
                     bool racy) {
        require(first.verdict == second.verdict &&
                    (racy || (first.code == second.code && first.status == second.status)),
                name + ", twice: first " + compliance::to_text(first) + ", then " +
                    compliance::to_text(second) + "; expected the same");
    }

    FakePluginHost& host_;
    Prober prober_;
    Manner manner_;
    steward_token token_ = 0;
};

}  // namespace

void require_form(const std::string& what, const HealthReport& report) {
    constexpr std::size_t kLongestDetail = 4096;
    const auto demand = [&](bool kept, const std::string& problem) {
        require(kept, what + ": " + problem + " (" + to_text(report) + ")");
    };
    demand(!report.inside_start, "done came from inside start");
    demand(report.on_plugin_thread, "done came on another thread than the plugin's");
    demand(report.verdict >= STEWARD_HEALTHY && report.verdict <= STEWARD_UNKNOWN,
           "the verdict is " + std::to_string(report.verdict) + ", which is none");
    demand(report.status >= STEWARD_OK && report.status <= STEWARD_E_INTERNAL,
           "the status is not one of abi.h");
    demand(report.verdict != STEWARD_HEALTHY || report.status == STEWARD_OK,
           "HEALTHY with a status that is not STEWARD_OK");
    demand(!report.detail.empty(), "the detail is empty");
    demand(report.detail.size() <= kLongestDetail, "the detail is longer than 4 KiB");
    demand(sdk::is_utf8(report.detail), "the detail is not UTF-8");
    demand(report.detail.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
           "the detail is more than one line");
    demand(report.latency >= 0ns,
           "the latency is " + std::to_string(report.latency.count()) + " ns");
}

void health_verdicts(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        const Judge judge(session, instance, trial.random());
    }
}

}  // namespace steward::compliance
