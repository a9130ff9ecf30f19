#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <stdexcept>

#include "benches.hpp"
#include "mcp_client.hpp"

namespace steward::bench {
namespace {

constexpr double kAim = 1.25;
constexpr std::int64_t kPatience = 5'000'000'000;

// The end at which apps/start_reporter.c says that it has started.
class Reports {
  public:
    explicit Reports(std::string path) : path_(std::move(path)) {
        // For reading and writing, so that it never ends; non-blocking, so that a deadline holds.
        if (mkfifo(path_.c_str(), 0600) != 0) {
            fail(path_);
        }
        fd_.reset(open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    }
    [[nodiscard]] const std::string& path() const { return path_; }

    // Waits for the next one: when main() began. Sets who() to its process.
    std::int64_t next() {
        pollfd ready{fd_.get(), POLLIN, 0};
        std::int64_t report[2];
        if (poll(&ready, 1, static_cast<int>(kPatience / 1'000'000)) <= 0 ||
            read(fd_.get(), report, sizeof report) != sizeof report) {
            throw std::runtime_error("the app was not started again in time");
        }
        who_ = static_cast<pid_t>(report[1]);
        return report[0];
    }
    [[nodiscard]] pid_t who() const { return who_; }

    // Kills the app; the milliseconds until its replacement's main().
    double kill_and_wait() {
        const auto killed = now_ns();
        if (kill(who_, SIGKILL) != 0) {
            fail("kill");
        }
        return ms_between(killed, next());
    }

  private:
    std::string path_;
    Fd fd_;
    pid_t who_ = -1;
};

}  // namespace

std::vector<Row> respawn(const Workplace& place, const Settings& settings) {
    Report report("respawn");
    Reports bare_reports(place.file("bare.fifo"));
    Reports steward_reports(place.file("steward.fifo"));

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
    bare_reports.next();
    steward_reports.next();

    Samples bare_ms;
    Samples steward_ms;
    // Pauses of uneven length: both sides are back at rest, and no timer of either is always hit at
    // the same phase.
    std::minstd_rand random(1);
    std::uniform_real_distribution<double> pause_ms(8, 20);
    for (int round = -5; round < settings.rounds_or(300); ++round) {
        for (const bool bare_turn : {round % 2 == 0, round % 2 != 0}) {
            sleep_ms(pause_ms(random));
            const double took = (bare_turn ? bare_reports : steward_reports).kill_and_wait();
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
