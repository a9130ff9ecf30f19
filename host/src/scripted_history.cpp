#include "scripted_history.hpp"

#include <charconv>
#include <sstream>

#include <fmt/core.h>

#include "options.hpp"

namespace steward::host {
namespace {

constexpr int kMaxTimes = 10'000;
constexpr int kMaxCode = 255;
constexpr int kMaxSignal = 64;

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    std::istringstream in(text);
    for (std::string word; in >> word;) {
        words.push_back(std::move(word));
    }
    return words;
}

std::optional<int> number(const std::string& text, int min, int max) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= min && value <= max ? std::optional(value) : std::nullopt;
}

// Reads the words of a step from the left.
class StepReader {
  public:
    explicit StepReader(const std::string& text) : text_(text), words_(words_of(text)) {}

    core::Result<HistoryStep> read() {
        HistoryStep step;
        const std::string verb = take();
        bool good = true;
        if (verb == "exit" || verb == "signal") {
            const bool is_exit = verb == "exit";
            step.what = is_exit ? HistoryStep::What::kExit : HistoryStep::What::kSignal;
            const int max = is_exit ? kMaxCode : kMaxSignal;
            const auto code = number(take(), is_exit ? 0 : 1, max);
            if (!code) {
                return wrong(
                    fmt::format("{} needs a number from {} to {}", verb, is_exit ? 0 : 1, max));
            }
            step.code = *code;
            good = take_after(step.after);
        } else if (verb == "hang") {
            step.what = HistoryStep::What::kHang;
            good = take_after(step.after);
        } else if (verb == "slow") {
            step.what = HistoryStep::What::kSlow;
            good = take_duration(step.after);
        } else if (verb == "cannot-start") {
            step.what = HistoryStep::What::kCannotStart;
        } else if (verb != "run") {
            return wrong("it must begin with exit, signal, hang, slow, cannot-start or run");
        }
        if (!good) {
            return wrong("a duration is written as 500ms, 5s or 2m");
        }
        if (at_ < words_.size()) {
            const std::string times = take();
            const auto n = times[0] == 'x' ? number(times.substr(1), 1, kMaxTimes) : std::nullopt;
            if (!n || at_ < words_.size()) {
                return wrong(fmt::format(
                    "{} cannot stand there; after a step may stand `after DURATION` and `xN`",
                    n ? words_[at_] : times));
            }
            step.times = *n;
        }
        return step;
    }

  private:
    std::string take() { return at_ < words_.size() ? words_[at_++] : std::string(); }
    bool take_duration(std::chrono::nanoseconds& into) {
        const auto parsed = parse_duration(take());
        into = parsed.value_or(into);
        return parsed.has_value();
    }
    bool take_after(std::chrono::nanoseconds& into) {
        if (at_ == words_.size() || words_[at_] != "after") {
            return true;
        }
        ++at_;
        return take_duration(into);
    }
    core::Error wrong(const std::string& what) const {
        return core::Error{fmt::format("history: {} (got {})", what,
                                       words_.empty() ? "nothing" : "`" + text_ + "`")};
    }

    const std::string& text_;
    std::vector<std::string> words_;
    std::size_t at_ = 0;
};

}  // namespace

core::Result<HistoryStep> parse_history_step(const std::string& text) {
    return StepReader(text).read();
}

core::Result<std::vector<HistoryStep>> parse_history(const std::string& text) {
    std::vector<HistoryStep> steps;
    std::istringstream lines(text);
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        line = line.substr(0, line.find('#'));
        if (words_of(line).empty()) {
            continue;
        }
        auto step = parse_history_step(line);
        if (!step) {
            return core::Error{fmt::format("line {}: {}", number, step.error().text)};
        }
        steps.push_back(*step);
    }
    return steps;
}

}  // namespace steward::host
