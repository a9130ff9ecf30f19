// Several supervised apps whose failures overlap: one waits for its second while others have theirs.
#pragma once
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "supervised.hpp"

namespace steward::bench {

struct Lane {
    std::unique_ptr<Supervised> supervised;
    int signal = 0;
    // How long the app must have lived before the signal.
    double life_ms = 0;

    // What the last round measured. `known_ms` stays negative if nothing was noted.
    double replaced_ms = -1;
    double known_ms = -1;
};

// Signals the app of each lane once, at a random moment of the next `spread_ms`, and waits until all
// are replaced and all supervisors have noted it. `replaced` is called for each new app, at once;
// `signalled` is when its predecessor got the signal. `knowledge`: whether that is waited for.
void strike(const std::vector<Lane*>& lanes, double spread_ms, bool knowledge,
            std::minstd_rand& random,
            const std::function<void(Lane&, std::int64_t signalled)>& replaced = {});

}  // namespace steward::bench
