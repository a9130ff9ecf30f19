// SIGKILL of steward or of its guardian at any instant: of its start, of a restart, of a hand-over.
#include <csignal>
#include <memory>
#include <sstream>

#include "apps.hpp"
#include "loops.hpp"
#include "proc_kit.hpp"
#include "tree_watch.hpp"

namespace steward::faults {
namespace {

using tests::Json;
using tests::number_at;
using tests::Sandbox;
using tests::StewardProcess;
using tests::StewardStart;
using tests::wait_until;

constexpr Milliseconds kRecovered{5000 * kSlower};

// One session: some kills of its guardian, then one of steward.
class Session {
  public:
    Session(Loop& loop, const Options& options, const Sandbox& sandbox)
        : loop_(loop), options_(options), random_(loop.seed()), sandbox_(sandbox) {
        StewardStart start;
        start.args = endless_restarts();
        start.app = random_app(options, random_);
        steward_ = std::make_unique<StewardProcess>(sandbox, std::move(start));
        // Not waited for: the instants that follow count from the exec.
        steward_->send(steward_->request_text(
            1000, "initialize",
            R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"faults","version":"1"}})"));
    }

    void run() {
        const auto guardian_kills = random_.one_in(2) ? 0 : 1 + random_.below(4);
        for (std::uint64_t i = 0; i < guardian_kills && loop_.more(); ++i) {
            kill_guardian();
        }
        if (guardian_kills > 0 && random_.one_in(2)) {
            must_recover();
        }
        count_lost_guardians();
        kill_steward();
        require(!has_report(steward_->error_output()), steward_->error_output());
    }

  private:
    // A guardian that is not the last victim. Right after a kill it may also be the app on its way
    // to exec, which looks the same and dies with its guardian.
    pid_t find_guardian() {
        pid_t guardian = 0;
        const bool found = wait_until(
            [&] {
                steward_->pump();
                guardian = steward_->guardian();
                return guardian != 0 && guardian != last_guardian_;
            },
            kRecovered);
        require(found, "no guardian within " + std::to_string(kRecovered.count()) +
                           " ms: " + steward_->error_output());
        return guardian;
    }

    void kill_guardian() {
        pid_t guardian = 0;
        core::UniqueFd pidfd;
        do {
            guardian = find_guardian();
            pidfd = tests::pidfd_of(guardian);
            let_pass(instant(random_,
                             random_.one_in(3) ? start_time(options_) : start_time(options_) / 8));
        } while (!send_signal(pidfd, SIGKILL));
        const auto killed = Clock::now();
        last_guardian_ = guardian;
        ++guardians_killed_;
        std::vector<pid_t> old;
        // Twice in a row: what forks while /proc is read may be in neither of two views.
        int views = 0;
        const auto none = [&] {
            steward_->pump();
            old = of_killed_instances(sandbox_, *steward_, guardian);
            views = old.empty() && !inherits() ? views + 1 : 0;
            return views == 2;
        };
        const bool gone = tests::ends_within(pidfd, kGone) && wait_until(none, kGone);
        const auto now = Clock::now();
        require(gone && now - killed <= kGone,
                "a second after SIGKILL of the guardian these live: " + named(old));
        loop_.figure("ms from SIGKILL of the guardian to none left", now - killed);
        require(steward_->lives(), "steward ended with its guardian: " + steward_->error_output());
        loop_.add();
    }

    // Has steward a child that its guardian had? It is emptying that tree; to kill it too at this
    // instant is more than is promised.
    [[nodiscard]] bool inherits() const {
        for (const pid_t pid : tests::children_of(steward_->pid())) {
            const auto name = tests::process_name(pid);
            if (tests::process_lives(pid) && name != "app-guardian" &&
                !name.starts_with("steward")) {
                return true;
            }
        }
        return false;
    }

    // What steward has said of lost guardians: not more than were killed.
    void count_lost_guardians() {
        steward_->pump();
        std::istringstream lines(steward_->error_output());
        std::uint64_t lost = 0;
        for (std::string line; std::getline(lines, line);) {
            lost += line.find("service.restart_scheduled") != std::string::npos &&
                            line.find("the guardian ") != std::string::npos
                        ? 1
                        : 0;
        }
        require(lost <= guardians_killed_,
                std::to_string(guardians_killed_) + " guardians were killed, and " +
                    std::to_string(lost) + " lost: " + steward_->error_output());
    }

    // A healthy instance under another guardian.
    void must_recover() {
        const auto from = Clock::now();
        steward_->wait_status(
            [&](const Json& status) {
                return tests::text_at(status, "state") == "running" &&
                       tests::at(status, "healthy").convert<bool>() &&
                       steward_->guardian() != last_guardian_;
            },
            kRecovered);
        loop_.figure("ms from there to healthy again", Clock::now() - from);
    }

    // Waits for one of the instants that a kill may hit.
    void reach_instant() {
        const auto most = start_time(options_);
        const auto choice = random_.below(10);
        if (choice < 5) {
            let_pass(instant(random_, most));
            return;
        }
        if (choice < 8) {  // Of the spawn: from the guardian's appearance on.
            wait_until([&] { return steward_->guardian() != 0; }, kRecovered);
            let_pass(instant(random_, most / 8));
            return;
        }
        std::vector<AppProcess> app;
        wait_until([&] { return !(app = app_processes(sandbox_)).empty(); }, kRecovered);
        if (choice < 9 && !app.empty()) {  // Of a restart.
            ::kill(app.front().pid, SIGKILL);
        }
        let_pass(instant(random_, most));
    }

    void kill_steward() {
        reach_instant();
        steward_->kill(SIGKILL);
        const auto killed = Clock::now();
        require(steward_->wait_exit(kGone).signal == SIGKILL,
                "steward ended by itself: " + steward_->error_output());
        std::vector<pid_t> left;
        const bool gone = wait_until([&] { return (left = steward_->left()).empty(); }, kGone);
        const auto now = Clock::now();
        require(gone && now - killed <= kGone,
                "a second after SIGKILL of steward these live: " + named(left));
        loop_.figure("ms from SIGKILL of steward to none left", now - killed);
        loop_.add();
    }

    Loop& loop_;
    const Options& options_;
    Random random_;
    const Sandbox& sandbox_;
    std::unique_ptr<StewardProcess> steward_;
    pid_t last_guardian_ = 0;
    std::uint64_t guardians_killed_ = 0;
};

}  // namespace

int kill_loop(const Options& options) {
    Loop loop("kill", options);
    // Used again, as a user's folders are; a fresh one, where plugins are still unknown, now and
    // then.
    auto sandbox = std::make_unique<Sandbox>();
    std::size_t left = 0;
    for (std::uint64_t sessions = 1; loop.more(); ++sessions) {
        try {
            Session(loop, options, *sandbox).run();
        } catch (const std::exception& error) {
            loop.failed(std::string(error.what()) + last_events(*sandbox));
        }
        if (sessions % 16 == 0) {
            left += sandbox->processes().size();
            sandbox = std::make_unique<Sandbox>();
        }
        loop.next_seed();
    }
    left += sandbox->processes().size();
    if (left > 0) {
        loop.failed(std::to_string(left) + " processes are left at the end");
    }
    return loop.end(std::to_string(left) + " left");
}

}  // namespace steward::faults
