#include "apps.hpp"

namespace steward::faults {

Milliseconds start_time(const Options& options) {
    return Milliseconds(options.flask ? 800 : 30) * kSlower;
}

std::vector<std::string> random_app(const Options& options, Random& random) {
    if (options.flask) {
        return {};
    }
    std::vector<std::string> extra;
    if (random.one_in(2)) {
        extra.emplace_back("--grandchild");
    }
    if (random.one_in(3)) {
        extra.insert(extra.end(), {"--children", "3"});
    }
    if (random.one_in(4)) {
        extra.emplace_back("--ignore-term");
    }
    return tests::test_app(extra);
}

std::vector<std::string> endless_restarts() {
    // With stable_ms=0 any health at all begins a new series, so the budget never ends.
    std::vector<std::string> args;
    for (const char* setting : {"restart_backoff.base_ms=0", "restart_backoff.cap_ms=0",
                                "restart_backoff.jitter_percent=0", "restart_backoff.stable_ms=0",
                                "restart_backoff.max_restarts=200"}) {
        args.insert(args.end(), {"--set", setting});
    }
    return args;
}

}  // namespace steward::faults
