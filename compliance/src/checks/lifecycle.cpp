// Lifecycle: instances and sessions come and go, in any order and in trouble.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>

#include "check.hpp"
#include "process_look.hpp"
#include "scene.hpp"
#include "settings.hpp"
#include "steady.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

#ifdef STEWARD_SANITIZED
constexpr int kRounds = 100;
#else
constexpr int kRounds = 1000;
#endif

void life_create_destroy(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const std::string config = SettingsSchema(*plugin).defaults();
        const auto left = growth(kRounds, [&] { (void)session.create(*plugin, config); });
        require(left.empty(), id_of(*plugin) + ": an instance was made and destroyed " +
                                  std::to_string(kRounds) + " times: " + left +
                                  "; expected everything as before");
        require(host.armed() == 0 && host.watched() == 0,
                id_of(*plugin) + ": after the last instance " + std::to_string(host.armed()) +
                    " timers and " + std::to_string(host.watched()) +
                    " watched descriptors are left; expected none");
    }
}

// Settings that create() takes, the defaults first, as different as the schema lets them be.
std::vector<std::string> accepted_settings(Session& session, const steward_plugin& plugin) {
    const SettingsSchema schema(plugin);
    std::vector<std::string> wanted{schema.defaults()};
    for (const auto& [name, property] : schema.properties()) {
        for (const char* const bound : {"minimum", "maximum"}) {
            if (property->has(bound)) {
                wanted.push_back(schema.with(name, property->get(bound)));
            }
        }
        for (const char* const list : {"enum", "examples"}) {
            if (property->isArray(list)) {
                for (const auto& value : *property->getArray(list)) {
                    wanted.push_back(schema.with(name, value));
                }
            }
        }
        if (property->has("default") && property->get("default").isBoolean()) {
            wanted.push_back(schema.with(name, !property->get("default").convert<bool>()));
        }
    }
    std::vector<std::string> accepted;
    for (const auto& config : wanted) {
        if (session.try_create(plugin, config).status == STEWARD_OK) {
            accepted.push_back(config);
        }
    }
    return accepted;
}

void life_many(Trial& trial) {
    constexpr std::size_t kInstances = 64;
    constexpr int kQuestions = 5;
    const auto all = trial.plugins();
    Scene scene(all);
    FakePluginHost host(FakePluginHost::Clock::kReal);
    Session session(trial.library(), host);
    for (const auto* plugin : all) {
        const auto configs = accepted_settings(session, *plugin);
        require(!configs.empty(), id_of(*plugin) + ": create refuses its own defaults");
        // A first sample may hold less than a second one, so each instance is asked as a new one.
        std::vector<std::vector<std::string>> alone;
        for (const auto& config : configs) {
            const auto instance = session.create(*plugin, config);
            alone.push_back(scene.answers(host, instance, trial.seed(), kQuestions));
        }
        struct Alive {
            std::size_t config;
            Instance instance;
        };
        std::vector<Alive> alive;
        for (std::size_t i = 0; i < kInstances; ++i) {
            const std::size_t config = i % configs.size();
            alive.push_back({config, session.create(*plugin, configs[config])});
        }
        while (!alive.empty()) {
            const auto at = static_cast<std::ptrdiff_t>(trial.random().below(alive.size()));
            Alive& one = alive[static_cast<std::size_t>(at)];
            const auto difference = first_difference(
                alone[one.config], scene.answers(host, one.instance, trial.seed(), kQuestions));
            require(difference.empty(),
                    id_of(*plugin) + " with " + configs[one.config] + ", alone and then among " +
                        std::to_string(alive.size()) + " instances with other settings: " +
                        difference + "; expected the same answers");
            alive.erase(alive.begin() + at);
        }
    }
}

void life_reinit(Trial& trial) {
    constexpr int kCycles = 3;
    const auto all = trial.plugins();
    Scene scene(all);
    // They stay: what is called too late is counted.
    std::deque<FakePluginHost> hosts;
    for (int i = 0; i < kCycles + 1; ++i) {
        hosts.emplace_back(FakePluginHost::Clock::kReal);
    }
    // Once without anything between.
    Session(trial.library(), hosts[kCycles]).end();

    const auto descriptors = open_descriptors();
    const auto threads_before = threads();
    std::vector<std::map<std::string, std::uint64_t>> calls;
    for (std::size_t cycle = 0; cycle < kCycles; ++cycle) {
        const std::string when = "after init and deinit number " + std::to_string(cycle + 2) + ": ";
        FakePluginHost& host = hosts[cycle];
        live_through(trial.library(), host, scene);
        const auto opened = opened_since(descriptors);
        require(opened.empty(), when + "descriptors are left open: " + opened);
        require(has_only_threads(threads_before),
                when + "there are " + std::to_string(threads().size()) + " threads, and " +
                    std::to_string(threads_before.size()) + " before");
        require(host.armed() == 0 && host.watched() == 0,
                when + std::to_string(host.armed()) + " timers and " +
                    std::to_string(host.watched()) + " watched descriptors are left");
        for (std::size_t earlier = 0; earlier < calls.size(); ++earlier) {
            require(hosts[earlier].calls() == calls[earlier],
                    when + "the host of session " + std::to_string(earlier + 2) +
                        ", which has ended, was called; expected calls of the new one alone");
        }
        calls.push_back(host.calls());
    }
}

