// Restart: decisions about failures.
#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <vector>

#include <Poco/UTF8Encoding.h>

#include "check.hpp"
#include "scene.hpp"
#include "strategies.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr steward_ns kMs = 1'000'000;
constexpr steward_ns kSecond = 1000 * kMs;
constexpr steward_ns kDay = 24 * 3600 * kSecond;

std::string to_text(const RestartQuestion& question) {
    const steward_event& last = question.events.back();
    return std::to_string(question.events.size()) + " events, the last of kind " +
           std::to_string(last.kind) + " with code " + std::to_string(last.code);
}

void restart_total(Trial& trial) {
    constexpr int kQuestions = 20'000;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (int i = 0; i < kQuestions; ++i) {
            const auto question = any_restart_question(trial.random(), 256);
            const auto decided = decide(instance, question);
            const bool valid = decided.status == STEWARD_OK && decided.action >= STEWARD_RESTART &&
                               decided.action <= STEWARD_GIVE_UP &&
                               (decided.action != STEWARD_RESTART ||
                                (decided.delay >= 0 && decided.delay <= kDay));
            require(valid, to_text(question) + ": " + compliance::to_text(decided) +
                               "; expected an action, with a delay of 0 to one day");
        }
    }
}

// What befalls an app, as a host tells it: each event at its time, the last 256 of them.
class Story {
  public:
    // After `pause` the app had run for `uptime` when it happened.
    void add(std::uint32_t kind, std::int32_t code, steward_ns pause, steward_ns uptime,
             steward_ns healthy_for = 0) {
        now_ += pause + uptime;
        events_.push_back({kind, code, now_, uptime, healthy_for});
        if (events_.size() > 256) {
            events_.erase(events_.begin());
        }
    }
    [[nodiscard]] RestartQuestion question(std::uint64_t entropy,
                                           std::uint64_t total_restarts) const {
        return {events_, now_, entropy, total_restarts};
    }

  private:
    steward_ns now_ = 1000 * kSecond;
    std::vector<steward_event> events_;
};

struct Failure {
    std::uint32_t kind;
    std::int32_t code;
    const char* name;
};
constexpr Failure kExit{STEWARD_EV_EXIT, 1, "an exit with code 1"};
constexpr Failure kSignal{STEWARD_EV_SIGNAL, 11, "signal 11"};

std::string ms_text(steward_ns time) {
    return std::to_string(time / kMs) + " ms";
}

Decided decided_on(const Instance& instance, const RestartQuestion& question) {
    auto decided = decide(instance, question);
    require(decided.status == STEWARD_OK,
            to_text(question) + ": " + compliance::to_text(decided) + "; expected an action");
    return decided;
}

void restart_respects_manual(Trial& trial) {
    constexpr int kQuestions = 3000;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (int i = 0; i < kQuestions; ++i) {
            auto question = any_restart_question(trial.random(), 256);
            if (i < 8) {  // The shortest ones are the common ones.
                question.events.erase(question.events.begin(), question.events.end() - 1);
            }
            question.events.back().kind = STEWARD_EV_MANUAL_STOP;
            const auto decided = decided_on(instance, question);
            require(decided.action != STEWARD_RESTART,
                    to_text(question) + " (a stop by hand): " + compliance::to_text(decided) +
                        "; expected STAY_DOWN or GIVE_UP");
        }
    }
}

// The longest delay that many entropies give; nothing if one of them gets no restart.
class LongestDelay {
  public:
    explicit LongestDelay(Random& random) {
        for (int i = 0; i < 62; ++i) {
            entropies_.push_back(random.next());
        }
    }
    std::optional<steward_ns> operator()(const Instance& instance, const Story& story,
                                         std::uint64_t total_restarts) const {
        steward_ns longest = 0;
        for (const std::uint64_t entropy : entropies_) {
            const auto decided = decided_on(instance, story.question(entropy, total_restarts));
            if (decided.action != STEWARD_RESTART) {
                return std::nullopt;
            }
            longest = std::max(longest, decided.delay);
        }
        return longest;
    }

  private:
    std::vector<std::uint64_t> entropies_{0, UINT64_MAX};
};

