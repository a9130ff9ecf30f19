#include <algorithm>
#include <utility>

#include "simulation.hpp"

namespace steward::simulation {

Schedule shrunk(Schedule schedule, const std::string& name, const Options& options) {
    Options quiet = options;
    quiet.trace = nullptr;
    const auto breaks = [&](const Schedule& candidate) {
        const auto outcome = simulate(candidate, quiet);
        return outcome.broken && outcome.broken->name == name;
    };
    // Halves first, then ever smaller parts; again while single items still went.
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (std::size_t chunk = std::max<std::size_t>(schedule.items.size() / 2, 1); chunk > 0;
             chunk /= 2) {
            for (std::size_t at = 0; at + chunk <= schedule.items.size();) {
                Schedule shorter = schedule;
                const auto from = shorter.items.begin() + static_cast<std::ptrdiff_t>(at);
                shorter.items.erase(from, from + static_cast<std::ptrdiff_t>(chunk));
                if (breaks(shorter)) {
                    schedule = std::move(shorter);
                    smaller = true;
                } else {
                    at += chunk;
                }
            }
        }
    }
    return schedule;
}

}  // namespace steward::simulation
