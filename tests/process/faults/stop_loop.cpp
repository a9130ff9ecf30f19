// Stop of apps that defend themselves: the tree is empty when it returns, and that is soon.
#include <memory>

#include "apps.hpp"
#include "loops.hpp"
#include "tree_watch.hpp"

namespace steward::faults {
namespace {

using tests::Sandbox;
using tests::StewardProcess;
using tests::StewardStart;
using tests::text_at;
using tests::wait_until;

constexpr Milliseconds kShutdownTimeout{500};
constexpr Milliseconds kStopped = kShutdownTimeout + Milliseconds(1000) * kSlower;

struct Defence {
    const char* name;
    std::vector<std::string> options;
};

// Everything that is forked holds the app's output pipes open.
const std::vector<Defence>& defences() {
    static const std::vector<Defence> all{
        {"500 daemons a second",
         {"--daemons-per-second", "500", "--ignore-term", "--stdout-bytes", "200000"}},
        {"fork bomb", {"--fork-bomb", "500", "--ignore-term"}},
        {"comet", {"--comet", "1000000", "--ignore-term"}},
        {"deaf, with a daemon and children",
         {"--grandchild", "--children", "20", "--ignore-term"}}};
    return all;
}

void round(Loop& loop, const Options& options, const Sandbox& sandbox) {
    Random random(loop.seed());
    const auto& defence = defences()[random.below(defences().size())];
    const std::string name = options.flask ? "Flask" : defence.name;
    StewardStart start;
    start.args = {"--shutdown-timeout", std::to_string(kShutdownTimeout.count()) + "ms"};
    if (!options.flask) {
        start.app = tests::test_app(defence.options);
    }
    StewardProcess steward(sandbox, std::move(start));
    steward.initialize();
    require(wait_until([&] { return !app_processes(sandbox).empty(); }), "the app did not start");
    let_pass(instant(random, options.flask ? start_time(options) : Milliseconds(300)));

    const auto asked = Clock::now();
    const auto result = steward.tool("flask_stop", "{}", kStopped);
    const auto returned = Clock::now();
    const auto left = app_processes(sandbox);
    require(returned - asked <= kStopped,
            name + ": stop took " + std::to_string(ms_between(asked, returned)) + " ms");
    require(text_at(result, "structuredContent.state") == "stopped",
            name + ": stop returned in state " + text_at(result, "structuredContent.state") + ": " +
                text_at(result, "structuredContent.cause"));
    require(left.empty(), name + ": " + std::to_string(left.size()) +
                              " processes live after the stop, the first: " +
                              (left.empty() ? "" : named({left.front().pid})));
    loop.figure("ms to stop: " + name, returned - asked);

    steward.close_stdin();
    require(steward.wait_exit(kGone).code == 0, "steward did not end well");
    require(wait_until([&] { return steward.left().empty(); }, kGone),
            name + ": left at the end: " + named(steward.left()));
    require(!has_report(steward.error_output()), steward.error_output());
    loop.add();
}

}  // namespace

int stop_loop(const Options& options) {
    Loop loop("stop", options);
    const Sandbox sandbox;
    while (loop.more()) {
        try {
            round(loop, options, sandbox);
        } catch (const std::exception& error) {
            loop.failed(std::string(error.what()) + last_events(sandbox));
        }
        loop.next_seed();
    }
    return loop.end("0 left");
}

}  // namespace steward::faults
