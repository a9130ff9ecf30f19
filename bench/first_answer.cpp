#include "benches.hpp"
#include "mcp_client.hpp"

namespace steward::bench {
namespace {

constexpr double kAimMs = 15;
constexpr std::int64_t kPatience = 10'000'000'000;

double measure(const Workplace& place, const std::vector<std::string>& argv,
               const std::string& request) {
    McpClient server(place, argv);
    server.send(request);
    server.receive_with("\"id\":0", now_ns() + kPatience);
    const double took = ms_between(server.started_at(), now_ns());
    server.close();
    return took;
}

}  // namespace

std::vector<Row> first_answer(const Workplace& place, const Settings& settings) {
    Report report("first_answer");
    Samples bare;
    Samples initialize;
    Samples discover;
    for (int round = -2; round < settings.rounds_or(60); ++round) {
        const auto argv = place.steward_mcp(free_port());
        const double took[] = {
            measure(place, {place.app("echo")}, initialize_line()),
            measure(place, argv, discover_line()),
            // Last: the web app that it starts is gone before the next one is measured.
            measure(place, argv, initialize_line())};
        if (round >= 0) {  // The first ones warm up.
            bare.add(took[0]);
            discover.add(took[1]);
            initialize.add(took[2]);
        }
    }
    report.series("echo", "ms", bare);
    report.series("steward, initialize", "ms", initialize);
    report.series("steward, server/discover", "ms", discover);
    report.number("initialize_ratio_p50", initialize.median() / bare.median());
    report.number("discover_ratio_p50", discover.median() / bare.median());
    report.row({"start to the answer to initialize", "ms", bare.median(), initialize.median(),
                kAimMs, false});
    report.row({"start to the answer to server/discover", "ms", bare.median(), discover.median(),
                kAimMs, false});
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
