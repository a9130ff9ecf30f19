#include <csignal>

#include "lanes.hpp"
#include "phases.hpp"

namespace steward::bench {
namespace {

// Two probes, at least: whoever looks each second has seen it healthy.
constexpr double kSettledMs = 2500;

Task app_of(Who who, bool alike) {
    Task task;
    task.port = free_port();
    const auto port = std::to_string(task.port);
    if (who == Who::kSteward) {
        task.words = {"fd={fd}"};
        task.steward_options = {
            "--health-interval",           "1s",    "--set",
            "restart_backoff.stable_ms=0", "--set", "restart_backoff.max_restarts=200"};
        if (alike) {
            task.steward_options.insert(task.steward_options.end(),
                                        {"--health-timeout", "2s", "--health-failures", "1",
                                         "--set", "restart_backoff.base_ms=0"});
        }
    } else {
        task.words = {"port=" + port};
        task.monit_check = "  if failed host 127.0.0.1 port " + port +
                           " protocol http request \"/health\"" +
                           (alike ? " with timeout 2 seconds" : "") + " then restart\n";
    }
    return task;
}

}  // namespace

std::vector<Contest> hang(const Workplace& place, int rounds) {
    Contest by_default{
        "hang", "the app stops answering → healthy again; probed each second, all else by default",
        "ms"};
    Contest alike{"hang_alike",
                  "the app stops answering → healthy again; probed each second, time-out 2 s, one "
                  "failed probe is enough, no delay before the restart",
                  "ms"};
    for (const Who who : {Who::kBare, Who::kRunit, Who::kS6, Who::kSupervisord}) {
        by_default.remarks[who] = alike.remarks[who] = "never";
    }
    const Phase phase;
    struct Entry {
        Lane lane;
        std::uint16_t port;
        Contest* contest;
    };
    std::vector<Entry> entries;
    for (auto* contest : {&by_default, &alike}) {
        for (const Who who : {Who::kSteward, Who::kMonit}) {
            const Task task = app_of(who, contest == &alike);
            entries.push_back(
                {{std::make_unique<Supervised>(place, who, contest->id + "-" + name_of(who), task),
                  SIGUSR1, kSettledMs},
                 task.port,
                 contest});
        }
    }
    std::vector<Lane*> lanes;
    for (auto& entry : entries) {
        lanes.push_back(&entry.lane);
    }
    std::minstd_rand random(2);
    for (int round = 0; round < rounds; ++round) {
        strike(lanes, 1000, false, random, [&](Lane& lane, std::int64_t signalled) {
            for (auto& entry : entries) {
                if (&entry.lane == &lane) {
                    wait_for_health(entry.port, now_ns() + 5'000'000'000);
                    entry.contest->samples[lane.supervised->who()].add(
                        ms_between(signalled, now_ns()));
                }
            }
        });
    }
    return {by_default, alike};
}

}  // namespace steward::bench
