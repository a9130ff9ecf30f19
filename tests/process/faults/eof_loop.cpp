// EOF on stdin at any instant: exit within a second, nothing left, and hardly any CPU on the way.
#include <csignal>
#include <memory>

#include "apps.hpp"
#include "loops.hpp"
#include "proc_kit.hpp"
#include "tree_watch.hpp"

namespace steward::faults {
namespace {

using tests::Sandbox;
using tests::StewardProcess;
using tests::StewardStart;
using tests::wait_until;

constexpr Milliseconds kPatience{10'000};

void reach_instant(StewardProcess& steward, const Sandbox& sandbox, const Options& options,
                   Random& random) {
    const auto most = start_time(options);
    const auto choice = random.below(10);
    if (choice < 6) {
        let_pass(instant(random, most));
        return;
    }
    std::vector<AppProcess> app;
    wait_until(
        [&] {
            steward.pump();
            return !(app = app_processes(sandbox)).empty();
        },
        kPatience);
    if (choice < 8 && !app.empty()) {
        ::kill(app.front().pid, SIGKILL);
    } else if (choice < 9) {  // A stop or restart under way.
        steward.request_tool(random.one_in(2) ? "flask_stop" : "flask_restart");
    }
    let_pass(instant(random, most));
}

void round(Loop& loop, const Options& options, const Sandbox& sandbox) {
    Random random(loop.seed());
    StewardStart start;
    start.args = endless_restarts();
    start.app = random_app(options, random);
    StewardProcess steward(sandbox, std::move(start));
    if (!random.one_in(8)) {
        steward.send(steward.request_text(
            1000, "initialize",
            R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"faults","version":"1"}})"));
    }
    reach_instant(steward, sandbox, options, random);

    const auto cpu_before = own_cpu(steward.pid());
    const auto asked = Clock::now();
    steward.close_stdin();
    const bool ended = wait_until(
        [&] {
            steward.pump(Milliseconds(20));  // Ends with the process.
            return !steward.lives();
        },
        kGone);
    const auto ended_at = Clock::now();
    require(ended && ended_at - asked <= kGone,
            "no exit within a second of EOF: " + steward.error_output());
    // A zombie still has its times.
    const auto cpu = own_cpu(steward.pid()) - cpu_before;
    const auto exit = steward.wait_exit();
    require(exit.code == 0, "exit code " + std::to_string(exit.code) + ", signal " +
                                std::to_string(exit.signal) + ": " + steward.error_output());
    require(cpu < kEofCpu, std::to_string(cpu.count()) +
                               " ms of CPU from EOF to the exit: " + steward.error_output());
    std::vector<pid_t> left;
    const bool gone = wait_until([&] { return (left = steward.left()).empty(); }, kGone);
    require(gone && Clock::now() - asked <= kGone, "a second after EOF these live: " + named(left));
    require(steward.impure_lines().empty(), "stdout has a line that is no message");
    require(!has_report(steward.error_output()), steward.error_output());
    loop.figure("ms from EOF to the exit", ended_at - asked);
    loop.figure("ms of CPU of steward from EOF to the exit", static_cast<double>(cpu.count()));
    loop.add();
}

}  // namespace

int eof_loop(const Options& options) {
    Loop loop("eof", options);
    auto sandbox = std::make_unique<Sandbox>();
    for (std::uint64_t rounds = 1; loop.more(); ++rounds) {
        try {
            round(loop, options, *sandbox);
        } catch (const std::exception& error) {
            loop.failed(std::string(error.what()) + last_events(*sandbox));
        }
        if (rounds % 16 == 0) {
            sandbox = std::make_unique<Sandbox>();
        }
        loop.next_seed();
    }
    return loop.end("0 left");
}

}  // namespace steward::faults
