// steward/sdk/metrics.hpp - a class with a member sample() as "steward.metrics/1".
//
//     steward_status sample(const sdk::MetricsRequest& request, const sdk::MetricsEmitter& emit);
//
// It returns STEWARD_OK, STEWARD_E_GONE (nothing of the tree exists) or STEWARD_E_TIMEOUT (the
// deadline came first; what was emitted counts), or throws a Failure. On [plugin].
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../metrics.h"
#include "host.hpp"

namespace steward::sdk {

// Valid during the call.
struct MetricsRequest {
    std::int32_t app_pid = 0;
    std::int32_t tree_pid = 0;     // its descendants, without itself, belong to the service
    std::string_view proc_root{};  // "/proc", or a fixture
    TimePoint now{};
    TimePoint deadline{};
    std::string_view address{};
    std::uint16_t port = 0;  // 0: none
};

struct MetricLabel {
    std::string_view name{};
    std::string_view value{};
};

struct Metric {
    std::string_view name{};  // [a-z_][a-z0-9_]*, at most 128 bytes
    std::string_view help{};
    std::string_view unit{};  // "bytes", "seconds", "percent" or empty
};

// Hands series to the host while sample() runs.
class MetricsEmitter {
  public:
    using Emit = void (*)(void* ud, const steward_metric* metric);

    MetricsEmitter(Emit emit, void* ud) noexcept : emit_(emit), ud_(ud) {}

    // At most kMaxLabels labels; more are left out.
    void gauge(const Metric& metric, double value,
               std::initializer_list<MetricLabel> labels = {}) const {
        send(STEWARD_GAUGE, metric, value, {labels.begin(), labels.size()});
    }
    void counter(const Metric& metric, double value,
                 std::initializer_list<MetricLabel> labels = {}) const {
        send(STEWARD_COUNTER, metric, value, {labels.begin(), labels.size()});
    }

    // The same with labels that are counted only when the program runs.
    void gauge(const Metric& metric, double value, std::span<const MetricLabel> labels) const {
        send(STEWARD_GAUGE, metric, value, labels);
    }
    void counter(const Metric& metric, double value, std::span<const MetricLabel> labels) const {
        send(STEWARD_COUNTER, metric, value, labels);
    }

    static constexpr std::size_t kMaxLabels = 16;

  private:
    void send(std::int32_t kind, const Metric& metric, double value,
              std::span<const MetricLabel> labels) const {
        steward_label raw[kMaxLabels];
        std::size_t count = 0;
        for (const MetricLabel& label : labels) {
            if (count < kMaxLabels) {
                raw[count++] = {str(label.name), str(label.value)};
            }
        }
        const steward_metric series{
            sizeof(steward_metric), kind,  str(metric.name),           str(metric.help),
            str(metric.unit),       value, count == 0 ? nullptr : raw, count};
        emit_(ud_, &series);
    }

    Emit emit_;
    void* ud_;
};

namespace detail {

template <class Policy>
struct MetricsAdapter {
    static steward_status sample(steward_instance* instance, const steward_metrics_request* request,
                                 void (*emit)(void* ud, const steward_metric* metric), void* ud,
                                 steward_error* error) {
        return guard(error, [&]() -> steward_status {
            if (request == nullptr || !STEWARD_HAS(request, port) || emit == nullptr) {
                throw Failure(STEWARD_E_INVALID, "the request is incomplete");
            }
            return reinterpret_cast<Policy*>(instance)->sample(
                MetricsRequest{request->app_pid, request->tree_pid, view(request->proc_root),
                               time_point(request->now), time_point(request->deadline),
                               view(request->address), request->port},
                MetricsEmitter(emit, ud));
        });
    }

    static constexpr steward_metrics kInterface{sizeof(steward_metrics), 0, &sample};
};

}  // namespace detail
}  // namespace steward::sdk
