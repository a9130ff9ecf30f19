// One metrics_proc instance on a fake host, and the series of one sample.
#pragma once

#include <steward/metrics.h>

#include <chrono>
#include <map>
#include <string>

#include "fake_plugin_host.hpp"

extern "C" const steward_entry steward_plugin_entry_metrics_proc;

namespace steward::tests {

struct Series {
    std::int32_t kind;
    std::string unit;
    std::string help;
    double value;
};

class MetricsBench {
  public:
    explicit MetricsBench(FakePluginHost::Clock clock = FakePluginHost::Clock::kReal,
                          const steward_entry& entry = steward_plugin_entry_metrics_proc)
        : host(clock), plugin(host, entry, "{}") {}

    // The series of the sample are in `series`, a text of failure in `error`.
    steward_status sample(const std::string& proc_root, std::int32_t tree_pid,
                          std::chrono::nanoseconds limit = std::chrono::seconds(5)) {
        steward_metrics_request request{};
        request.size = sizeof request;
        request.app_pid = tree_pid;
        request.tree_pid = tree_pid;
        request.proc_root = {proc_root.data(), proc_root.size()};
        request.now = host.now();
        request.deadline = request.now + limit.count();
        series.clear();
        emitted = 0;
        steward_error failure{};
        failure.size = sizeof failure;
        const steward_status status =
            plugin.metrics().sample(plugin.instance(), &request, &on_metric, this, &failure);
        error = failure.text;
        return status;
    }
    [[nodiscard]] double value(const std::string& name) const { return series.at(name).value; }

    FakePluginHost host;
    PluginUnderTest plugin;
    std::map<std::string, Series> series;
    std::size_t emitted = 0;
    std::string error;

  private:
    static void on_metric(void* ud, const steward_metric* metric) {
        auto& bench = *static_cast<MetricsBench*>(ud);
        const auto text = [](steward_str s) { return std::string(s.ptr, s.len); };
        bench.series[text(metric->name)] = {metric->kind, text(metric->unit), text(metric->help),
                                            metric->value};
        ++bench.emitted;
    }
};

}  // namespace steward::tests
