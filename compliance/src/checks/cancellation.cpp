// Cancellation: a probe that is no longer wanted ends once, soon, and leaves nothing.
#include <algorithm>
#include <array>
#include <map>

#include "check.hpp"
#include "process_look.hpp"
#include "strategies.hpp"
#include "targets.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 2s;

// ---- cancel-once

bool is_cancelled(const HealthReport& report) {
    return report.verdict == STEWARD_UNKNOWN && report.status == STEWARD_E_CANCELLED;
}

// The probes of one instance, cancelled at every moment of their life.
class Canceller {
  public:
    Canceller(Session& session, const Instance& instance)
        : host_(session.host()), prober_(host_, instance) {}

    void run() {
        cancel_at_start();
        cancel_when_connected();
        cancel_within_the_body();
        cancel_in_done();
        cancel_at_the_deadline();
        cancel_after_done();
        cancel_what_never_was();
        for (int i = 0; i < 3; ++i) {
            host_.advance(kLimit);
        }
        for (const auto& [probe, when] : cases_) {
            require(prober_.of(probe).size() == 1, when + ": done came " +
                                                       std::to_string(prober_.of(probe).size()) +
                                                       " times, expected once");
        }
    }

  private:
    steward_token start(const std::string& when, std::uint16_t port) {
        const steward_token probe = ++last_;
        const steward_status status = prober_.start(probe, kLoopback, port, kLimit);
        require(status == STEWARD_OK, "a probe does not start: status " + std::to_string(status) +
                                          " (" + prober_.error() + ")");
        cases_.emplace(probe, when);
        return probe;
    }

    // Cancels it now; what comes must say so, unless it had come before.
    void cancel(steward_token probe, int times = 1) {
        const bool over = !prober_.of(probe).empty();
        for (int i = 0; i < times; ++i) {
            prober_.cancel(probe);
        }
        (void)prober_.settle(probe, kLimit, 0ms);
        require_cancelled(probe, over);
    }

    void require_cancelled(steward_token probe, bool over) {
        const std::string& when = cases_[probe];
        const auto& reports = prober_.of(probe);
        require(!reports.empty(), when + ": done did not come by the deadline");
        require(
            over || is_cancelled(reports.front()),
            when + ": " + to_text(reports.front()) + "; expected UNKNOWN with STEWARD_E_CANCELLED");
    }

    void cancel_at_start() {
        cancel(start("cancelled right after the start", targets_.good.port()));
        cancel(start("cancelled twice right after the start", targets_.unattended.port()), 2);
        // Its connection has been refused already, but nobody has told it.
        cancel(start("cancelled before the refusal is seen", targets_.refused.port()));
    }

    void cancel_when_connected() {
        const steward_token probe =
            start("cancelled with the connection made", targets_.unattended.port());
        host_.run_ready();
        cancel(probe);
    }

    void cancel_within_the_body() {
        ScriptedHttpServer server(
            script::stall_after("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"));
        const steward_token probe = start("cancelled within the body", server.port());
        // One that does not ask by HTTP is not answered: it need not be waited for.
        prober_.wait_for_target(
            probe, [&] { return server.wait_holding(1, 0ms); }, 200ms);
        host_.run_ready();
        cancel(probe, 2);
    }

    void cancel_in_done() {
        const steward_token probe =
            start("cancelled from inside its own done", targets_.refused.port());
        int depth = 0;
        prober_.on_done([&](const HealthReport& report) {
            if (report.probe == probe && ++depth == 1) {
                prober_.cancel(probe);
            }
        });
        (void)prober_.settle(probe, kLimit);
        prober_.on_done({});
        require_cancelled(probe, /*over=*/true);
    }

    // Two at once with the same deadline: the first to end has the other one cancelled, which is
    // due as well.
    void cancel_at_the_deadline() {
        const std::string when = "cancelled at its deadline, from inside the done of another";
        const steward_token one = start(when, targets_.unattended.port());
        const steward_token other = start(when, targets_.unattended.port());
        steward_token cancelled = 0;
        bool over = false;
        prober_.on_done([&](const HealthReport& report) {
            if (cancelled == 0) {
                cancelled = report.probe == one ? other : one;
                over = !prober_.of(cancelled).empty();
                prober_.cancel(cancelled);
            }
        });
        host_.run_ready();
        host_.advance(kLimit);
        (void)prober_.settle(one, 0s, 500ms);
        (void)prober_.settle(other, 0s, 500ms);
        prober_.on_done({});
        require(cancelled != 0, when + ": none of them has ended by then");
        require_cancelled(cancelled, over);
    }

    void cancel_after_done() {
        const steward_token probe = start("cancelled after done, twice", targets_.refused.port());
        (void)prober_.settle(probe, kLimit);
        cancel(probe, 2);
    }

    void cancel_what_never_was() {
        const std::size_t before = prober_.count();
        for (const steward_token probe : {steward_token{0}, last_ + 1000, ~steward_token{0}}) {
            prober_.cancel(probe);
        }
        host_.run_ready();
        require(prober_.count() == before, "probes that never were are cancelled: done came " +
                                               std::to_string(prober_.count() - before) +
                                               " times, expected never");
    }

    Targets targets_;
    FakePluginHost& host_;
    Prober prober_;
    steward_token last_ = 0;
    std::map<steward_token, std::string> cases_;
};

void cancel_once(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        Canceller(session, instance).run();
    }
}

// ---- cancel-latency

