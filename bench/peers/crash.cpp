#include <csignal>

#include "lanes.hpp"
#include "phases.hpp"

namespace steward::bench {
namespace {

// runit, s6 and supervisord treat an app that ends within its first second otherwise: no faster.
constexpr double kSettledMs = 1200;
// Of bare and steward for each one of the others, so that they have a 99th percentile.
constexpr int kPairs = 8;

constexpr double kAim = 1.25;

Task app_of(Who who, bool at_once) {
    Task task;
    if (who == Who::kSteward) {
        // stable_ms=0: each instance has been healthy (it lives), so each failure begins a new
        // series, and is the first.
        task.steward_options = {"--health", "none",
                                "--set",    "restart_backoff.stable_ms=0",
                                "--set",    "restart_backoff.max_restarts=200"};
        if (at_once) {
            task.steward_options.insert(task.steward_options.end(),
                                        {"--set", "restart_backoff.base_ms=0"});
        }
    }
    return task;
}

Lane lane_of(const Workplace& place, Who who, bool at_once, double life_ms) {
    const std::string name = std::string("crash-") + name_of(who) + (at_once ? "" : "-default");
    return {std::make_unique<Supervised>(place, who, name, app_of(who, at_once)), SIGKILL, life_ms};
}

}  // namespace

std::vector<Contest> crash(const Workplace& place, int rounds) {
    Contest at_once{"respawn",
                    "SIGKILL of the app → replacement's `main()`, each at its fastest setting",
                    "ms"};
    at_once.of_bare = kAim;
    Contest by_default{"respawn_default",
                       "SIGKILL of the app → replacement's `main()`, each as configured by default",
                       "ms"};
    Contest known{"detection",
                  "SIGKILL of the app → noted in the supervisor's log, status or events", "ms"};
    const Phase phase;
    Lane bare = lane_of(place, Who::kBare, true, 0);
    Lane steward = lane_of(place, Who::kSteward, true, 0);
    Lane runit = lane_of(place, Who::kRunit, true, kSettledMs);
    std::vector<Lane> slow;
    slow.push_back(lane_of(place, Who::kSteward, false, kSettledMs));
    for (const Who who : {Who::kS6, Who::kSupervisord, Who::kMonit}) {
        slow.push_back(lane_of(place, who, true, kSettledMs));
    }
    std::vector<Lane*> all_slow;
    for (auto& lane : slow) {
        all_slow.push_back(&lane);
    }
    // Pauses of uneven length: all sides are back at rest, and no timer is always hit at the same
    // phase.
    std::minstd_rand random(1);
    std::uniform_real_distribution<double> pause_ms(8, 20);
    const auto note = [&](const Lane& lane, bool first_choice) {
        const Who who = lane.supervised->who();
        if (first_choice) {
            at_once.samples[who].add(lane.replaced_ms);
        }
        if (who != Who::kSteward || !first_choice) {
            by_default.samples[who].add(lane.replaced_ms);
        }
        if (lane.known_ms >= 0 && first_choice) {
            known.samples[who].add(lane.known_ms);
        }
    };
    for (int round = -1; round < rounds; ++round) {
        for (int pair = 0; pair < kPairs; ++pair) {
            for (const bool bare_turn : {pair % 2 == 0, pair % 2 != 0}) {
                sleep_ms(pause_ms(random));
                Lane& lane = bare_turn ? bare : steward;
                strike({&lane}, 0, true, random);
                if (round >= 0) {  // The first round warms up.
                    note(lane, true);
                }
            }
        }
        strike({&runit}, 0, true, random);
        strike(all_slow, 1000, true, random);
        if (round < 0) {
            continue;
        }
        note(runit, true);
        for (const auto& lane : slow) {
            note(lane, lane.supervised->who() != Who::kSteward);
        }
    }
    return {at_once, by_default, known};
}

}  // namespace steward::bench