// Without knowing how a plugin uses the entropy its longest delay is an estimate: of 64 random
// delays from 0 to D the longest is below 3/4 of D once in a hundred million.
steward_ns jitter_below(steward_ns delay) {
    return delay / 4;
}

// False: it restarts nothing.
bool try_backoff(const Instance& instance, const Failure& failure, const LongestDelay& longest_of) {
    constexpr int kFailures = 60;
    constexpr steward_ns kShort = 50 * kMs;
    Story story;
    Story until_restart;
    std::vector<steward_ns> delays;
    for (int i = 0; i < kFailures; ++i) {
        story.add(failure.kind, failure.code, delays.empty() ? 0 : delays.back(), kShort);
        const auto longest = longest_of(instance, story, delays.size());
        if (!longest) {
            break;
        }
        if (!delays.empty()) {
            require(*longest >= delays.back() - jitter_below(delays.back()),
                    std::string(failure.name) + " " + std::to_string(i + 1) + " times, each " +
                        ms_text(kShort) + " after the start: the longest delay is " +
                        ms_text(*longest) + ", after one less it was " + ms_text(delays.back()) +
                        "; expected none that is shorter, jitter aside");
        }
        delays.push_back(*longest);
        until_restart = story;
    }
    if (delays.empty()) {
        return false;
    }
    require(delays.size() < 3 || delays.back() > delays.front(),
            std::string(failure.name) + " " + std::to_string(delays.size()) +
                " times: the longest delay is " + ms_text(delays.back()) +
                " as it was the first time; expected it to rise");
    until_restart.add(failure.kind, failure.code, delays.back(), 30 * kDay, 30 * kDay);
    const auto anew = longest_of(instance, until_restart, delays.size());
    require(anew && *anew <= delays.front() + delays.front() / 3,
            std::string(failure.name) + " after 30 days of health: " +
                (anew ? "a delay of " + ms_text(*anew) : std::string("no restart")) +
                ", as if the " + std::to_string(delays.size()) +
                " short failures before were the same trouble; expected about " +
                ms_text(delays.front()) + ", as for a first failure");
    return true;
}

void restart_backoff_monotone(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    bool claimed = false;
    bool tried = false;
    const LongestDelay longest_of(trial.random());
    for (const auto* plugin : trial.plugins()) {
        if ((plugin->desc->capabilities & STEWARD_CAP_BACKOFF) == 0) {
            continue;
        }
        claimed = true;
        const auto instance = session.create(*plugin);
        for (const Failure& failure : {kExit, kSignal}) {
            tried = try_backoff(instance, failure, longest_of) || tried;
        }
    }
    if (!claimed) {
        skip("it does not claim STEWARD_CAP_BACKOFF");
    }
    if (!tried) {
        skip("with its default settings it restarts nothing");
    }
}

void restart_gives_up_stable(Trial& trial) {
    constexpr int kMostFailures = 250;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    bool tried = false;
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        Story story;
        std::uint64_t failures = 0;
        Decided decided;
        do {
            story.add(kExit.kind, kExit.code, std::max<steward_ns>(decided.delay, 0), 50 * kMs);
            ++failures;
            decided = decided_on(instance, story.question(trial.random().next(), failures - 1));
        } while (decided.action == STEWARD_RESTART && failures < kMostFailures);
        if (decided.action != STEWARD_GIVE_UP) {
            continue;
        }
        tried = true;
        // The host goes on trying once in a while, and each time it fails again.
        for (int i = 1; i <= 40; ++i) {
            const Failure& failure = i % 3 == 0 ? kSignal : kExit;
            story.add(failure.kind, failure.code, kSecond, 50 * kMs);
            decided = decided_on(instance, story.question(trial.random().next(), failures - 1));
            require(decided.action == STEWARD_GIVE_UP,
                    "it gave up at failure " + std::to_string(failures) + ", and " +
                        std::to_string(i) + (i == 1 ? " failure" : " failures") +
                        " later, without health or a manual start between: " +
                        compliance::to_text(decided) + "; expected GIVE_UP");
        }
        // That forgives what was before it.
        Story first;
        first.add(kExit.kind, kExit.code, 0, 50 * kMs);
        story.add(STEWARD_EV_MANUAL_START, 0, kSecond, 0);
        story.add(kExit.kind, kExit.code, 0, 50 * kMs);
        const auto expected = decided_on(instance, first.question(1, 0)).action;
        decided = decided_on(instance, story.question(1, failures - 1));
        require(decided.action == expected || expected == STEWARD_GIVE_UP,
                "the first failure after a manual start: " + compliance::to_text(decided) +
                    "; expected the action of a first failure, " + std::to_string(expected) +
                    ", for what was before is forgiven");
    }
    if (!tried) {
        skip("with its default settings it does not give up within " +
             std::to_string(kMostFailures) + " failures");
    }
}

