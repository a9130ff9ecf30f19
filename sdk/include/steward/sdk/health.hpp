// steward/sdk/health.hpp - a class with members start() and cancel() as "steward.health/1".
//
//     void start(const sdk::HealthRequest& request, sdk::HealthDone done);
//     void cancel(steward_token probe) noexcept;   // of an unknown or finished probe: ignored
//
// A Failure thrown by start() means that the probe never began; `done` must not be called then.
// start() returns at once and keeps `done`, which is to be called exactly once, never from inside
// start(), by the deadline at the latest, also after cancel() (UNKNOWN, STEWARD_E_CANCELLED; from
// inside cancel() is fine). The destructor completes in the same way what is still in flight. All
// on [plugin].
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "../health.h"
#include "host.hpp"

namespace steward::sdk {

// Valid during start(): copy what is needed later.
struct HealthRequest {
    steward_token probe = 0;
    std::int32_t pid = 0;
    TimePoint deadline{};
    std::string_view address{};  // a literal IPv4 or IPv6 address
    std::uint16_t port = 0;      // 0: the service has none
    std::uint32_t attempt = 1;
    std::string_view instance_id{};
};

struct HealthResult {
    std::int32_t verdict = STEWARD_UNKNOWN;
    steward_status status = STEWARD_OK;
    std::int32_t protocol_code = 0;
    Duration latency{};
    std::string_view detail{};       // one line for people, at most 4 KiB
    std::string_view instance_id{};  // what the answer claims, or empty
};

// Hands the result of one probe to the host; a second call does nothing.
class HealthDone {
  public:
    HealthDone() noexcept = default;
    HealthDone(steward_health_done done, void* ud, steward_token probe) noexcept
        : done_(done), ud_(ud), probe_(probe) {}
    HealthDone(HealthDone&& other) noexcept
        : done_(std::exchange(other.done_, nullptr)), ud_(other.ud_), probe_(other.probe_) {}
    HealthDone& operator=(HealthDone&& other) noexcept {
        done_ = std::exchange(other.done_, nullptr);
        ud_ = other.ud_;
        probe_ = other.probe_;
        return *this;
    }
    HealthDone(const HealthDone&) = delete;
    HealthDone& operator=(const HealthDone&) = delete;
    ~HealthDone() = default;

    [[nodiscard]] bool pending() const noexcept { return done_ != nullptr; }
    [[nodiscard]] steward_token probe() const noexcept { return probe_; }

    // The host may start or cancel other probes from inside this call.
    void operator()(const HealthResult& result) noexcept {
        const steward_health_done done = std::exchange(done_, nullptr);
        if (done == nullptr) {
            return;
        }
        const steward_health_result raw{
            sizeof(steward_health_result), result.verdict,         result.status,
            result.protocol_code,          result.latency.count(), str(result.detail),
            str(result.instance_id)};
        done(ud_, probe_, &raw);
    }

  private:
    steward_health_done done_ = nullptr;
    void* ud_ = nullptr;
    steward_token probe_ = 0;
};

namespace detail {

template <class Policy>
struct HealthAdapter {
    static steward_status start(steward_instance* instance, const steward_health_request* request,
                                steward_health_done done, void* ud, steward_error* error) {
        return guard(error, [&]() -> steward_status {
            if (request == nullptr || !STEWARD_HAS(request, instance_id) || done == nullptr) {
                throw Failure(STEWARD_E_INVALID, "the request is incomplete");
            }
            reinterpret_cast<Policy*>(instance)->start(
                HealthRequest{request->probe, request->pid, time_point(request->deadline),
                              view(request->address), request->port, request->attempt,
                              view(request->instance_id)},
                HealthDone(done, ud, request->probe));
            return STEWARD_OK;
        });
    }

    static void cancel(steward_instance* instance, steward_token probe) {
        static_assert(noexcept(reinterpret_cast<Policy*>(instance)->cancel(probe)),
                      "cancel() must be noexcept: nothing may unwind into the host");
        reinterpret_cast<Policy*>(instance)->cancel(probe);
    }

    static constexpr steward_health kInterface{sizeof(steward_health), 0, &start, &cancel};
};

}  // namespace detail
}  // namespace steward::sdk
