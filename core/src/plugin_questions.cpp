#include "plugin_questions.hpp"

#include <utility>
#include <vector>

namespace steward::core {
namespace {

constexpr Duration kQuarantineAfter = std::chrono::seconds(2);
// How long a question waits for its turn, and how often it looks whether its turn has come.
constexpr Duration kQueueTime = std::chrono::seconds(5);
constexpr Duration kQueueLook = std::chrono::milliseconds(10);

}  // namespace

std::string Slot::unusable() const {
    if (!broken.empty()) {
        return broken;
    }
    if (none()) {
        return "none is chosen";
    }
    return library && library->quarantined ? shown + " is quarantined" : std::string();
}

std::uint64_t PluginQuestions::open(const Slot& slot, std::string call, Duration budget,
                                    std::function<void(const std::string&)> fallback) {
    const auto id = next_id_++;
    auto& question = pending_[id];
    question.library = slot.library;
    question.plugin = slot.shown;
    question.call = std::move(call);
    question.budget = budget;
    question.asked = scheduler_.now();
    question.fallback = std::move(fallback);
    question.timer = scheduler_.arm(question.asked + budget,
                                    [self = shared_from_this(), id] { self->check(id); });
    return id;
}

// False: it comes late, the fallback has answered.
bool PluginQuestions::answered(std::uint64_t id, const std::function<void()>& deliver) {
    const auto it = pending_.find(id);
    if (it == pending_.end()) {
        return false;
    }
    scheduler_.disarm(it->second.timer);
    pending_.erase(it);
    deliver();
    return true;
}

void PluginQuestions::report(EventName name, const std::string& plugin, const std::string& call,
                             const std::string& cause) const {
    if (report_) {
        report_(name, plugin, call, cause);
    }
}

void PluginQuestions::end() {
    report_ = nullptr;
    for (const auto& [id, question] : std::exchange(pending_, {})) {
        scheduler_.disarm(question.timer);
    }
}

void PluginQuestions::give_up(std::uint64_t id, const std::string& why) {
    const auto it = pending_.find(id);
    if (it == pending_.end()) {
        return;
    }
    scheduler_.disarm(it->second.timer);
    const auto fallback = std::move(it->second.fallback);
    pending_.erase(it);
    fallback(why);
}

// Why a question is not waited for any more; empty: it is.
std::string PluginQuestions::overdue(const Pending& question, const PluginThread::Running& running,
                                     TimePoint now) {
    const bool late = running.number != 0 && now - running.since >= running.call.budget;
    if (running.number == question.number) {
        return late ? "took more than " + std::to_string(to_ms(question.budget)) + " ms" : "";
    }
    if (late) {
        return "did not begin: it waited behind " + running.call.name + ", which took more than " +
               std::to_string(to_ms(running.call.budget)) + " ms";
    }
    if (now - question.asked >= kQueueTime) {
        return "waited more than " + std::to_string(to_ms(kQueueTime)) + " ms for its turn" +
               (running.number == 0 ? "" : ", at last behind " + running.call.name);
    }
    return {};
}

// A deadline counts from the start of the call, not from the question: an earlier call may be in
// the way, and has its own.
void PluginQuestions::check(std::uint64_t id) {
    const auto it = pending_.find(id);
    if (it == pending_.end()) {
        return;
    }
    auto& question = it->second;
    const auto now = scheduler_.now();
    const auto running = question.library->thread->running();
    if (const auto why = overdue(question, running, now); !why.empty()) {
        const std::string cause =
            question.plugin + ": " + question.call + ' ' + why + "; the built-in fallback answered";
        report(EventName::kPluginLate, question.plugin, question.call, cause);
        if (running.number != 0) {
            scheduler_.arm(running.since + running.call.budget + kQuarantineAfter,
                           [self = shared_from_this(), library = question.library, running] {
                               self->check_quarantine(library, running);
                           });
        }
        give_up(id, cause);
        return;
    }
    const TimePoint again =
        running.number == question.number ? running.since + running.call.budget : now + kQueueLook;
    question.timer = scheduler_.arm(again, [self = shared_from_this(), id] { self->check(id); });
}

void PluginQuestions::check_quarantine(const std::shared_ptr<Library>& library,
                                       const PluginThread::Running& running) {
    // The libraries may be gone by now, if these strategies are.
    if (library->thread &&
        (library->quarantined || library->thread->running().number == running.number)) {
        quarantine(library, running.call.name);
    }
}

// Whichever of the library's services looks first ends it; each of them tells of it, once.
void PluginQuestions::quarantine(const std::shared_ptr<Library>& library, const std::string& call) {
    if (!quarantined_.insert(library).second) {
        return;
    }
    library->quarantined = true;
    library->thread->quarantine();
    report(EventName::kPluginQuarantined, library->id, call,
           library->id + ": " + call +
               " has not come back; it is not called any more, the built-in fallback answers");
    std::vector<std::uint64_t> stuck;
    for (const auto& [id, question] : pending_) {
        if (question.library == library) {
            stuck.push_back(id);
        }
    }
    for (const auto id : stuck) {
        give_up(id, library->id + " is quarantined");
    }
}

}  // namespace steward::core
