// One health_http instance on a fake host, and what its probes reported.
#pragma once

#include <steward/health.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fake_plugin_host.hpp"

extern "C" const steward_entry steward_plugin_entry_health_http;

namespace steward::tests {

struct Report {
    std::int32_t verdict;
    steward_status status;
    std::int32_t code;
    std::chrono::nanoseconds latency;
    steward_ns at;
    std::string detail;
    std::string instance_id;
    bool inside_start;
};

class ProbeBench {
  public:
    explicit ProbeBench(FakePluginHost::Clock clock = FakePluginHost::Clock::kVirtual,
                        std::string_view settings = "{}",
                        const steward_entry& entry = steward_plugin_entry_health_http)
        : host(clock), plugin(host, entry, settings) {}

    // What `start` returned; its text is in `error` then.
    steward_status start(steward_token probe, std::string_view address, std::uint16_t port,
                         std::chrono::milliseconds limit = std::chrono::seconds(2)) {
        steward_health_request request{};
        request.size = sizeof request;
        request.pid = 1;
        request.probe = probe;
        request.deadline = host.now() + std::chrono::nanoseconds(limit).count();
        request.address = {address.data(), address.size()};
        request.port = port;
        request.attempt = 1;
        steward_error failure{};
        failure.size = sizeof failure;
        starting_ = true;
        const steward_status status =
            plugin.health().start(plugin.instance(), &request, &on_done, this, &failure);
        starting_ = false;
        error = failure.text;
        return status;
    }
    void cancel(steward_token probe) { plugin.health().cancel(plugin.instance(), probe); }

    [[nodiscard]] std::size_t done() const { return count_; }
    [[nodiscard]] const std::vector<Report>& of(steward_token probe) { return reports_[probe]; }
    bool wait_done(std::size_t count) {
        return host.run_until([&] { return count_ >= count; });
    }

    FakePluginHost host;
    PluginUnderTest plugin;
    std::string error;

  private:
    static void on_done(void* ud, steward_token probe, const steward_health_result* result) {
        auto& bench = *static_cast<ProbeBench*>(ud);
        bench.reports_[probe].push_back(
            {result->verdict, result->status, result->protocol_code,
             std::chrono::nanoseconds(result->latency), bench.host.now(),
             std::string(result->detail.ptr, result->detail.len),
             std::string(result->instance_id.ptr, result->instance_id.len), bench.starting_});
        ++bench.count_;
    }

    std::map<steward_token, std::vector<Report>> reports_;
    std::size_t count_ = 0;
    bool starting_ = false;
};

}  // namespace steward::tests
