#include "steward/core/app_activity.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace steward::core {
namespace {

// Of one core: what uses or wants less is taken for waiting. A busy loop wants 100 %, an idle
// server with its timers less than 1 %.
constexpr double kBusyShare = 0.5;
// Waiting for a core is told when it matters.
constexpr double kToldShare = 0.05;

double seconds(Duration d) {
    return std::chrono::duration<double>(d).count();
}

int percent(double share) {
    return static_cast<int>(std::lround(share * 100));
}

std::string time_text(Duration d) {
    char text[32];
    if (d < std::chrono::seconds(1)) {
        std::snprintf(text, sizeof text, "%d ms", static_cast<int>(std::lround(seconds(d) * 1e3)));
    } else {
        std::snprintf(text, sizeof text, "%.1f s", seconds(d));
    }
    return text;
}

struct Shares {
    double used = 0;
    double waited = 0;
};

// What each process has added; one that is new since `before` has added all that it has. Who is
// reaped takes all that it ever used to its parent's account: what it had used by the first look is
// not of the time between the two.
AppLook::Times added(const AppLook& before, const AppLook& now) {
    // With some left out, new ones and what was reaped may be older than the first look.
    const bool whole = !before.truncated && !now.truncated;
    AppLook::Times sum{{}, Duration{}, {}};
    for (const auto& [pid, times] : now.processes) {
        const auto found = before.processes.find(pid);
        if (found == before.processes.end() && !whole) {
            continue;
        }
        const auto old =
            found == before.processes.end() ? AppLook::Times{{}, Duration{}, {}} : found->second;
        // The times of threads that have ended may be missing.
        sum.used += std::max(Duration{}, times.used - old.used);
        if (times.waited && old.waited) {
            *sum.waited += std::max(Duration{}, *times.waited - *old.waited);
        }
        sum.reaped += std::max(Duration{}, times.reaped - old.reaped);
    }
    for (const auto& [pid, times] : before.processes) {
        if (now.processes.count(pid) == 0) {
            sum.reaped -= times.used + times.reaped;
        }
    }
    // A parent that ignores SIGCHLD is not charged for its children.
    sum.reaped = whole ? std::max(Duration{}, sum.reaped) : Duration{};
    return sum;
}

Shares shares(const AppLook& before, const AppLook& now) {
    const auto sum = added(before, now);
    const double time = std::max(seconds(now.at - before.at), 1e-3);
    return {seconds(sum.used + sum.reaped) / time, seconds(*sum.waited) / time};
}

std::string queue_text(const AppLook& now) {
    if (!now.queued) {
        return {};
    }
    return *now.queued == 0   ? ", no connection waits"
           : *now.queued == 1 ? ", 1 connection waits"
                              : ", " + std::to_string(*now.queued) + " connections wait";
}

std::string use_text(const Shares& share, Duration time) {
    std::string text = "used " + std::to_string(percent(share.used)) + " % of a core";
    if (share.waited >= kToldShare) {
        text += " and waited " + std::to_string(percent(share.waited)) + " % for one";
    }
    return text + " over the last " + time_text(time);
}

Evidence stood_still(const AppLook& now) {
    if (!now.tracer.empty()) {
        return {Condition::kTraced, "traced: stopped by " + now.tracer};
    }
    return {Condition::kStopped, now.state == 't' ? "stopped: by a tracer"
                                                  : "stopped: by a signal (SIGSTOP or like it)"};
}

}  // namespace

std::string_view to_string(Condition condition) {
    switch (condition) {
        case Condition::kNotAsked:
            return "";
        case Condition::kUnknown:
            return "unknown";
        case Condition::kBusy:
            return "busy";
        case Condition::kHung:
            return "hung";
        case Condition::kStopped:
            return "stopped";
        case Condition::kTraced:
            return "traced";
        case Condition::kDead:
            return "dead";
    }
    return "unknown";
}

Evidence weigh(const AppLook& before, const AppLook& now) {
    if (!now.unreadable.empty()) {
        return {Condition::kUnknown, "busy or hung cannot be told: " + now.unreadable};
    }
    if (now.gone) {
        return {Condition::kDead, "dead: its process is gone"};
    }
    switch (now.state) {
        case 'Z':
        case 'X':
        case 'x':
            return {Condition::kDead, "dead: its process is a zombie"};
        case 'T':
        case 't':
            return stood_still(now);
        default:
            break;
    }
    if (!before.unreadable.empty() || before.gone || before.processes.empty()) {
        return {Condition::kUnknown,
                "busy or hung cannot be told: " +
                    (before.unreadable.empty() ? "there was no earlier look" : before.unreadable)};
    }
    const Shares share = shares(before, now);
    std::string text = use_text(share, now.at - before.at);
    const bool works = share.used + share.waited >= kBusyShare;
    const bool takes = before.queued && now.queued && *now.queued < *before.queued;
    if (takes) {
        text += ", took waiting connections";
    }
    text += queue_text(now);
    if (works || takes) {
        return {Condition::kBusy, "busy: " + text};
    }
    if (before.truncated || now.truncated) {
        return {Condition::kUnknown,
                "busy or hung cannot be told: the app has more processes or threads than are "
                "looked at; these " +
                    text};
    }
    if (now.state == 'D') {
        text += ", waits in the kernel and cannot be interrupted (state D)";
    }
    return {Condition::kHung, "hung: " + text};
}

}  // namespace steward::core
