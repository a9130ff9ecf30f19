// PluginStrategies: the four slots of a service, filled with plugins.
//
// Owned by the loop's thread, which never runs plugin code: each library has a thread of its own. A
// decision that takes more than 250 ms is answered by the built-in fallback (event plugin.late); a
// library whose call has not come back 2 s later is quarantined (event plugin.quarantined): never
// called again, never unloaded, and the fallbacks answer from then on.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "steward/core/event.hpp"
#include "steward/core/os.hpp"
#include "steward/core/plugin_catalogue.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

struct StrategyChoice {
    std::string health = "health_http";  // an id, a path, or "none"
    std::string restart = "restart_backoff";
    std::string port = "port_sequential";
    std::string metrics = "metrics_proc";
    std::map<std::string, std::map<std::string, std::string>>
        settings;  // plugin id -> key -> value
};

// What a strategy did wrong: kPluginLate or kPluginQuarantined; `plugin` and `call` name what,
// `cause` is one sentence. On the loop's thread.
using StrategyReport = std::function<void(EventName name, const std::string& plugin,
                                          const std::string& call, const std::string& cause)>;

// The plugin libraries of this process, each loaded once and with one thread, whatever number of
// services use it. Owned by the loop's thread; must outlive the strategies that use it, and end
// before their loop does.
class PluginLibraries {
  public:
    // `log`: a line that a plugin logged (level of steward/abi.h); called on any thread.
    PluginLibraries(std::string host_version, std::function<void(int level, std::string line)> log);
    // Ends the threads that still answer; a quarantined library is left alone.
    ~PluginLibraries();
    PluginLibraries(const PluginLibraries&) = delete;
    PluginLibraries& operator=(const PluginLibraries&) = delete;

    struct Impl;
    Impl& impl() { return *impl_; }

  private:
    std::unique_ptr<Impl> impl_;
};

class PluginStrategies final : public Strategies {
  public:
    // `files`: where blocking file work is done (the log thread's loop). The catalogue is used
    // there alone, from prepare() on.
    PluginStrategies(Scheduler& scheduler, Scheduler& files, PluginCatalogue& catalogue,
                     PluginLibraries& libraries, StrategyChoice choice, StrategyReport report);
    ~PluginStrategies() override;
    PluginStrategies(const PluginStrategies&) = delete;
    PluginStrategies& operator=(const PluginStrategies&) = delete;

    // Finds, probes, loads and configures the plugins; the first question does it too, if it has
    // not been done. `done` comes once, with the first error; a slot with an error is answered by
    // the fallback.
    void prepare(std::function<void(Status)> done);

    void propose_ports(const PortQuestion& question,
                       std::function<void(PortProposal)> answer) override;
    void decide_restart(const RestartQuestion& question,
                        std::function<void(RestartAnswer)> answer) override;
    void probe(const ProbeQuestion& question, std::function<void(ProbeAnswer)> answer) override;
    void cancel_probe() override;
    void sample(const MetricsQuestion& question,
                std::function<void(std::vector<Metric>)> answer) override;
    std::map<std::string, std::string> names() const override;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

// ---- the built-in fallbacks, also tested on their own

// Upwards from the base, without what is excluded.
std::vector<std::uint16_t> fallback_ports(const PortQuestion& question, std::size_t count);
// 250 ms × 2^n, at most 30 s, ±20 %, at most 5 restarts since it was last well for 60 s.
RestartAnswer fallback_restart(const RestartQuestion& question, std::uint64_t entropy);

}  // namespace steward::core
