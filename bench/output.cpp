#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "benches.hpp"
#include "process.hpp"

namespace steward::bench {
namespace {

constexpr double kAim = 0.9;
constexpr int kPatienceMs = 120'000;
constexpr std::int64_t kEnd = 5'000'000'000;

// What the app writes in a round.
struct Load {
    std::string name;
    double bytes;
    int per_write;
};

// Waits for the report of apps/writer.c; the app's speed in MB/s.
double speed(const Load& load, const Fd& reports) {
    pollfd ready{reports.get(), POLLIN, 0};
    double ms = 0;
    if (poll(&ready, 1, kPatienceMs) <= 0 ||
        read(reports.get(), &ms, sizeof ms) != static_cast<ssize_t>(sizeof ms)) {
        throw std::runtime_error("the app could not write its output in time");
    }
    return load.bytes / 1e3 / ms;
}

// The app, and `cat` which reads it and writes to `path`.
double with_cat(const Workplace& place, const std::vector<std::string>& app, const Load& load,
                const std::string& path, const Fd& reports) {
    const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    Pipe pipe = make_pipe();
    Plan reading;
    reading.argv = {"cat"};
    reading.env = place.env();
    reading.in = pipe.read.get();
    reading.out = file.get();
    const Process cat(reading);
    Plan writing;
    writing.argv = app;
    writing.env = place.env();
    writing.out = pipe.write.get();
    const Process writer(writing);
    return speed(load, reports);
}

double with_steward(const Workplace& place, const std::vector<std::string>& app, const Load& load,
                    const Fd& reports) {
    Plan plan;
    plan.argv = {
        place.steward(), "run", "--health", "none", "--port", std::to_string(free_port()), "--"};
    plan.argv.insert(plan.argv.end(), app.begin(), app.end());
    plan.env = place.env();
    plan.err = place.log();
    Process steward(plan);
    const double result = speed(load, reports);
    steward.signal(SIGTERM);
    if (!steward.wait(now_ns() + kEnd)) {
        throw std::runtime_error("steward has not ended in time");
    }
    return result;
}

}  // namespace

std::vector<Row> output(const Workplace& place, const Settings& settings) {
    Report report("output");
    const std::string fifo = place.file("report.fifo");
    if (mkfifo(fifo.c_str(), 0600) != 0) {
        fail(fifo);
    }
    const Fd reports(open(fifo.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    const Load loads[] = {{"a write for each line", 100e6, 100},
                          {"64 kB in a write", 1000e6, 64'000}};
    for (const auto& load : loads) {
        Samples null_speed;
        Samples file_speed;
        Samples steward_speed;
        const std::vector<std::string> app{place.app("writer"),
                                           std::to_string(static_cast<long long>(load.bytes)),
                                           std::to_string(load.per_write), fifo};
        for (int round = -1; round < settings.rounds_or(5); ++round) {
            const double to_null = with_cat(place, app, load, "/dev/null", reports);
            const double to_steward = with_steward(place, app, load, reports);
            const double to_file = with_cat(place, app, load, place.file("cat.log"), reports);
            unlink(place.file("cat.log").c_str());
            if (round >= 0) {  // The first one warms up.
                null_speed.add(to_null);
                file_speed.add(to_file);
                steward_speed.add(to_steward);
            }
        }
        report.series("cat >/dev/null, " + load.name, "MB/s", null_speed);
        report.series("cat >file, " + load.name, "MB/s", file_speed);
        report.series("steward, " + load.name, "MB/s", steward_speed);
        report.row({"the app's output, " + load.name,
                    "MB/s",
                    null_speed.median(),
                    std::nullopt,
                    steward_speed.median(),
                    {{kAim, Aim::Of::kBare, Aim::Is::kLeast}}});
    }
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
