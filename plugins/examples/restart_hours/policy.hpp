// The pure part of restart_hours: a budget of restarts for the day and another for the night.
//
// A failure is every event but a manual start or stop. Those of the present period, from its
// beginning or from the last manual start or stop on, count: as many as the budget are answered by
// a restart, the next by giving up. When the next period begins, its own budget is untouched.
//
// The time of day is part of the question, so this reads no clock: the same question has the same
// answer. A host that does not tell it gets the smaller budget for the failures of 24 hours. Any
// thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <steward/sdk/restart.hpp>
#include <steward/sdk/settings.hpp>
#include <string>
#include <string_view>

namespace examples::restart_hours {

namespace sdk = steward::sdk;

struct Settings {
    std::string day_from = "07:00";
    std::string day_until = "22:00";
    std::int64_t day_restarts = 10;
    std::int64_t night_restarts = 3;
    std::int64_t delay_ms = 1000;
};

// The host hands over 256 events at most, so a larger budget could not be counted: hence 200.
inline constexpr std::array kFields{
    sdk::text("day_from", &Settings::day_from, "When the day begins, HH:MM in local time."),
    sdk::text("day_until", &Settings::day_until, "When it ends and the night begins."),
    sdk::integer("day_restarts", &Settings::day_restarts, {0, 200}, "Restarts in one day."),
    sdk::integer("night_restarts", &Settings::night_restarts, {0, 200}, "Restarts in one night."),
    sdk::integer("delay_ms", &Settings::delay_ms, {0, 3'600'000},
                 "The wait before each restart, in milliseconds."),
};

// What the question is judged by.
struct Period {
    std::string_view name;           // "day", "night", or empty: the time is not known
    std::int64_t restarts = 0;       // its budget
    sdk::Duration elapsed{};         // since it began
    std::string_view ends;           // "07:00"; empty if the time is not known
    std::string_view next_name;      // whose budget begins then
    std::int64_t next_restarts = 0;  // and how large it is
};

class Hours {
  public:
    // Throws sdk::SettingsError for what is no time of day, and for a day without an end.
    explicit Hours(const Settings& settings);

    [[nodiscard]] Period period_at(const std::optional<sdk::WallClock>& wall) const;
    // `question.events` is not empty. Throws only bad_alloc.
    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const;

  private:
    Settings settings_;
    std::chrono::minutes day_from_;
    std::chrono::minutes day_until_;
};

// How many failures there were within the last `elapsed`, since the last manual start or stop; at
// least the one that asks.
[[nodiscard]] std::int64_t failures_within(const sdk::RestartQuestion& question,
                                           sdk::Duration elapsed) noexcept;

}  // namespace examples::restart_hours
