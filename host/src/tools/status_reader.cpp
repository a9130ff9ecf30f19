#include "status_reader.hpp"

#include <utility>

namespace steward::host {
namespace {

// For what changes without a step of the service: the wall clock, the name of a plugin.
constexpr auto kMaxAge = std::chrono::seconds(1);

}  // namespace

void StatusReader::ask(Answer answer) {
    if (const auto json = known()) {
        answer(*json);
        return;
    }
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
        source_.to_loop([self = shared_from_this()] { self->take(); });
    }
    waiting_.push_back(std::move(answer));
}

// On the loop's thread.
void StatusReader::take() {
    std::vector<Answer> answers;
    {
        const std::lock_guard lock(mutex_);
        answers.swap(waiting_);
    }
    source_.to_mcp([self = shared_from_this(), taken = source_.take(), at = source_.now(),
                    answers = std::move(answers)] { self->took(taken, at, answers); });
}

std::optional<std::string> StatusReader::known() const {
    if (!known_ || known_->version != source_.version()) {
        return std::nullopt;
    }
    const auto age = source_.now() - known_->at;
    if (age > kMaxAge || !known_->process.runs()) {
        return std::nullopt;
    }
    return known_->text.with_uptime(known_->uptime_s + std::chrono::duration<double>(age).count());
}

void StatusReader::took(const Taken& taken, Clock::time_point at,
                        const std::vector<Answer>& answers) {
    const auto& status = taken.status;
    StatusText text(status, taken.log_file);
    const auto json = text.with_uptime(status.uptime_s);
    known_.reset();
    if (status.healthy && status.pid != 0 && !status.next_restart_ms) {
        known_.emplace(Known{taken.version, at, status.uptime_s, std::move(text),
                             core::ProcessState(status.pid)});
    }
    for (const auto& answer : answers) {
        answer(json);
    }
}

}  // namespace steward::host