// Automatic starts in the first minute of an app that fails as soon as it is started.
int starts_in_a_minute(const Instance& instance, const Failure& failure, int most,
                       std::optional<std::uint64_t> entropy, Random& random) {
    constexpr steward_ns kAtOnce = kMs;
    Story story;
    steward_ns elapsed = kAtOnce;
    story.add(failure.kind, failure.code, 0, kAtOnce);
    for (int starts = 0;;) {
        const auto decided = decided_on(
            instance, story.question(entropy.value_or(random.next()), std::uint64_t(starts)));
        elapsed += decided.delay + kAtOnce;
        if (decided.action != STEWARD_RESTART || elapsed > 60 * kSecond) {
            return starts;
        }
        if (++starts > most) {
            return starts;
        }
        story.add(failure.kind, failure.code, decided.delay, kAtOnce);
    }
}

void restart_storm(Trial& trial) {
    constexpr int kMost = 60;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    constexpr Failure kClean{STEWARD_EV_EXIT, 0, "an exit with code 0"};
    constexpr Failure kNoSpawn{STEWARD_EV_SPAWN_FAILED, 11, "a start that fails with errno 11"};
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (const Failure& failure : {kExit, kSignal, kClean, kNoSpawn}) {
            // The shortest delays may be those of the least or the greatest entropy.
            for (const auto& entropy : std::initializer_list<std::optional<std::uint64_t>>{
                     std::nullopt, std::uint64_t(0), UINT64_MAX}) {
                const int starts =
                    starts_in_a_minute(instance, failure, kMost, entropy, trial.random());
                require(starts <= kMost, std::string(failure.name) +
                                             " at once, again and again, with the default "
                                             "settings: more than " +
                                             std::to_string(kMost) +
                                             " restarts in the first minute; expected at most "
                                             "that many, or that it gives up");
            }
        }
    }
}

bool is_utf8(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data() + at);
        const unsigned char lead = *bytes;
        const std::size_t length = lead < 0x80   ? 1
                                   : lead < 0xc2 ? 0
                                   : lead < 0xe0 ? 2
                                   : lead < 0xf0 ? 3
                                   : lead < 0xf5 ? 4
                                                 : 0;
        if (length == 0 || length > text.size() - at ||
            !Poco::UTF8Encoding::isLegal(bytes, static_cast<int>(length))) {
            return false;
        }
        at += length;
    }
    return true;
}

// Is there a number in it beside one mention of the event's own code?
bool explains_delay(std::string why, std::int32_t code) {
    const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
    const std::string own = std::to_string(code);
    for (auto at = why.find(own); at != std::string::npos; at = why.find(own, at + 1)) {
        const bool inside = (at > 0 && is_digit(why[at - 1])) ||
                            (at + own.size() < why.size() && is_digit(why[at + own.size()]));
        if (!inside) {
            why.erase(at, own.size());
            break;
        }
    }
    return std::any_of(why.begin(), why.end(), is_digit);
}

