// `steward simulate`: the restart timeline that a policy gives for a scripted history. The service
// and its state machine are the real ones, on a virtual clock and a virtual kernel; the restart
// strategy is the plugin that was chosen.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <future>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <thread>

#include <fmt/core.h>

#include "commands.hpp"
#include "crash_words.hpp"
#include "scripted_history.hpp"
#include "service_config.hpp"
#include "status_json.hpp"
#include "steward/core/loop.hpp"
#include "steward/core/plugin_strategies.hpp"
#include "steward/core/simulation/fake_world.hpp"
#include "steward/mcp/json.hpp"
#include "version.hpp"

namespace steward::host {
namespace {

using simulation::AppPlan;
using simulation::FakeWorld;

// The strategies as they are configured, asked from a thread that is none of theirs.
class RealStrategies {
  public:
    RealStrategies(const Options& options, const Paths& paths)
        : thread_([this] { loop_.run(); }),
          catalogue_({paths.prober, paths.plugins, options.plugin_dirs, plugin_cache_file()}) {
        try {
            on_loop([&] { make(options); });
        } catch (...) {
            loop_.stop();
            thread_.join();
            throw;
        }
    }
    ~RealStrategies() {
        on_loop([&] {
            strategies_.reset();
            libraries_.reset();
        });
        loop_.stop();
        thread_.join();
    }
    RealStrategies(const RealStrategies&) = delete;
    RealStrategies& operator=(const RealStrategies&) = delete;

    core::Status prepare() {
        return ask<core::Status>([this](auto answer) { strategies_->prepare(std::move(answer)); });
    }
    core::RestartAnswer decide(const core::RestartQuestion& question) {
        return ask<core::RestartAnswer>([this, &question](auto answer) {
            strategies_->decide_restart(question, std::move(answer));
        });
    }
    std::map<std::string, std::string> names() {
        std::map<std::string, std::string> found;
        on_loop([&] { found = strategies_->names(); });
        return found;
    }

  private:
    void make(const Options& options) {
        libraries_ = std::make_unique<core::PluginLibraries>(
            std::string(kVersion),
            [](int, const std::string& line) { fmt::print(stderr, "{}\n", line); });
        strategies_ = std::make_unique<core::PluginStrategies>(
            loop_, loop_, catalogue_, *libraries_, strategy_choice(options),
            [](core::EventName, const std::string&, const std::string&, const std::string& cause) {
                fmt::print(stderr, "steward: {}\n", cause);
            });
    }
    // The loop swallows what a task throws, so it is thrown here instead; so is std::future_error
    // when nobody is left who could answer.
    template <class Answer, class Question>
    Answer ask(Question question) {
        auto promise = std::make_shared<std::promise<Answer>>();
        auto future = promise->get_future();
        post(std::move(promise), [question = std::move(question)](const auto& asked) {
            question([asked](Answer answer) { asked->set_value(std::move(answer)); });
        });
        return future.get();
    }
    template <class Work>
    void on_loop(Work work) {
        auto promise = std::make_shared<std::promise<void>>();
        auto future = promise->get_future();
        post(std::move(promise), [work = std::move(work)](const auto& asked) {
            work();
            asked->set_value();
        });
        future.get();
    }
    template <class Answer, class Task>
    void post(std::shared_ptr<std::promise<Answer>> promise, Task task) {
        loop_.post([promise = std::move(promise), task = std::move(task)] {
            try {
                task(promise);
            } catch (...) {
                promise->set_exception(std::current_exception());
            }
        });
    }

    core::Loop loop_;
    std::thread thread_;
    core::PluginCatalogue catalogue_;
    std::unique_ptr<core::PluginLibraries> libraries_;
    std::unique_ptr<core::PluginStrategies> strategies_;
};

AppPlan plan_of(const HistoryStep& step) {
    using What = HistoryStep::What;
    AppPlan plan;
    plan.healthy_after = std::chrono::milliseconds(0);
    switch (step.what) {
        case What::kExit:
        case What::kSignal:
            plan.ends_after = step.after;
            plan.ends_by_signal = step.what == What::kSignal;
            plan.end_code = step.code;
            break;
        case What::kSlow:
            plan.healthy_after = step.after;
            break;
        case What::kCannotStart:
            plan.spawn_error = core::SpawnFailed{
                "the app cannot be executed: " + std::string(std::strerror(ENOENT)), ENOENT,
                /*retryable=*/false};
            break;
        case What::kHang:
        case What::kRun:
            break;
    }
    return plan;
}

// What belongs into a timeline of restarts: not the port, which nobody has looked for.
bool is_told(const core::Event& event) {
    return event.name != core::EventName::kMetrics && event.name != core::EventName::kPortChosen;
}

class Timeline {
  public:
    Timeline(const Options& options, const std::vector<HistoryStep>& steps,
             RealStrategies& strategies)
        : options_(options), begin_(world_.scheduler.now()) {
        world_.os.seed(options.seed);
        if (options.begins_at) {
            const auto begin = world_.os.wall();
            const auto midnight = std::chrono::floor<std::chrono::days>(begin);
            world_.os.wall_jump = midnight + *options.begins_at - begin;
        }
        for (const auto& step : steps) {
            for (int i = 0; i < step.times; ++i) {
                steps_.push_back(step);
                world_.plans.push_back(plan_of(step));
            }
        }
        world_.play(plan_of(steps_.back()));
        world_.strategies.plugin_names = strategies.names();
        world_.strategies.on_decide = [&strategies](const core::RestartQuestion& question) {
            return std::make_pair(strategies.decide(question), core::Duration{});
        };
        world_.on_event = [this](const core::Event& event) { on_event(event); };
    }