void life_destroy_busy(Trial& trial) {
    constexpr std::size_t kProbes = 12;
    const auto all = trial.plugins();
    Scene scene(all);
    for (const bool under_way : {false, true}) {
        FakePluginHost host(FakePluginHost::Clock::kVirtual);
        Session session(trial.library(), host);
        for (const auto* plugin : all) {
            auto instance = session.create(*plugin);
            Prober prober(host, instance);
            std::vector<steward_token> probes;
            for (std::size_t i = 0; i < kProbes; ++i) {
                probes.push_back(scene.next_probe());
                const auto status =
                    prober.start(probes.back(), "127.0.0.1", scene.unattended_port(), 60s);
                require(status == STEWARD_OK,
                        "start gives status " + std::to_string(status) + ": " + prober.error());
            }
            if (under_way) {
                host.run_ready();
            }
            const std::size_t early = prober.count();
            instance.destroy();
            const std::string what =
                std::to_string(kProbes) + " probes were in flight at destroy: ";
            require(prober.count() == kProbes, what + "done came " +
                                                   std::to_string(prober.count()) +
                                                   " times before destroy returned");
            for (const auto probe : probes) {
                require(prober.of(probe).size() == 1, what + "done came " +
                                                          std::to_string(prober.of(probe).size()) +
                                                          " times for one of them; expected once");
                const HealthReport& report = prober.of(probe).front();
                require(early != 0 || (report.status == STEWARD_E_CANCELLED &&
                                       report.verdict == STEWARD_UNKNOWN),
                        what + "one is reported with verdict " + std::to_string(report.verdict) +
                            " and status " + std::to_string(report.status) +
                            "; expected UNKNOWN and CANCELLED");
            }
            host.advance(120s);
            host.run_until([] { return false; }, 5ms);
            require(prober.count() == kProbes, what + "done came again after destroy");
            require(host.armed() == 0 && host.watched() == 0,
                    what + std::to_string(host.armed()) + " timers and " +
                        std::to_string(host.watched()) + " watched descriptors are left");
        }
    }
}

// ---- life-init-failure

struct Fault {
    const char* call;
    steward_status status;
};

// A whole life under a fault. `late`: the fault begins when a probe is under way.
class FaultedLife {
  public:
    FaultedLife(const Library& library, Scene& scene, Fault fault, bool late)
        : library_(library),
          scene_(scene),
          fault_(fault),
          late_(late),
          what_(std::string(late ? "with a probe in flight, " : "") + fault.call +
                " of the host gives status " + std::to_string(fault.status) + ": ") {}

    void run() {
        FakePluginHost host(FakePluginHost::Clock::kVirtual);
        if (!late_) {
            host.fail(fault_.call, fault_.status);
        }
        const auto initialised = try_init(library_, host);
        if (initialised.status != STEWARD_OK) {
            require(!initialised.error.empty(), what_ + "init gives status " +
                                                    std::to_string(initialised.status) +
                                                    " without a text");
            return;
        }
        call("deinit", [&] { library_.entry().deinit(); });
        {
            Session session(library_, host);
            for (const auto* plugin : library_.plugins()) {
                live(session, *plugin);
            }
        }
        require(host.armed() == 0 && host.watched() == 0,
                what_ + "at the end " + std::to_string(host.armed()) + " timers and " +
                    std::to_string(host.watched()) + " watched descriptors are left");
    }

  private:
    void live(Session& session, const steward_plugin& plugin) {
        auto created = session.try_create(plugin, SettingsSchema(plugin).defaults());
        if (created.status != STEWARD_OK) {
            require(!created.touched, what_ + "create fails, and has written an instance");
            require(!created.error.empty(), what_ + "create gives status " +
                                                std::to_string(created.status) + " without a text");
            return;
        }
        (void)pure_answers(created.instance, 1, 1);
        if (offers(plugin, STEWARD_IFACE_METRICS)) {
            (void)sample(created.instance, scene_.metrics_question(session.host()));
        }
        if (offers(plugin, STEWARD_IFACE_HEALTH)) {
            probe(session.host(), created.instance, scene_.closed_port());
            probe(session.host(), created.instance, scene_.unattended_port());
        }
    }

    void probe(FakePluginHost& host, const Instance& instance, std::uint16_t port) {
        Prober prober(host, instance);
        const steward_token token = scene_.next_probe();
        const auto status = prober.start(token, "127.0.0.1", port, 1s);
        if (late_) {
            host.fail(fault_.call, fault_.status);
        }
        host.run_ready();
        host.advance(1s + 100ms);
        const std::size_t wanted = status == STEWARD_OK ? 1 : 0;
        if (wanted == 1) {
            (void)prober.wait(1, 1s);
        }
        require(prober.count() == wanted, what_ + "start gives status " + std::to_string(status) +
                                              ", and done came " + std::to_string(prober.count()) +
                                              " times until the deadline; expected " +
                                              std::to_string(wanted));
        require(status == STEWARD_OK || !prober.error().empty(),
                what_ + "start gives status " + std::to_string(status) + " without a text");
        if (late_) {
            host.fail(fault_.call, STEWARD_OK);
        }
    }

