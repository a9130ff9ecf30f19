#include "policy.hpp"

#include <algorithm>
#include <limits>

namespace examples::restart_hours {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr sdk::Duration kDay = hours(24);

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

minutes parse_time(std::string_view name, const std::string& text) {
    const bool shaped = text.size() == 5 && is_digit(text[0]) && is_digit(text[1]) &&
                        text[2] == ':' && is_digit(text[3]) && is_digit(text[4]);
    const int hour = shaped ? (text[0] - '0') * 10 + (text[1] - '0') : 99;
    const int minute = shaped ? (text[3] - '0') * 10 + (text[4] - '0') : 99;
    if (hour > 23 || minute > 59) {
        throw sdk::SettingsError(name, "must be a time of day from 00:00 to 23:59 (got \"" +
                                           sdk::printable(text) + "\")");
    }
    return hours(hour) + minutes(minute);
}

// From `from` to `to` on the face of the clock, 0 to just below a day.
sdk::Duration forward(sdk::Duration from, sdk::Duration to) noexcept {
    const sdk::Duration between = (to - from) % kDay;
    return between < sdk::Duration::zero() ? between + kDay : between;
}

// Each part is brought below a day first: the sum of both cannot overflow.
sdk::Duration time_of_day(const sdk::WallClock& wall) noexcept {
    return forward(-(wall.utc_offset % hours(24)), wall.since_epoch % kDay);
}

bool is_manual(const steward_event& event) noexcept {
    return event.kind == STEWARD_EV_MANUAL_START || event.kind == STEWARD_EV_MANUAL_STOP;
}

std::string failure_text(const steward_event& event) {
    const std::string code = std::to_string(event.code);
    switch (event.kind) {
        case STEWARD_EV_EXIT:
            return "exit code " + code;
        case STEWARD_EV_SIGNAL:
            return "killed by signal " + code;
        case STEWARD_EV_HEALTH:
            return code + " failed health checks in a row";
        case STEWARD_EV_START_TIMEOUT:
            return "not healthy in time after its start";
        case STEWARD_EV_SPAWN_FAILED:
            return "could not be started (errno " + code + ")";
        default:  // A later minor version may know more kinds.
            return "failure of kind " + std::to_string(event.kind);
    }
}

std::string budget_text(const Period& period) {
    return period.name.empty() ? "24 hours (the host does not tell the time of day)"
                               : "the " + std::string(period.name);
}

std::string give_up_text(const Period& period) {
    std::string text = ": the " + std::to_string(period.restarts) +
                       (period.restarts == 1 ? " restart of " : " restarts of ") +
                       budget_text(period) + (period.restarts == 1 ? " is" : " are") + " used up";
    if (!period.ends.empty()) {
        text.append("; the ").append(period.next_name).append(" begins at ").append(period.ends);
        text += " with " + std::to_string(period.next_restarts);
    }
    return text;
}

}  // namespace

Hours::Hours(const Settings& settings)
    : settings_(settings),
      day_from_(parse_time("day_from", settings.day_from)),
      day_until_(parse_time("day_until", settings.day_until)) {
    if (day_from_ == day_until_) {
        throw sdk::SettingsError("day_until",
                                 "must differ from day_from (both are " + settings.day_until +
                                     "); for one budget all day long give both the same number");
    }
}

Period Hours::period_at(const std::optional<sdk::WallClock>& wall) const {
    if (!wall) {
        const auto least = std::min(settings_.day_restarts, settings_.night_restarts);
        return {{}, least, kDay, {}, {}, 0};
    }
    const sdk::Duration now = time_of_day(*wall);
    const sdk::Duration of_day = forward(day_from_, now);
    if (of_day < forward(day_from_, day_until_)) {
        return {"day",   settings_.day_restarts,  of_day, settings_.day_until,
                "night", settings_.night_restarts};
    }
    return {"night", settings_.night_restarts, forward(day_until_, now), settings_.day_from,
            "day",   settings_.day_restarts};
}

std::int64_t failures_within(const sdk::RestartQuestion& question, sdk::Duration elapsed) noexcept {
    const steward_ns now = sdk::nanoseconds(question.now);
    constexpr steward_ns kEarliest = std::numeric_limits<steward_ns>::min();
    const steward_ns begin = now < kEarliest + elapsed.count() ? kEarliest : now - elapsed.count();
    std::int64_t failures = 1;
    for (auto event = question.events.rbegin() + 1;
         event != question.events.rend() && !is_manual(*event) && event->at >= begin; ++event) {
        ++failures;
    }
    return failures;
}

sdk::RestartDecision Hours::decide(const sdk::RestartQuestion& question) const {
    const steward_event& last = question.events.back();
    if (last.kind == STEWARD_EV_MANUAL_STOP) {
        return {STEWARD_STAY_DOWN, {}, "stopped on request"};
    }
    if (last.kind == STEWARD_EV_MANUAL_START) {
        return {STEWARD_RESTART, {}, "started on request"};
    }
    const Period period = period_at(question.wall);
    const std::int64_t failures = failures_within(question, period.elapsed);
    if (failures > period.restarts) {
        return {STEWARD_GIVE_UP, {}, failure_text(last) + give_up_text(period)};
    }
    return {STEWARD_RESTART, std::chrono::milliseconds(settings_.delay_ms),
            failure_text(last) + ": restart " + std::to_string(failures) + " of " +
                std::to_string(period.restarts) + " of " + budget_text(period) + ", in " +
                std::to_string(settings_.delay_ms) + " ms"};
}

}  // namespace examples::restart_hours