    void run() {
        auto config = service_config(options_, find_paths());
        core::Service service(std::move(config), world_.parts());
        service.start_for_client("the simulation begins");
        world_.scheduler.advance_to(begin_ + options_.simulated);
        const auto status = service.status();
        if (!options_.json) {
            fmt::print("{}  {} after {} restarts: {}\n", time(world_.scheduler.now()),
                       core::to_string(status.state), status.restarts, status.cause);
        }
    }

  private:
    std::string time(core::TimePoint at) const {
        return fmt::format("{:>11.3f} s", std::chrono::duration<double>(at - begin_).count());
    }

    void on_event(const core::Event& event) {
        if (event.name == core::EventName::kServiceStarted) {
            hang_later(event.generation);
        }
        if (!is_told(event)) {
            return;
        }
        if (options_.json) {
            auto numbered = event;
            numbered.sequence = ++told_;
            fmt::print("{}\n", mcp::to_json(*event_object(numbered)));
            return;
        }
        fmt::print("{}  #{:<3} {:<26} {}\n", time(event.at), event.generation,
                   core::to_string(event.name), event.cause);
    }

    // An instance whose step says so answers no more some time after its start.
    void hang_later(std::uint64_t generation) {
        const auto& step = steps_[std::min<std::size_t>(generation - 1, steps_.size() - 1)];
        world_.hangs = false;
        ++instance_;
        if (step.what != HistoryStep::What::kHang) {
            return;
        }
        world_.scheduler.arm(world_.scheduler.now() + step.after, [this, instance = instance_] {
            if (instance == instance_) {
                world_.hangs = true;
            }
        });
    }

    const Options& options_;
    FakeWorld world_;
    core::TimePoint begin_;
    std::vector<HistoryStep> steps_;
    std::uint64_t instance_ = 0;
    std::uint64_t told_ = 0;
};

// "-" is stdin.
core::Result<std::string> read_history(const std::string& file) {
    if (file == "-") {
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
    }
    std::ifstream in(file);
    if (!in) {
        return core::Error{
            fmt::format("--history: {} cannot be read: {}; give a file, or - for stdin", file,
                        std::strerror(errno))};
    }
    return std::string(std::istreambuf_iterator<char>(in), {});
}

core::Result<std::vector<HistoryStep>> steps_of(const Options& options) {
    std::vector<HistoryStep> steps;
    if (!options.history_file.empty()) {
        const auto text = read_history(options.history_file);
        if (!text) {
            return text.error();
        }
        auto parsed = parse_history(*text);
        if (!parsed) {
            return core::Error{options.history_file + ": " + parsed.error().text};
        }
        steps = std::move(*parsed);
    }
    for (const auto& word : options.history) {
        auto step = parse_history_step(word);
        if (!step) {
            return step.error();
        }
        steps.push_back(*step);
    }
    if (steps.empty()) {
        return core::Error{
            "history: there is no step; give some, e.g. steward simulate \"exit 1 after 2s\", or "
            "--history FILE"};
    }
    return steps;
}

}  // namespace

int simulate_command(const Options& options) {
    const auto steps = steps_of(options);
    if (!steps) {
        fmt::print(stderr, "steward: {}\n", steps.error().text);
        return 2;
    }
    RealStrategies strategies(options, find_paths());
    if (const auto ready = strategies.prepare(); !ready) {
        fmt::print(stderr, "steward: {}\n", ready.error().text);
        return 2;
    }
    // What was printed before a crash is out.
    (void)std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    const CrashWords words(
        fmt::format("ends the simulation here, most likely by a plugin: {} decides on restarts; "
                    "steward-compliance run FILE tries it on every rule",
                    strategies.names().at("restart")));
    Timeline(options, *steps, strategies).run();
    return 0;
}

}  // namespace steward::host
