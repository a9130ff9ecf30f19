#include <csignal>

#include "phases.hpp"

namespace steward::bench {
namespace {

constexpr double kMegabytes = 32;
constexpr int kPatienceMs = 60'000;

// The app writes, all else stands still; MB/s.
double write_once(StartReports& reports, pid_t app) {
    kill(app, SIGUSR1);
    const auto begin = reports.next(kPatienceMs).when;
    const auto end = reports.next(kPatienceMs).when;
    return kMegabytes / (ms_between(begin, end) / 1000);
}

}  // namespace

std::vector<Contest> log_lines(const Workplace& place, int rounds) {
    Contest contest{"lines",
                    "the app writes 32 MB of 100-byte lines to its stdout (bare: `cat >/dev/null`)",
                    "MB/s"};
    contest.most_wins = true;
    contest.of_bare = 1.25;
    contest.remarks[Who::kMonit] = "keeps none";
    const Phase phase;
    Task task;
    task.words = {"lines=" + std::to_string(static_cast<long>(kMegabytes * 1e6))};
    task.steward_options = {"--health", "none"};
    StartReports bare_reports(place.file("lines-bare.fifo"));
    Plan plan;
    plan.argv = {"/bin/sh", "-c",
                 place.app("subject") + " " + bare_reports.path() + " " + task.words[0] +
                     " | cat >/dev/null"};
    plan.env = place.env();
    plan.err = place.log();
    const Process bare(plan);
    const auto bare_app = bare_reports.next();
    std::vector<std::unique_ptr<Supervised>> others;
    for (const Who who : {Who::kSteward, Who::kRunit, Who::kS6, Who::kSupervisord}) {
        others.push_back(
            std::make_unique<Supervised>(place, who, std::string("lines-") + name_of(who), task));
    }
    for (int round = 0; round < rounds; ++round) {
        contest.samples[Who::kBare].add(write_once(bare_reports, bare_app.who));
        for (auto& other : others) {
            contest.samples[other->who()].add(write_once(other->reports(), other->app().who));
        }
    }
    return {contest};
}

}  // namespace steward::bench
