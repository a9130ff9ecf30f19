#include <csignal>
#include <random>

#include "benches.hpp"
#include "mcp_client.hpp"
#include "start_reports.hpp"

namespace steward::bench {
namespace {

constexpr double kAim = 1.25;
// Kills the app, whose last report is `app`; the milliseconds until its replacement's main().
double kill_and_wait(StartReports& reports, StartReport& app) {
    const auto killed = now_ns();
    if (kill(app.who, SIGKILL) != 0) {
        fail("kill");
    }
    app = reports.next();
    return ms_between(killed, app.when);
}

}  // namespace

std::vector<Row> respawn(const Workplace& place, const Settings& settings) {
    Report report("respawn");
    StartReports bare_reports(place.file("bare.fifo"));
    StartReports steward_reports(place.file("steward.fifo"));

    Plan plan;
    plan.argv = {place.app("respawner"), place.app("start_reporter"), bare_reports.path()};
    plan.env = place.env();
    plan.err = place.log();
    const Process bare(plan);
    // stable_ms=0: each instance has been healthy (it lives), so each failure begins a new series
    // and no budget runs out.
    McpClient steward(
        place,
        place.steward_mcp(free_port(), {"--health", "none", "--set", "restart_backoff.base_ms=0",
                                        "--set", "restart_backoff.stable_ms=0", "--set",
                                        "restart_backoff.max_restarts=200", "--",
                                        place.app("start_reporter"), steward_reports.path()}));
    steward.send(initialize_line() + initialized_line());
    auto bare_app = bare_reports.next();
    auto steward_app = steward_reports.next();

    Samples bare_ms;
    Samples steward_ms;
    // Pauses of uneven length: both sides are back at rest, and no timer of either is always hit at
    // the same phase.
    std::minstd_rand random(1);
    std::uniform_real_distribution<double> pause_ms(8, 20);
    for (int round = -5; round < settings.rounds_or(300); ++round) {
        for (const bool bare_turn : {round % 2 == 0, round % 2 != 0}) {
            sleep_ms(pause_ms(random));
            const double took = bare_turn ? kill_and_wait(bare_reports, bare_app)
                                          : kill_and_wait(steward_reports, steward_app);
            if (round >= 0) {  // The first ones warm up.
                (bare_turn ? bare_ms : steward_ms).add(took);
            }
        }
    }
    steward.close();

    report.series("bare respawner", "ms", bare_ms);
    report.series("steward", "ms", steward_ms);
    report.number("ratio_p50", steward_ms.median() / bare_ms.median());
    report.row({"SIGKILL of the app to its replacement's main()",
                "ms",
                bare_ms.median(),
                std::nullopt,
                steward_ms.median(),
                {{kAim, Aim::Of::kBare}}});
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
