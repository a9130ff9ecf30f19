// PluginQuestions: calls into plugins, each with a time limit and a fallback that answers in its
// place.
//
// Owned by the loop's thread; the calls run on their library's thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "plugin_libraries.hpp"
#include "steward/core/plugin_strategies.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

// One of a service's four places for a strategy.
struct Slot {
    std::string kind;       // "health"
    std::string interface;  // "steward.health/1"
    std::string name;       // as chosen
    std::string shown;      // "health_http 0.1.0"
    std::string broken;     // why the fallback answers; empty: the plugin does
    std::shared_ptr<Library> library;
    steward_instance* instance = nullptr;
    const steward_plugin* plugin = nullptr;
    const void* functions = nullptr;

    bool none() const { return name == "none"; }
    // Why the plugin is not asked; empty: it is.
    std::string unusable() const;
};

class PluginQuestions : public std::enable_shared_from_this<PluginQuestions> {
  public:
    PluginQuestions(Scheduler& scheduler, std::shared_ptr<PluginGate> gate, StrategyReport report)
        : scheduler_(scheduler), gate_(std::move(gate)), report_(std::move(report)) {}

    // Runs `work` on the library's thread. `answer` comes once, on the loop's thread: with what
    // `work` returned, or with the fallback when that was nothing (`why` says why), when it took
    // more than `budget`, or when the slot is unusable. `late` gets a result that nobody waits for
    // any more.
    template <class Answer>
    void ask(const Slot& slot, std::string call, Duration budget,
             std::function<std::optional<Answer>(std::string& why)> work,
             std::function<void(Answer)> answer,
             std::function<Answer(const std::string& why)> fallback,
             std::function<void(const Answer&)> late = {});

    // Tells what a strategy did wrong, unless end() has been called.
    void report(EventName name, const std::string& plugin, const std::string& call,
                const std::string& cause) const;

    // The strategies are gone: nobody is told anything any more.
    void end();

  private:
    struct Pending {
        std::shared_ptr<Library> library;
        std::string plugin;
        std::string call;
        Duration budget{};
        TimePoint asked{};
        std::uint64_t number = 0;
        TimerId timer = 0;
        std::function<void(const std::string& why)> fallback;
    };

    std::uint64_t open(const Slot& slot, std::string call, Duration budget,
                       std::function<void(const std::string&)> fallback);
    void check(std::uint64_t id);
    static std::string overdue(const Pending& question, const PluginThread::Running& running,
                               TimePoint now);
    void check_quarantine(const std::shared_ptr<Library>& library,
                          const PluginThread::Running& running);
    void quarantine(const std::shared_ptr<Library>& library, const std::string& call);
    bool answered(std::uint64_t id, const std::function<void()>& deliver);
    void give_up(std::uint64_t id, const std::string& why);

    Scheduler& scheduler_;
    const std::shared_ptr<PluginGate> gate_;
    StrategyReport report_;
    std::uint64_t next_id_ = 1;
    std::map<std::uint64_t, Pending> pending_;
    std::set<std::shared_ptr<Library>> quarantined_;  // what has been told of
};

template <class Answer>
void PluginQuestions::ask(const Slot& slot, std::string call, Duration budget,
                          std::function<std::optional<Answer>(std::string& why)> work,
                          std::function<void(Answer)> answer,
                          std::function<Answer(const std::string& why)> fallback,
                          std::function<void(const Answer&)> late) {
    if (const auto why = slot.unusable(); !why.empty()) {
        scheduler_.post([answer, fallback, why] { answer(fallback(why)); });
        return;
    }
    const PluginThread::Call what{call, budget};
    const auto id = open(slot, std::move(call), budget,
                         [answer, fallback](const std::string& why) { answer(fallback(why)); });
    pending_[id].number = slot.library->thread->call(
        what, [self = weak_from_this(), &loop = scheduler_, gate = gate_, id, shown = slot.shown,
               work = std::move(work), answer, fallback, late] {
            std::string why;
            std::optional<Answer> result;
            try {
                result = work(why);
            } catch (...) {
                why = "it threw an exception";
            }
            gate->post(loop, [self, id, result, why = shown + ": " + why, answer, fallback, late] {
                const auto questions = self.lock();
                const bool waited = questions && questions->answered(id, [&] {
                    answer(result ? *result : fallback(why));
                });
                if (!waited && result && late) {
                    late(*result);
                }
            });
        });
}

}  // namespace steward::core
