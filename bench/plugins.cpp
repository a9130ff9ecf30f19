#include <sys/eventfd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

#include "benches.hpp"
#include "steward/core/loop.hpp"
#include "steward/core/plugin_strategies.hpp"
#include "steward/core/unique_fd.hpp"
#include "steward/restart.h"

namespace steward::bench {
namespace {

constexpr double kDecisionAimUs = 25;
constexpr double kLatencyAimMs = 2;
constexpr double kHarnessAimS = 10;
constexpr double kSpinMs = 8000;  // of apps/spinner.cpp
constexpr auto kTick = std::chrono::milliseconds(1);
constexpr std::int64_t kPatience = 120'000'000'000;

// PluginStrategies with one restart strategy, on a loop of its own.
class Bed {
  public:
    Bed(const Workplace& place, const std::string& restart)
        : thread_([this] { loop_.run(); }),
          files_thread_([this] { files_.run(); }),
          catalogue_(
              {place.built("bin/steward-plugin-probe"), place.built("bin/plugins"), {}, {}}) {
        const core::StrategyChoice choice{"none", restart, "none", "none", {}};
        const auto ready = ask<core::Status>([&](auto answer) {
            libraries_ = std::make_unique<core::PluginLibraries>("bench", [](int, std::string) {});
            strategies_ = std::make_unique<core::PluginStrategies>(
                loop_, files_, catalogue_, *libraries_, choice,
                [](core::EventName, const std::string&, const std::string&, const std::string&) {});
            strategies_->prepare(std::move(answer));
        });
        if (!ready) {
            end();
            throw std::runtime_error(ready.error().text);
        }
    }
    ~Bed() { end(); }
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;

    // On the loop's thread: `work` is given what ends the wait for it.
    template <class Answer>
    Answer ask(std::function<void(std::function<void(Answer)>)> work) {
        const auto promise = std::make_shared<std::promise<Answer>>();
        auto future = promise->get_future();
        loop_.post([work = std::move(work), promise] {
            work([promise](Answer answer) { promise->set_value(std::move(answer)); });
        });
        return future.get();
    }
    core::Loop& loop() { return loop_; }
    core::PluginStrategies& strategies() { return *strategies_; }

  private:
    void end() {
        ask<bool>([this](const auto& done) {
            strategies_.reset();
            libraries_.reset();
            done(true);
        });
        loop_.stop();
        files_.stop();
        thread_.join();
        files_thread_.join();
    }

    core::Loop loop_;
    core::Loop files_;
    std::thread thread_;
    std::thread files_thread_;
    core::PluginCatalogue catalogue_;
    std::unique_ptr<core::PluginLibraries> libraries_;
    std::unique_ptr<core::PluginStrategies> strategies_;
};

core::RestartQuestion question() {
    core::RestartQuestion asked;
    core::HistoryEvent event;
    event.kind = STEWARD_EV_EXIT;
    event.code = 3;
    asked.history = {event};
    return asked;
}

// Asks `rounds` times, each time when the answer has come; nothing leaves the loop's thread.
class Decisions {
  public:
    Decisions(Bed& bed, int rounds, std::function<void(Samples)> done)
        : bed_(bed), left_(rounds), done_(std::move(done)) {}
    void next(const std::shared_ptr<Decisions>& self) {
        if (left_-- == 0) {
            done_(std::move(us_));
            return;
        }
        const auto begin = now_ns();
        bed_.strategies().decide_restart(question(), [this, self, begin](core::RestartAnswer) {
            us_.add(ms_between(begin, now_ns()) * 1000);
            next(self);
        });
    }

  private:
    Bed& bed_;
    int left_;
    Samples us_;
    std::function<void(Samples)> done_;
};

// How late the loop's timers are.
class Ticks {
  public:
    Ticks(Bed& bed, int rounds, std::function<void(Samples)> done)
        : bed_(bed), left_(rounds), done_(std::move(done)) {}
    void next(const std::shared_ptr<Ticks>& self) {
        if (left_-- == 0) {
            done_(std::move(ms_));
            return;
        }
        const auto due = bed_.loop().now() + kTick;
        (void)bed_.loop().arm(due, [this, self, due] {
            ms_.add(std::chrono::duration<double, std::milli>(bed_.loop().now() - due).count());
            next(self);
        });
    }

