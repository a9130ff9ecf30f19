#include "scene.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "check.hpp"
#include "helper_process.hpp"
#include "settings.hpp"
#include "steward/compliance/scripted_http_server.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr steward_ns kSecond = 1'000'000'000;
constexpr steward_ns kDay = 24 * 3600 * kSecond;
constexpr auto kProbeLimit = 2s;

std::string line_of(const Proposed& proposed) {
    std::string text = "status " + std::to_string(proposed.status);
    if (!proposed.error.empty()) {
        text += " (" + proposed.error + ")";
    }
    for (const auto port : proposed.ports) {
        text += " " + std::to_string(port);
    }
    return text;
}

std::string line_of(const Sampled& sampled) {
    std::vector<std::string> names;
    for (const Metric& metric : sampled.metrics) {
        names.push_back(metric.name);
    }
    std::sort(names.begin(), names.end());
    std::string text = "status " + std::to_string(sampled.status);
    for (const auto& name : names) {
        text += " " + name;
    }
    return text;
}

// Until its one report has come or its deadline is over by `more`, on the host's clock.
bool wait_for_report(FakePluginHost& host, Prober& prober, std::chrono::milliseconds more) {
    if (!host.is_virtual()) {
        return prober.wait(1, kProbeLimit + more);
    }
    constexpr int kSteps = 20;
    for (int step = 0; step < kSteps; ++step) {
        if (prober.wait(1, 20ms)) {
            return true;
        }
        host.advance(kProbeLimit / kSteps);
    }
    return prober.wait(1, more);
}

}  // namespace

