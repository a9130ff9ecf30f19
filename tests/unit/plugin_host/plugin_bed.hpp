// PluginStrategies as a service has it: on a loop of its own, with a second loop for the files.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "files.hpp"
#include "loop_thread.hpp"
#include "steward/core/plugin_strategies.hpp"
#include "steward/restart.h"

namespace steward::test {

using namespace std::chrono_literals;

// Longer than anything takes, however busy the machine is.
inline constexpr auto kPatience = std::chrono::seconds(20);

// `id` in the slot `kind` ("health", "restart", "port", "metrics"), none in the others.
inline core::StrategyChoice only(const std::string& kind, const std::string& id) {
    core::StrategyChoice choice{"none", "none", "none", "none", {}};
    (kind == "health"    ? choice.health
     : kind == "restart" ? choice.restart
     : kind == "port"    ? choice.port
                         : choice.metrics) = id;
    return choice;
}

// The plugin of tests/support/plugins/awkward.c in one slot.
inline core::StrategyChoice awkward(const std::string& kind, const std::string& mode, int ms = 0) {
    auto choice = only(kind, "awkward");
    choice.settings["awkward"] = {{"mode", mode}, {"ms", std::to_string(ms)}};
    return choice;
}

struct Report {
    core::EventName name;
    std::string plugin;
    std::string call;
    std::string cause;
};

template <class Answer>
struct Timed {
    Answer value;
    core::Duration took{};  // on the loop, from the question to the answer
};

// What several services of one process share.
struct Host {
    explicit Host(core::PluginPlaces where = places({kTestFolder}))
        : catalogue(std::move(where)),
          libraries(std::make_unique<core::PluginLibraries>("9.8.7", [this](int, std::string line) {
              const std::lock_guard lock(mutex);
              lines.push_back(std::move(line));
          })) {}
    ~Host() { end_libraries(); }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    // They belong to the loop's thread.
    void end_libraries() {
        loop.run([this] { libraries.reset(); });
    }

    LoopThread loop;
    LoopThread files;
    core::PluginCatalogue catalogue;
    std::mutex mutex;
    std::vector<std::string> lines;  // logged by plugins; guarded by mutex
    std::unique_ptr<core::PluginLibraries> libraries;
};

class Bed {
  public:
    explicit Bed(core::StrategyChoice choice, core::PluginPlaces where = places({kTestFolder}))
        : Bed(std::make_shared<Host>(std::move(where)), std::move(choice)) {}
    Bed(std::shared_ptr<Host> shared, core::StrategyChoice choice) : host(std::move(shared)) {
        strategies_ = host->loop.run([&] {
            return std::make_unique<core::PluginStrategies>(
                host->loop.loop(), host->files.loop(), host->catalogue, *host->libraries,
                std::move(choice),
                [this](core::EventName name, const std::string& plugin, const std::string& call,
                       const std::string& cause) {
                    const std::lock_guard lock(mutex_);
                    reports_.push_back({name, plugin, call, cause});
                });
        });
    }
    ~Bed() { end(); }
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;

    void end() {
        host->loop.run([this] { strategies_.reset(); });
        // Nobody has been answered twice, in any test.
        CHECK(repeated_ == 0);
    }

    core::Status prepare() {
        return wait(ask<core::Status>([](auto& strategies, auto answer) {
                   strategies.prepare(std::move(answer));
               }))
            .value;
    }

    std::future<Timed<core::RestartAnswer>> ask_decide() {
        return ask<core::RestartAnswer>([](auto& strategies, auto answer) {
            core::RestartQuestion question;
            core::HistoryEvent event;
            event.kind = STEWARD_EV_EXIT;
            event.code = 3;
            question.history = {event};
            strategies.decide_restart(question, std::move(answer));
        });
    }
    Timed<core::RestartAnswer> decide() { return wait(ask_decide()); }
    Timed<core::RestartAnswer> decide(const core::RestartQuestion& question) {
        return wait(ask<core::RestartAnswer>([question](auto& strategies, auto answer) {
            strategies.decide_restart(question, std::move(answer));
        }));
    }

    Timed<core::PortProposal> propose(core::PortQuestion question = {
                                          "127.0.0.1", 5000, 5000, 5009, {}, 1}) {
        return wait(ask<core::PortProposal>([question](auto& strategies, auto answer) {
            strategies.propose_ports(question, std::move(answer));
        }));
    }