void cancel_latency(Trial& trial) {
    constexpr auto kSoon = 50ms;
    constexpr auto kNotice = 500ms;  // of real time, for threads of the plugin's own
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        const UnattendedPort unattended;
        Prober prober(host, instance);
        // Cancelled at once, and after a while.
        steward_token probe = 0;
        for (const auto later : {0ms, 1ms, 700ms}) {
            ++probe;
            require(prober.start(probe, kLoopback, unattended.port(), 60s) == STEWARD_OK,
                    "a probe does not start: " + prober.error());
            host.advance(later);
            if (!prober.of(probe).empty()) {
                continue;  // To connect was all it wanted.
            }
            const steward_ns begun = host.now();
            prober.cancel(probe);
            (void)host.run_until([&] { return !prober.of(probe).empty(); }, 0ms);
            host.advance(kSoon);
            require(host.run_until([&] { return !prober.of(probe).empty(); }, kNotice),
                    "a probe without an answer, cancelled " + std::to_string(later.count()) +
                        " ms after its start: done had not come " + std::to_string(kSoon.count()) +
                        " ms later");
            require(prober.of(probe).front().at <= begun + std::chrono::nanoseconds(kSoon).count(),
                    "done came later than " + std::to_string(kSoon.count()) + " ms after cancel");
        }
    }
}

// ---- cancel-storm

class Storm {
  public:
    static constexpr std::size_t kMostInFlight = 256;

    Storm(FakePluginHost& host, const Instance& instance, const Targets& targets)
        : host_(host), targets_(targets), prober_(host, instance) {}

    // So many starts and cancels, of whatever there is and was, with at most kMostInFlight probes
    // without a report; then everything has ended.
    void run(Random& random, std::size_t actions) {
        const steward_token first = last_ + 1;
        for (std::size_t done = 0; done < actions; ++done) {
            const auto action = random.below(100);
            if (action < 70 && last_ - prober_.count() - refused_ < kMostInFlight) {
                const std::uint16_t port =
                    random.one_in(2) ? targets_.refused.port() : targets_.unattended.port();
                const std::chrono::milliseconds limit(1 + random.below(2000));
                started_.push_back(prober_.start(++last_, kLoopback, port, limit) == STEWARD_OK);
                refused_ += started_.back() ? 0 : 1;
            } else if (action < 95 && last_ != 0) {
                prober_.cancel(last_ - random.below(std::min<steward_token>(last_, 300)));
            } else if (action < 98) {
                host_.run_ready();
            } else {
                host_.advance(std::chrono::milliseconds(random.below(20)));
            }
        }
        host_.advance(kLimit + 200ms);
        (void)prober_.wait(last_ - refused_, 1s);
        for (steward_token probe = first; probe <= last_; ++probe) {
            const std::size_t expected = started_[probe - 1] ? 1 : 0;
            const std::size_t came = prober_.of(probe).size();
            require(came == expected,
                    "probe " + std::to_string(probe) + " of " + std::to_string(last_) +
                        ", started and cancelled at random: done came " + std::to_string(came) +
                        " times, expected " + std::to_string(expected));
        }
    }

  private:
    FakePluginHost& host_;
    const Targets& targets_;
    Prober prober_;
    steward_token last_ = 0;
    std::size_t refused_ = 0;
    std::vector<bool> started_;
};

void cancel_storm(Trial& trial) {
    constexpr std::size_t kActions = 8'000;
    constexpr std::size_t kActionsAfter = 2'000;
    constexpr std::int64_t kSpare = 100;  // blocks; what a table keeps for its next growth
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        const Targets targets;
        Storm storm(host, instance, targets);
        storm.run(trial.random(), kActions);
        const auto descriptors = open_descriptors();
        const auto watched = host.watched();
        const auto armed = host.armed();
        const auto blocks = watch_live_blocks();
        storm.run(trial.random(), kActionsAfter);
        const std::string after = "after " + std::to_string(kActionsAfter) +
                                  " more starts and cancels of probes that have all ended: ";
        require(host.watched() <= watched, after + "more descriptors are watched, " +
                                               std::to_string(host.watched()) + " after " +
                                               std::to_string(watched));
        require(host.armed() <= armed, after + "more timers are armed, " +
                                           std::to_string(host.armed()) + " after " +
                                           std::to_string(armed));
        const std::string opened = opened_since(descriptors);
        require(opened.empty(), after + "descriptors are still open: " + opened);
        const std::int64_t more = watch_live_blocks() - blocks;
        require(trial.library().has_own_threads() || more <= kSpare,
                after + std::to_string(more) + " more blocks of memory are in use");
    }
}

constexpr std::array kChecks{
    Check{44, "cancel-once", Level::kMust, STEWARD_IFACE_HEALTH,
          "whenever a probe is cancelled, done comes once: with UNKNOWN and STEWARD_E_CANCELLED "
          "if it had not come before",
          "the host keeps what belongs to a probe until done: one that never comes is memory "
          "that is never freed, a second one is a use of memory that is",
          "take the probe out of your table first and call its done after it; ignore a cancel of "
          "what is not in the table",
          20s, &cancel_once},
    Check{45, "cancel-latency", Level::kShould, STEWARD_IFACE_HEALTH,
          "done comes within 50 ms of the host's clock after cancel",
          "a service is stopped only when its probes have ended",
          "report from inside cancel(), or post it", 20s, &cancel_latency},
    Check{
        46, "cancel-storm", Level::kMust, STEWARD_IFACE_HEALTH,
        "10,000 starts and cancels at random, with 256 probes at once: each is reported once, and "
        "no descriptor, timer or memory stays behind",
        "a supervisor runs for years: what is lost with one probe in a thousand ends it",
        "let one object own the descriptor, the timer and the memory of a probe, and destroy it "
        "when it ends, however it ends",
        60s, &cancel_storm},
};

}  // namespace

const std::span<const Check> kCancellationChecks{kChecks};

}  // namespace steward::compliance
