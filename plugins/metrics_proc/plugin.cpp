// The plugin metrics_proc: strategy steward.metrics/1 from /proc. See README.md.
#include <array>
#include <steward/sdk.hpp>
#include <string>

#include "sampler.hpp"

namespace steward::metrics_proc {
namespace {

class MetricsProc {
  public:
    struct Settings {};
    static constexpr std::array<sdk::Field<Settings>, 0> kFields{};
    static constexpr sdk::About kAbout{
        "Process metrics",
        "Steward",
        STEWARD_PLUGIN_VERSION,
        "MIT",
        "",
        "Adds up what the processes of the service use, from /proc."};

    MetricsProc(sdk::Host host, const Settings&)
        : host_(host), sampler_(Units::of_this_machine()) {}

    steward_status sample(const sdk::MetricsRequest& request, const sdk::MetricsEmitter& emit) {
        const Sample sample =
            sampler_.sample(std::string(request.proc_root), request.tree_pid, request.now,
                            [&] { return host_.now() >= request.deadline; });
        if (sample.kind == Sample::Kind::kGone) {
            return STEWARD_E_GONE;
        }
        if (sample.seen > 0) {
            report(sample, emit);
        }
        switch (sample.kind) {
            case Sample::Kind::kLate:
                return STEWARD_E_TIMEOUT;
            case Sample::Kind::kTooMany:
                throw sdk::Failure(STEWARD_E_EXHAUSTED,
                                   "the service has more than 65536 processes");
            case Sample::Kind::kComplete:
            case Sample::Kind::kGone:
                break;
        }
        return STEWARD_OK;
    }

  private:
    static void report(const Sample& sample, const sdk::MetricsEmitter& emit) {
        if (sample.cpu_percent) {
            emit.gauge({"cpu_percent",
                        "CPU time used since the last sample, in percent of one core", "percent"},
                       *sample.cpu_percent);
        }
        if (sample.cpu_seconds) {
            emit.counter({"cpu_seconds_total", "CPU time used, user and system", "seconds"},
                         *sample.cpu_seconds);
        }
        emit.gauge({"rss_bytes", "Resident memory, shared pages counted in each process", "bytes"},
                   sample.rss_bytes);
        emit.gauge({"threads", "Threads", ""}, sample.threads);
        if (sample.descriptors) {
            emit.gauge({"fds", "Open file descriptors", ""}, *sample.descriptors);
        }
        emit.gauge(
            {"processes", "Processes, without those that have ended and wait for their parent", ""},
            sample.processes);
    }

    sdk::Host host_;
    Sampler sampler_;
};

}  // namespace
}  // namespace steward::metrics_proc

STEWARD_PLUGIN(metrics_proc, steward::metrics_proc::MetricsProc)