void restart_why(Trial& trial) {
    constexpr std::size_t kMostBytes = 4096;
    constexpr Failure kKinds[] = {
        {STEWARD_EV_EXIT, 77, "exit code 77"},
        {STEWARD_EV_SIGNAL, 11, "signal 11"},
        {STEWARD_EV_HEALTH, 3, "3 failed health checks"},
        {STEWARD_EV_START_TIMEOUT, 0, "a start that took too long"},
        {STEWARD_EV_SPAWN_FAILED, 11, "a start that failed with errno 11"},
        {STEWARD_EV_MANUAL_STOP, 0, "a manual stop"},
        {STEWARD_EV_MANUAL_START, 0, "a manual start"},
    };
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (const Failure& kind : kKinds) {
            Story story;
            for (std::uint64_t n = 0; n < 12; ++n) {
                story.add(kind.kind, kind.code, kSecond, 50 * kMs);
                const auto decided = decided_on(instance, story.question(trial.random().next(), n));
                const std::string asked = std::string(kind.name) + ", " + std::to_string(n + 1) +
                                          (n == 0 ? " time: " : " times: ");
                const std::string& why = decided.why;
                require(!why.empty(), asked + "no reason is written; expected one sentence");
                require(why.size() <= kMostBytes, asked + "the reason has " +
                                                      std::to_string(why.size()) +
                                                      " bytes; expected at most 4096");
                require(is_utf8(why), asked + "the reason is not UTF-8");
                require(std::none_of(why.begin(), why.end(),
                                     [](char c) {
                                         return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                                     }),
                        asked + "the reason has control characters; expected one line of text");
                const bool automatic = decided.action == STEWARD_RESTART && decided.delay > 0 &&
                                       kind.kind != STEWARD_EV_MANUAL_START;
                require(!automatic || explains_delay(why, kind.code),
                        asked + "the reason \"" + why + "\" has no number that the delay of " +
                            ms_text(decided.delay) + " comes from");
            }
        }
    }
}

constexpr std::array kChecks{
    Check{68, "restart-total", Level::kMust, STEWARD_IFACE_RESTART,
          "every history of events gets a valid action, and RESTART a delay from 0 to one day",
          "a question that is not answered, or with a delay that no clock can wait for, is "
          "answered by the host's fallback: the policy that the user chose is not in force",
          "give every kind of event an answer, and bound the delay after the last calculation "
          "with it",
          20s, &restart_total},
    Check{69, "restart-backoff-monotone", Level::kMust, STEWARD_IFACE_RESTART,
          "a plugin that claims STEWARD_CAP_BACKOFF gives delays that do not fall while the same "
          "short failure repeats, that rise, and that begin anew after long health",
          "a delay that falls in the middle of a series hammers an app that cannot start; one that "
          "does not begin anew makes users wait long for the first restart in weeks",
          "compute the delay from the number of failures in the series, bound it with a cap, and "
          "end the series at a failure after enough healthy_for; or do not claim the capability",
          10s, &restart_backoff_monotone},
    Check{70, "restart-respects-manual", Level::kMust, STEWARD_IFACE_RESTART,
          "a manual stop is never answered by RESTART",
          "a service that comes back after a person stopped it cannot be taken down",
          "answer STEWARD_EV_MANUAL_STOP with STAY_DOWN before anything else is looked at", 5s,
          &restart_respects_manual},
    Check{71, "restart-gives-up-stable", Level::kShould, STEWARD_IFACE_RESTART,
          "once it has given up it stays with that while failures go on, until a manual start, "
          "which forgives",
          "a service that is given up and taken up again and again is neither up nor known to be "
          "down, and each change is told to clients",
          "count all failures since the last manual event or stable run, not those of the last "
          "moments; let a manual start end the count",
          10s, &restart_gives_up_stable},
    Check{72, "restart-storm", Level::kMust, STEWARD_IFACE_RESTART,
          "with its default settings an app that fails at once is started again at most 60 times "
          "in the first minute, or given up",
          "an app that dies at once, started again without a pause, takes a whole processor and "
          "fills the log",
          "choose defaults with a delay of at least a second on average, or give up early", 10s,
          &restart_storm},
    Check{73, "restart-why", Level::kShould, STEWARD_IFACE_RESTART,
          "each decision has a reason: one line of UTF-8, at most 4 KiB, with a number that the "
          "delay comes from",
          "people and clients are shown this sentence when they ask why the app is down; without "
          "it they must guess",
          "write the failure and the calculation, such as \"exit code 3: restart 2 of 5 in 500 "
          "ms\"",
          10s, &restart_why},
};

}  // namespace

const std::span<const Check> kRestartChecks{kChecks};

}  // namespace steward::compliance
