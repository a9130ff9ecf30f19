#include "policy.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <string_view>

namespace steward::restart_backoff {
namespace {

bool is_manual(const steward_event& event) noexcept {
    return event.kind == STEWARD_EV_MANUAL_START || event.kind == STEWARD_EV_MANUAL_STOP;
}

bool was_stable(const steward_event& event, std::int64_t stable_ms) noexcept {
    constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
    return event.healthy_for > 0 && event.healthy_for / kNanosecondsPerMillisecond >= stable_ms;
}

std::string_view signal_name(int signal) noexcept {
    switch (signal) {
        case SIGABRT:
            return " (SIGABRT)";
        case SIGBUS:
            return " (SIGBUS)";
        case SIGFPE:
            return " (SIGFPE)";
        case SIGILL:
            return " (SIGILL)";
        case SIGINT:
            return " (SIGINT)";
        case SIGKILL:
            return " (SIGKILL)";
        case SIGSEGV:
            return " (SIGSEGV)";
        case SIGTERM:
            return " (SIGTERM)";
        default:
            return "";
    }
}

std::string failure_text(const steward_event& event) {
    const std::string code = std::to_string(event.code);
    switch (event.kind) {
        case STEWARD_EV_EXIT:
            return "exit code " + code;
        case STEWARD_EV_SIGNAL:
            return "killed by signal " + code + std::string(signal_name(event.code));
        case STEWARD_EV_HEALTH:
            return code +
                   (event.code == 1 ? " failed health check" : " failed health checks in a row");
        case STEWARD_EV_START_TIMEOUT:
            return "not healthy in time after its start";
        case STEWARD_EV_SPAWN_FAILED:
            return "could not be started (errno " + code + ")";
        default:  // A later minor version may know more kinds.
            return "failure of kind " + std::to_string(event.kind);
    }
}

// 497 ms, 12.5 s, 60 s.
std::string duration_text(std::int64_t ms) {
    if (ms < 10'000 && ms % 1000 != 0) {
        return std::to_string(ms) + " ms";
    }
    if (ms == 0) {
        return "0 ms";
    }
    return sdk::number_text(static_cast<double>(ms) / 1000.0) + " s";
}

// base_ms * factor^(restart - 1) in milliseconds, perhaps infinite. Multiplied step by step, not
// with pow(), whose last bit differs between C libraries.
double exact_delay(const Settings& settings, std::int64_t restart) noexcept {
    auto delay = static_cast<double>(settings.base_ms);
    for (std::int64_t i = 1; i < restart; ++i) {
        delay *= settings.factor;
    }
    return delay;
}

std::string restart_text(const Settings& settings, std::int64_t restart, std::int64_t delay) {
    std::string text = ": restart " + std::to_string(restart) + " of " +
                       std::to_string(settings.max_restarts) + " in " + duration_text(delay) +
                       " (" + duration_text(settings.base_ms) + " × " +
                       sdk::number_text(settings.factor) + "^" + std::to_string(restart - 1);
    if (exact_delay(settings, restart) > static_cast<double>(settings.cap_ms)) {
        text += ", at most " + duration_text(settings.cap_ms);
    }
    if (settings.jitter_percent != 0) {
        text += ", ±" + std::to_string(settings.jitter_percent) + " %";
    }
    return text + ")";
}

std::string give_up_text(const Settings& settings) {
    if (settings.max_restarts == 0) {
        return ": no restarts are allowed (max_restarts 0)";
    }
    return ": " + std::to_string(settings.max_restarts) +
           (settings.max_restarts == 1 ? " restart" : " restarts") + " without " +
           duration_text(settings.stable_ms) + " of health";
}

}  // namespace

std::int64_t failures_in_series(std::span<const steward_event> events,
                                std::int64_t stable_ms) noexcept {
    std::int64_t failures = 0;
    for (auto event = events.rbegin(); event != events.rend() && !is_manual(*event); ++event) {
        ++failures;
        if (was_stable(*event, stable_ms)) {
            break;
        }
    }
    return failures;
}

std::int64_t delay_ms(const Settings& settings, std::int64_t restart,
                      std::uint64_t entropy) noexcept {
    const auto cap = static_cast<double>(settings.cap_ms);
    double delay = std::min(exact_delay(settings, restart), cap);
    // The upper 53 bits as a number in [-1, 1).
    const double side = static_cast<double>(entropy >> 11) * 0x1p-52 - 1.0;
    delay += delay * side * static_cast<double>(settings.jitter_percent) / 100.0;
    return static_cast<std::int64_t>(std::clamp(std::round(delay), 0.0, cap));
}

sdk::RestartDecision decide(const Settings& settings, const sdk::RestartQuestion& question) {
    const steward_event& last = question.events.back();
    if (last.kind == STEWARD_EV_MANUAL_STOP) {
        return {STEWARD_STAY_DOWN, {}, "stopped on request"};
    }
    if (last.kind == STEWARD_EV_MANUAL_START) {
        return {STEWARD_RESTART, {}, "started on request"};
    }
    const std::int64_t failures = failures_in_series(question.events, settings.stable_ms);
    if (failures > settings.max_restarts) {
        return {STEWARD_GIVE_UP, {}, failure_text(last) + give_up_text(settings)};
    }
    const std::int64_t delay = delay_ms(settings, failures, question.entropy);
    return {STEWARD_RESTART, std::chrono::milliseconds(delay),
            failure_text(last) + restart_text(settings, failures, delay)};
}

}  // namespace steward::restart_backoff