RestartQuestion any_restart_question(Random& random, std::int32_t codes) {
    RestartQuestion question;
    // Mostly the short histories in which there is something to decide.
    const std::size_t count = 1 + random.below(random.one_in(4) ? 256 : 12);
    steward_ns now = static_cast<steward_ns>(random.below(std::uint64_t(10) * kDay));
    for (std::size_t i = 0; i < count; ++i) {
        const auto pause = static_cast<steward_ns>(
            random.below(random.one_in(4) ? std::uint64_t(2) * kDay : std::uint64_t(5) * kSecond));
        now += pause;
        steward_event event{};
        event.kind = static_cast<std::uint32_t>(random.below(STEWARD_EV_MANUAL_START + 1));
        event.code = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(codes)));
        event.at = now;
        event.uptime = static_cast<steward_ns>(random.below(static_cast<std::uint64_t>(pause) + 1));
        event.healthy_for =
            static_cast<steward_ns>(random.below(static_cast<std::uint64_t>(event.uptime) + 1));
        question.events.push_back(event);
    }
    question.now = now + static_cast<steward_ns>(random.below(std::uint64_t(kSecond)));
    question.entropy = random.next();
    question.total_restarts = random.below(1000);
    // From 1970 on for a century, in a time zone of the earth.
    question.wall = static_cast<steward_ns>(random.below(std::uint64_t(36'500) * kDay));
    question.utc_offset = (static_cast<std::int32_t>(random.below(105)) - 48) * 900;
    return question;
}

PortQuestion any_port_question(Random& random) {
    PortQuestion question;
    question.address = random.one_in(3) ? "::1" : "127.0.0.1";
    question.first = static_cast<std::uint16_t>(1024 + random.below(60'000));
    question.last = static_cast<std::uint16_t>(
        std::min<std::uint64_t>(question.first + random.below(200), 65'535));
    const auto ports = static_cast<std::uint64_t>(question.last - question.first) + 1;
    question.base = static_cast<std::uint16_t>(question.first + random.below(ports));
    const std::uint64_t one_in = 2 + random.below(5);
    for (std::uint32_t port = question.first; port <= question.last; ++port) {
        if (random.one_in(one_in)) {
            question.excluded.push_back(static_cast<std::uint16_t>(port));
        }
    }
    question.attempt = static_cast<std::uint32_t>(1 + random.below(5));
    question.entropy = random.next();
    question.capacity = 1 + random.below(32);
    return question;
}

bool is_pure(const steward_plugin& plugin) {
    return offers(plugin, STEWARD_IFACE_RESTART) || offers(plugin, STEWARD_IFACE_PORT);
}

std::vector<std::string> pure_answers(const Instance& instance, std::uint64_t seed, int count) {
    std::vector<std::string> lines;
    Random random(seed);
    for (int i = 0; i < count; ++i) {
        if (offers(instance.plugin(), STEWARD_IFACE_RESTART)) {
            lines.push_back(to_text(decide(instance, any_restart_question(random))));
        }
        if (offers(instance.plugin(), STEWARD_IFACE_PORT)) {
            lines.push_back(line_of(propose(instance, any_port_question(random))));
        }
    }
    return lines;
}

std::string outcome(const HealthReport& report) {
    return "verdict " + std::to_string(report.verdict) + ", status " +
           std::to_string(report.status) + ", code " + std::to_string(report.code);
}

std::string first_difference(const std::vector<std::string>& one,
                             const std::vector<std::string>& other) {
    for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
        const std::string left = i < one.size() ? one[i] : "no answer";
        const std::string right = i < other.size() ? other[i] : "no answer";
        if (left != right) {
            return "question " + std::to_string(i + 1) + ": " + left + ", but " + right;
        }
    }
    return {};
}

struct Scene::Things {
    std::optional<ClosedPort> closed;
    std::optional<UnattendedPort> unattended;
    std::optional<HelperProcess> sleeper;
};

Scene::Scene(const std::vector<const steward_plugin*>& plugins)
    : things_(std::make_unique<Things>()) {
    for (const auto* plugin : plugins) {
        if (offers(*plugin, STEWARD_IFACE_HEALTH) && !things_->closed) {
            things_->closed.emplace();
            things_->unattended.emplace();
        }
        if (offers(*plugin, STEWARD_IFACE_METRICS) && !things_->sleeper) {
            things_->sleeper.emplace(helper_arguments("sleep"));
        }
    }
}

Scene::~Scene() = default;

std::uint16_t Scene::closed_port() const {
    return things_->closed->port();
}

std::uint16_t Scene::unattended_port() const {
    return things_->unattended->port();
}

int Scene::pid() const {
    return things_->sleeper ? things_->sleeper->pid() : 0;
}

MetricsQuestion Scene::metrics_question(FakePluginHost& host) const {
    MetricsQuestion question;
    question.app_pid = pid();
    question.tree_pid = getpid();
    question.now = host.now();
    question.deadline = question.now + 2 * kSecond;
    return question;
}

// Whatever does not come soon is left alone, and so is the next one then.
void Scene::settle(FakePluginHost& host, Prober& prober) {
    lost_one_ = !prober.wait(1, lost_one_ ? 0ms : 500ms) || lost_one_;
    host.run_ready();
}

void Scene::probe_refused(FakePluginHost& host, const Instance& instance) {
    Prober prober(host, instance);
    if (prober.start(next_probe(), "127.0.0.1", closed_port(), kProbeLimit) == STEWARD_OK) {
        settle(host, prober);
    }
}

void Scene::probe_and_cancel(FakePluginHost& host, const Instance& instance) {
    Prober prober(host, instance);
    const steward_token probe = next_probe();
    if (prober.start(probe, "127.0.0.1", unattended_port(), kProbeLimit) == STEWARD_OK) {
        host.run_ready();
        prober.cancel(probe);
        settle(host, prober);
    }
}

void Scene::use(FakePluginHost& host, const Instance& instance, const After& after) {
    const auto tell = [&after](const char* what) {
        if (after) {
            after(what);
        }
    };
    const steward_plugin& plugin = instance.plugin();
    Random random(1);
    if (offers(plugin, STEWARD_IFACE_RESTART)) {
        (void)decide(instance, any_restart_question(random));
        tell("decide");
    }
    if (offers(plugin, STEWARD_IFACE_PORT)) {
        (void)propose(instance, any_port_question(random));
        tell("propose");
    }
    if (offers(plugin, STEWARD_IFACE_HEALTH)) {
        probe_refused(host, instance);
        tell("a probe");
        probe_and_cancel(host, instance);
        tell("a probe and its cancel");
    }
    if (offers(plugin, STEWARD_IFACE_METRICS)) {
        (void)sample(instance, metrics_question(host));
        tell("sample");
    }
}

std::vector<std::string> Scene::answers(FakePluginHost& host, const Instance& instance,
                                        std::uint64_t seed, int count) {
    auto lines = pure_answers(instance, seed, count);
    if (offers(instance.plugin(), STEWARD_IFACE_HEALTH)) {
        Prober prober(host, instance);
        const steward_token probe = next_probe();
        const auto status = prober.start(probe, "127.0.0.1", closed_port(), kProbeLimit);
        if (status != STEWARD_OK) {
            lines.push_back("start gives status " + std::to_string(status));
        } else if (lost_answer_ ? prober.wait(1, 0ms) : wait_for_report(host, prober, 3s)) {
            lines.push_back(outcome(prober.of(probe).front()));
        } else {
            lost_answer_ = true;
            lines.emplace_back("a probe that is never done");
        }
    }
    if (offers(instance.plugin(), STEWARD_IFACE_METRICS)) {
        lines.push_back(line_of(sample(instance, metrics_question(host))));
    }
    return lines;
}

void live_through(const Library& library, FakePluginHost& host, Scene& scene,
                  const Scene::After& after) {
    const auto tell = [&after](const std::string& what) {
        if (after) {
            after(what);
        }
    };
    std::vector<std::pair<const steward_plugin*, std::string>> configs;
    for (const auto* plugin : library.plugins()) {
        configs.emplace_back(plugin, SettingsSchema(*plugin).defaults());
        tell("config_schema");
    }
    Session session(library, host);
    tell("init");
    for (const auto& [plugin, config] : configs) {
        auto instance = session.create(*plugin, config);
        tell("create");
        scene.use(host, instance, after);
        instance.destroy();
        tell("destroy");
    }
    session.end();
    tell("deinit");
}

}  // namespace steward::compliance
