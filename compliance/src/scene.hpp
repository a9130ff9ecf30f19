// Scene: what a host asks of an instance, whatever its interfaces are, and what came of it as lines
// of text that can be compared.
//
// On [plugin], but for the making of a Scene, which may happen on any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "session.hpp"
#include "steward/compliance/fake_plugin_host.hpp"
#include "steward/compliance/random.hpp"
#include "strategies.hpp"

namespace steward::compliance {

// Any history that a host could show, at any time of any day: times that do not fall, uptimes that
// fit between them, events with codes below `codes`.
RestartQuestion any_restart_question(Random& random, std::int32_t codes = 64);
// Any request that a host could make, mostly of small ranges with some of them excluded.
PortQuestion any_port_question(Random& random);

// Its interfaces that are pure functions: does it have one?
bool is_pure(const steward_plugin& plugin);

// One line for each of `count` questions to each pure interface, made from the seed.
std::vector<std::string> pure_answers(const Instance& instance, std::uint64_t seed, int count);

// Its verdict, status and code: what does not depend on the time or the port.
std::string outcome(const HealthReport& report);

// The first question that is answered differently: "question 3: A, but B"; empty if none is.
std::string first_difference(const std::vector<std::string>& one,
                             const std::vector<std::string>& other);

class Scene {
  public:
    // Opens what these plugins may be asked about: ports and, for metrics, a process of its own,
    // which ends with the thread that made it.
    explicit Scene(const std::vector<const steward_plugin*>& plugins);
    ~Scene();
    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;

    using After = std::function<void(const std::string& what)>;

    // Uses the instance once through each of its interfaces, whatever comes of it: a decision, a
    // proposal, a probe that is refused, one that is cancelled, a sample. Calls after("decide")
    // and so on after each. No probe is in flight at its end, unless the plugin is slow with it.
    void use(FakePluginHost& host, const Instance& instance, const After& after = {});

    // pure_answers(), then the outcome of a probe that is refused, and the names of a sample.
    std::vector<std::string> answers(FakePluginHost& host, const Instance& instance,
                                     std::uint64_t seed, int count);

    // Nobody listens there; connections are established there and never answered.
    [[nodiscard]] std::uint16_t closed_port() const;
    [[nodiscard]] std::uint16_t unattended_port() const;
    // A child of this process, which sleeps; 0 without a plugin for metrics.
    [[nodiscard]] int pid() const;
    // About the children of this process.
    [[nodiscard]] MetricsQuestion metrics_question(FakePluginHost& host) const;
    // Different for each probe.
    steward_token next_probe() { return ++last_probe_; }

  private:
    struct Things;
    void probe_refused(FakePluginHost& host, const Instance& instance);
    void probe_and_cancel(FakePluginHost& host, const Instance& instance);
    void settle(FakePluginHost& host, Prober& prober);

    std::unique_ptr<Things> things_;
    steward_token last_probe_ = 0;
    // A probe has not come back to use() soon, to answers() at all.
    bool lost_one_ = false;
    bool lost_answer_ = false;
};

// A library from init to deinit, with one instance of each of its plugins that is used once; calls
// after("init") and so on after each call into it.
void live_through(const Library& library, FakePluginHost& host, Scene& scene,
                  const Scene::After& after = {});

}  // namespace steward::compliance