    const Library& library_;
    Scene& scene_;
    Fault fault_;
    bool late_;
    std::string what_;
};

void life_init_failure(Trial& trial) {
    const auto all = trial.plugins();
    Scene scene(all);
    const auto sound_answers = [&] {
        FakePluginHost host(FakePluginHost::Clock::kReal);
        Session session(trial.library(), host);
        std::vector<std::string> lines;
        for (const auto* plugin : all) {
            const auto instance = session.create(*plugin);
            const auto more = scene.answers(host, instance, trial.seed(), 5);
            lines.insert(lines.end(), more.begin(), more.end());
        }
        return lines;
    };
    const auto before = sound_answers();
    const auto fail_all = [&] {
        for (const char* const name : {"get_extension", "watch_fd", "arm", "post"}) {
            for (const steward_status status :
                 {STEWARD_E_IO, STEWARD_E_NOMEM, STEWARD_E_BUSY, STEWARD_E_UNSUPPORTED}) {
                for (const bool late : {false, true}) {
                    FaultedLife(trial.library(), scene, {name, status}, late).run();
                }
            }
        }
    };
    fail_all();
    constexpr std::int64_t kLives = 4 * 4 * 2;
    const auto descriptors = open_descriptors();
    const auto threads_before = threads();
    // What a life leaves behind anyhow is for other checks.
    auto blocks = watch_live_blocks();
    const std::vector<Fault> none(kLives, Fault{"nothing", STEWARD_OK});
    for (const Fault& fault : none) {
        FaultedLife(trial.library(), scene, fault, /*late=*/false).run();
    }
    const auto usual = watch_live_blocks() - blocks;
    blocks = watch_live_blocks();
    fail_all();
    const auto opened = opened_since(descriptors);
    require(opened.empty(), "after failures of the host descriptors are left open: " + opened);
    require(has_only_threads(threads_before),
            "after failures of the host there are " + std::to_string(threads().size()) +
                " threads, and " + std::to_string(threads_before.size()) + " before");
    const auto more = watch_live_blocks() - blocks - usual;
    require(more < kLives, "after " + std::to_string(kLives) +
                               " lives with a failing host there are " + std::to_string(more) +
                               " blocks of memory more");
    const auto difference = first_difference(before, sound_answers());
    require(difference.empty(),
            "before and after failures of the host: " + difference + "; expected the same");
}

constexpr std::array kChecks{
    Check{26, "life-create-destroy", Level::kMust, "",
          "create and destroy, 1000 times, leave no descriptor, no thread, no timer and less than "
          "1 KiB and one block of memory in twenty rounds behind",
          "settings are changed and plugins swapped under a supervisor that runs for years: what "
          "an instance leaves behind adds up until it is out of descriptors or memory",
          "give all that an instance owns to its object, and let destroy end that object", 20s,
          &life_create_destroy},
    Check{27, "life-many", Level::kMust, "",
          "64 instances with different settings at once, destroyed in any order: each answers as "
          "it does alone",
          "a supervisor has one instance for each service: when one service's settings or end "
          "show in another, the wrong service is restarted",
          "keep settings and state in the instance, none in static variables", 20s, &life_many},
    Check{28, "life-reinit", Level::kMust, "",
          "init works again after deinit, also with another host; deinit leaves no thread, "
          "descriptor or timer, and the old host is not called any more",
          "a library is kept mapped and initialised again when a plugin is swapped back: a "
          "remembered host is a dangling pointer then",
          "take the host from init and create each time, and forget it in deinit", 20s,
          &life_reinit},
    Check{29, "life-destroy-busy", Level::kMust, STEWARD_IFACE_HEALTH,
          "destroy with probes in flight: done comes once for each of them before destroy "
          "returns, as UNKNOWN and CANCELLED, and never after",
          "a probe that is lost keeps its service in doubt for ever, and one that is reported "
          "after the end writes into freed memory",
          "complete what is in flight with STEWARD_E_CANCELLED in destroy, then stop watching and "
          "timing it",
          10s, &life_destroy_busy},
    Check{30, "life-init-failure", Level::kMust, "",
          "when get_extension, watch_fd, arm or post of the host fails, the call fails with a text "
          "or the probe is done in time; nothing is left behind and the next session is sound",
          "a supervisor that is short of descriptors or memory must not lose probes or grow "
          "because of that: this is when it is needed",
          "look at the status of each call to the host; undo in reverse order what was begun", 20s,
          &life_init_failure},
};

}  // namespace

const std::span<const Check> kLifecycleChecks{kChecks};

}  // namespace steward::compliance
