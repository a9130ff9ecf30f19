#include "benches.hpp"
#include "mcp_client.hpp"

namespace steward::bench {
namespace {

constexpr double kAim = 1.1;
constexpr std::int64_t kPatience = 30'000'000'000;

// The web app alone, with a socket and a request that wait for it, which is how it is started by
// steward too.
double measure_bare(const Workplace& place) {
    const auto listener = listen_anywhere();
    const auto started = now_ns();
    const Process app(place.bare_flask(listener));
    wait_for_health(listener.port, started + kPatience);
    return ms_between(started, now_ns());
}

double measure_steward(const Workplace& place) {
    const auto port = free_port();
    McpClient server(place, place.steward_mcp(port));
    server.send(initialize_line() + initialized_line());
    wait_for_health(port, server.started_at() + kPatience);
    const double took = ms_between(server.started_at(), now_ns());
    server.close();
    return took;
}

}  // namespace

std::vector<Row> flask_start(const Workplace& place, const Settings& settings) {
    Report report("flask_start");
    Samples bare;
    Samples steward;
    for (int round = -1; round < settings.rounds_or(30); ++round) {
        for (const bool bare_turn : {round % 2 == 0, round % 2 != 0}) {
            const double took = bare_turn ? measure_bare(place) : measure_steward(place);
            if (round >= 0) {  // The first one compiles the app's modules.
                (bare_turn ? bare : steward).add(took);
            }
        }
    }
    report.series("the app alone", "ms", bare);
    report.series("steward", "ms", steward);
    report.number("ratio_p50", steward.median() / bare.median());
    report.row({"start to the web app's first 200",
                "ms",
                bare.median(),
                std::nullopt,
                steward.median(),
                {{kAim, Aim::Of::kBare}}});
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