    std::future<Timed<core::ProbeAnswer>> ask_probe(std::chrono::milliseconds time,
                                                    std::uint16_t port = 1) {
        return ask<core::ProbeAnswer>([this, time, port](auto& strategies, auto answer) {
            strategies.probe({1, host->loop.loop().now() + time, "127.0.0.1", port, 1, "nonce"},
                             std::move(answer));
        });
    }
    Timed<core::ProbeAnswer> probe(std::chrono::milliseconds time, std::uint16_t port = 1) {
        return wait(ask_probe(time, port));
    }

    std::future<Timed<std::vector<core::Metric>>> ask_sample(std::int32_t pid = 0) {
        return ask<std::vector<core::Metric>>([pid](auto& strategies, auto answer) {
            strategies.sample({pid, pid, "127.0.0.1", 0}, std::move(answer));
        });
    }
    Timed<std::vector<core::Metric>> sample(std::int32_t pid = 0) { return wait(ask_sample(pid)); }

    std::map<std::string, std::string> names() {
        return host->loop.run([this] { return strategies_->names(); });
    }

    core::PluginStrategies& strategies() { return *strategies_; }

    std::vector<Report> reports() {
        const std::lock_guard lock(mutex_);
        return reports_;
    }
    std::size_t count(core::EventName name) {
        std::size_t n = 0;
        for (const auto& report : reports()) {
            n += report.name == name ? 1 : 0;
        }
        return n;
    }
    // Waits until so many have come; false: they have not.
    bool wait_for(core::EventName name, std::size_t number, std::chrono::milliseconds limit) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (count(name) < number) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(1ms);
        }
        return true;
    }

    template <class Answer>
    static Timed<Answer> wait(std::future<Timed<Answer>> future) {
        if (future.wait_for(kPatience) != std::future_status::ready) {
            throw std::runtime_error("a question has not been answered");
        }
        return future.get();
    }

    // No answer has come within the time, whether or not one can come any more.
    template <class Answer>
    static bool unanswered(std::future<Timed<Answer>>& future, std::chrono::milliseconds time) {
        if (future.wait_for(time) != std::future_status::ready) {
            return true;
        }
        try {
            (void)future.get();
            return false;
        } catch (const std::future_error&) {
            return true;  // The question has been dropped.
        }
    }

    std::shared_ptr<Host> host;

  private:
    template <class Answer, class Question>
    std::future<Timed<Answer>> ask(Question question) {
        struct Open {
            std::promise<Timed<Answer>> promise;
            std::atomic<bool> answered{false};
            core::TimePoint asked{};
        };
        const auto open = std::make_shared<Open>();
        auto future = open->promise.get_future();
        host->loop.loop().post([this, open, question] {
            auto& loop = host->loop.loop();
            open->asked = loop.now();
            question(*strategies_, [this, open, &loop](Answer answer) {
                if (open->answered.exchange(true)) {
                    ++repeated_;
                    return;
                }
                open->promise.set_value(Timed<Answer>{std::move(answer), loop.now() - open->asked});
            });
        });
        return future;
    }

    std::unique_ptr<core::PluginStrategies> strategies_;
    std::mutex mutex_;
    std::vector<Report> reports_;
    std::atomic<int> repeated_{0};
};

// Ticks every 5 ms on a loop and remembers the longest time between two ticks, less what the
// kernel says the thread waited for a processor: a busy machine is not what is measured.
class Ticker {
  public:
    explicit Ticker(LoopThread& thread) : thread_(thread) {
        thread_.run([this] {
            last_ = thread_.loop().now();
            waited_ = waited();
            next();
        });
    }
    ~Ticker() { stop(); }
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;

    void stop() {
        thread_.run([this] { thread_.loop().disarm(std::exchange(timer_, 0)); });
    }
    core::Duration longest() {
        return thread_.run([this] { return longest_; });
    }
    int ticks() {
        return thread_.run([this] { return ticks_; });
    }

  private:
    static core::Duration waited() {
        long long run = 0;
        long long wait = 0;
        if (FILE* const file = std::fopen("/proc/thread-self/schedstat", "re")) {
            if (std::fscanf(file, "%lld %lld", &run, &wait) != 2) {
                wait = 0;
            }
            std::fclose(file);
        }
        return core::Duration(wait);
    }
    void next() {
        timer_ = thread_.loop().arm(thread_.loop().now() + 5ms, [this] {
            const auto now = thread_.loop().now();
            const auto waited_by_now = waited();
            longest_ = std::max(longest_, now - last_ - (waited_by_now - waited_));
            last_ = now;
            waited_ = waited_by_now;
            ++ticks_;
            next();
        });
    }

    LoopThread& thread_;
    core::TimerId timer_ = 0;
    core::TimePoint last_{};
    core::Duration waited_{};
    core::Duration longest_{};
    int ticks_ = 0;
};

}  // namespace steward::test
