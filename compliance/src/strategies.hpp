// The calls of the four strategies, as C++ values: what a check asks and what came.
//
// On [plugin]. An exception that leaves the plugin is Broken.
#pragma once
#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/port.h>
#include <steward/restart.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "session.hpp"

namespace steward::compliance {

// ---- steward.restart/1

struct Decided {
    steward_status status = STEWARD_OK;
    std::int32_t action = -1;
    steward_ns delay = 0;
    std::string why;
    std::string error;

    bool operator==(const Decided&) const = default;
};
struct RestartQuestion {
    std::vector<steward_event> events;  // oldest first
    steward_ns now = 0;
    std::uint64_t entropy = 0;
    std::uint64_t total_restarts = 0;
    steward_ns wall = 0;  // at `now`, since 1970
    std::int32_t utc_offset = 0;
    bool tells_time_of_day = true;  // false: as a host from before `wall` asks
};
Decided decide(const Instance& instance, const RestartQuestion& question);
std::string to_text(const Decided& decided);

// ---- steward.port/1

struct Proposed {
    steward_status status = STEWARD_OK;
    std::vector<std::uint16_t> ports;
    // What it wrote as the number, as it stands: more than the capacity is a fault.
    std::size_t count = 0;
    // Did it write behind the last place?
    bool overrun = false;
    std::string error;

    bool operator==(const Proposed&) const = default;
};
struct PortQuestion {
    std::string address = "127.0.0.1";
    std::uint16_t base = 5000;
    std::uint16_t first = 5000;
    std::uint16_t last = 5099;
    std::vector<std::uint16_t> excluded;  // ascending
    std::uint32_t attempt = 1;
    std::uint64_t entropy = 0;
    std::size_t capacity = 16;
};
Proposed propose(const Instance& instance, const PortQuestion& question);

// ---- steward.health/1

struct HealthReport {
    steward_token probe = 0;
    std::int32_t verdict = -1;
    steward_status status = STEWARD_OK;
    std::int32_t code = 0;
    std::chrono::nanoseconds latency{};
    steward_ns at = 0;  // on the host's clock
    std::string detail;
    std::string instance_id;
    bool inside_start = false;  // done came before start had returned
    bool on_plugin_thread = true;
};

// Probes of one instance, and what came of them. Stays where it is.
class Prober {
  public:
    Prober(FakePluginHost& host, const Instance& instance);
    // What is reported later, when the instance is destroyed, goes nowhere.
    ~Prober();
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    // Returns what start returned; its text is in error() then.
    steward_status start(steward_token probe, const std::string& address, std::uint16_t port,
                         std::chrono::nanoseconds limit = std::chrono::seconds(2));
    void cancel(steward_token probe);

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    // All reports of a probe; a good plugin makes one.
    [[nodiscard]] const std::vector<HealthReport>& of(steward_token probe);
    // Until so many reports have come in all; in real time. The virtual clock stands still.
    bool wait(std::size_t count, std::chrono::milliseconds limit = std::chrono::seconds(5));
    // Until the probe has ended, on the virtual clock: `grace` of real time is for the target to
    // say what it has to say, then the clock goes `limit` ahead. False: no report came.
    bool settle(steward_token probe, std::chrono::nanoseconds limit,
                std::chrono::milliseconds grace = std::chrono::seconds(2));
    // Until the probe has ended or its target has come as far as it will, which is looked at every
    // millisecond of at most `limit`.
    void wait_for_target(steward_token probe, const std::function<bool()>& at_rest,
                         std::chrono::milliseconds limit = std::chrono::seconds(5));
    // Called for each report after it was taken down, from inside done.
    void on_done(std::function<void(const HealthReport&)> hook) { hook_ = std::move(hook); }
    [[nodiscard]] const std::string& error() const noexcept { return error_; }

  private:
    static void done(void* ud, steward_token probe, const steward_health_result* result);

    struct Door {
        Prober* prober;
    };

    FakePluginHost& host_;
    const Instance& instance_;
    const steward_health* health_;
    std::unique_ptr<Door> door_;
    bool started_ = false;  // then the door is never taken away
    std::map<steward_token, std::vector<HealthReport>> reports_;
    std::size_t count_ = 0;
    bool starting_ = false;
    std::string error_;
    std::function<void(const HealthReport&)> hook_;
};

// "UNHEALTHY, status 4, code 0, \"no answer\"".
std::string to_text(const HealthReport& report);

// ---- steward.metrics/1

struct Metric {
    std::int32_t kind = -1;
    std::string name;
    std::string help;
    std::string unit;
    double value = 0;
    std::vector<std::pair<std::string, std::string>> labels;
};
struct Sampled {
    steward_status status = STEWARD_OK;
    std::vector<Metric> metrics;
    std::string error;
    bool on_calling_thread = true;  // each emit came on the thread of the call

    // The value of the series without labels; nothing if it was not emitted.
    [[nodiscard]] std::optional<double> value(const std::string& name) const;
};
struct MetricsQuestion {
    std::int32_t app_pid = 0;
    std::int32_t tree_pid = 0;
    std::string proc_root = "/proc";
    steward_ns now = 0;
    steward_ns deadline = 0;
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
};
Sampled sample(const Instance& instance, const MetricsQuestion& question);

// ---- all of them

struct Answer {
    std::string function;  // "decide"
    steward_status status = STEWARD_OK;
    std::string error;
};
// Asks each interface of the plugin one ordinary question, and awaits the answer: an exit of the
// app, a free range of ports, the processes of the run, a port that nobody listens on. Throws Broken if a probe
// was begun and no report of it comes.
std::vector<Answer> ask_once(FakePluginHost& host, const Instance& instance);

}  // namespace steward::compliance