  private:
    Bed& bed_;
    int left_;
    Samples ms_;
    std::function<void(Samples)> done_;
};

template <class Kind>
Samples measure(Bed& bed, int rounds) {
    return bed.ask<Samples>([&bed, rounds](auto done) {
        const auto kind = std::make_shared<Kind>(bed, rounds, std::move(done));
        kind->next(kind);
    });
}

// What two hand-overs between threads cost here, whatever is handed over: two threads that wake each
// other through descriptors, as the loop and a plugin's thread do.
Samples hand_overs(int rounds) {
    const core::UniqueFd there(eventfd(0, EFD_CLOEXEC));
    const core::UniqueFd back(eventfd(0, EFD_CLOEXEC));
    if (!there || !back) {
        throw std::runtime_error("no descriptor for an event is to be had");
    }
    const auto signal = [](const core::UniqueFd& to) { return eventfd_write(to.get(), 1) == 0; };
    const auto wait = [](const core::UniqueFd& from) {
        eventfd_t value = 0;
        return eventfd_read(from.get(), &value) == 0;
    };
    std::thread other([&] {
        for (int i = 0; i < rounds && wait(there) && signal(back); ++i) {
        }
    });
    Samples us;
    for (int i = 0; i < rounds; ++i) {
        const auto begin = now_ns();
        (void)signal(there);
        (void)wait(back);
        us.add(ms_between(begin, now_ns()) * 1000);
    }
    other.join();
    return us;
}

void decisions(Report& report, const Workplace& place, const Settings& settings) {
    Bed bed(place, "restart_backoff");
    (void)measure<Decisions>(bed, 100);  // warms up
    const int rounds = settings.rounds ? *settings.rounds * 100 : 20'000;
    const Samples bare = hand_overs(rounds);
    const Samples us = measure<Decisions>(bed, rounds);
    report.series("two threads that wake each other, there and back", "us", bare);
    report.series("a restart decision, loop to plugin's thread and back", "us", us);
    report.row({"a restart decision by a plugin, p50",
                "us",
                bare.median(),
                std::nullopt,
                us.median(),
                {{kDecisionAimUs}}});
    report.row({"the same, p99", "us", bare.percentile(99), std::nullopt, us.percentile(99)});
}

void latency(Report& report, const Workplace& place, const Settings& settings) {
    const int rounds = settings.rounds ? *settings.rounds * 100 : 5'000;
    Samples idle;
    {
        Bed bed(place, "restart_backoff");
        idle = measure<Ticks>(bed, rounds);
    }
    Bed bed(place, place.built("bench/plugins/steward_spinner.so"));
    bed.loop().post(
        [&bed] { bed.strategies().decide_restart(question(), [](core::RestartAnswer) {}); });
    const auto begin = now_ns();
    const Samples spinning = measure<Ticks>(bed, rounds);
    // Nobody else is to be measured beside it.
    sleep_ms(std::max(0.0, kSpinMs - ms_between(begin, now_ns())));
    report.series("how late the loop is, no plugin at work", "ms", idle);
    report.series("how late the loop is, a plugin computes without an end", "ms", spinning);
    report.row({"the loop's lateness while a plugin computes, p99.9",
                "ms",
                idle.percentile(99.9),
                std::nullopt,
                spinning.percentile(99.9),
                {{kLatencyAimMs}}});
}

void harness(Report& report, const Workplace& place, const Settings& settings) {
    double slowest = 0;
    for (const std::string id :
         {"health_http", "restart_backoff", "port_sequential", "metrics_proc"}) {
        Samples seconds;
        for (int round = 0; round < std::min(3, settings.rounds_or(3)); ++round) {
            Plan plan;
            plan.argv = {place.built("bin/steward-compliance"), "run",
                         place.built("bin/plugins/steward_" + id + ".so")};
            plan.env = place.env();
            plan.err = place.log();
            const auto begin = now_ns();
            Process run(plan);
            if (!run.wait(begin + kPatience)) {
                throw std::runtime_error("steward-compliance does not end with " + id);
            }
            seconds.add(ms_between(begin, now_ns()) / 1000);
        }
        report.series("steward-compliance run, " + id, "s", seconds);
        slowest = std::max(slowest, seconds.median());
    }
    report.row({"steward-compliance over a plugin, the slowest of four",
                "s",
                std::nullopt,
                std::nullopt,
                slowest,
                {{kHarnessAimS}}});
}

}  // namespace

std::vector<Row> plugins(const Workplace& place, const Settings& settings) {
    Report report("plugins");
    decisions(report, place, settings);
    latency(report, place, settings);
    harness(report, place, settings);
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
