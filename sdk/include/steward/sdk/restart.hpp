// steward/sdk/restart.hpp - a class with a member decide() as "steward.restart/1".
//
//     sdk::RestartDecision decide(const sdk::RestartQuestion& question) const;
//
// It must be pure: no clock, no random source, no state that changes. Jitter comes from the
// question's entropy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "../restart.h"
#include "host.hpp"

namespace steward::sdk {

// What the clock on the wall showed when the host asked. Never read one yourself.
struct WallClock {
    Duration since_epoch{};             // of 1970-01-01T00:00:00Z
    std::chrono::seconds utc_offset{};  // of the host's time zone then, east of UTC
};

struct RestartQuestion {
    std::span<const steward_event> events;  // oldest first, never empty; the last one asks
    TimePoint now{};
    std::uint64_t entropy = 0;
    std::uint64_t total_restarts = 0;
    std::optional<WallClock> wall{};  // nothing: the host does not tell the time of day
};

struct RestartDecision {
    std::int32_t action = STEWARD_RESTART;
    Duration delay{};  // 0 to one day
    std::string why;   // one sentence with the numbers, at most 4 KiB
};

namespace detail {

template <class Policy>
struct RestartAdapter {
    static steward_status decide(const steward_instance* instance,
                                 const steward_restart_input* input, steward_restart_decision* out,
                                 const steward_sink* why, steward_error* error) {
        return guard(error, [&]() -> steward_status {
            if (input == nullptr || !STEWARD_HAS(input, total_restarts) || out == nullptr ||
                !STEWARD_HAS(out, delay)) {
                throw Failure(STEWARD_E_INVALID, "the question is incomplete");
            }
            if (input->events == nullptr || input->event_count == 0) {
                throw Failure(STEWARD_E_INVALID, "the question has no event");
            }
            RestartQuestion question{{input->events, input->event_count},
                                     time_point(input->now),
                                     input->entropy,
                                     input->total_restarts};
            if (STEWARD_HAS(input, utc_offset)) {
                question.wall =
                    WallClock{Duration(input->wall), std::chrono::seconds(input->utc_offset)};
            }
            const RestartDecision decision =
                reinterpret_cast<const Policy*>(instance)->decide(question);
            if (const steward_status status = write(why, decision.why); status != STEWARD_OK) {
                set_error(error, "the reason could not be written");
                return status;
            }
            out->action = decision.action;
            out->delay = decision.delay.count();
            return STEWARD_OK;
        });
    }

    static constexpr steward_restart kInterface{sizeof(steward_restart), 0, &decide};
};

}  // namespace detail
}  // namespace steward::sdk
