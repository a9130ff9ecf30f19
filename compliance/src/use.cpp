#include "use.hpp"

#include <unistd.h>

#include <numeric>

#include "settings.hpp"
#include "strategies.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr steward_ns kSecond = 1'000'000'000;

class Day {
  public:
    Day(Session& session, const Instance& instance, const Targets& targets)
        : session_(session), instance_(instance), targets_(targets) {}

    std::vector<UseAnswer> run() {
        const steward_plugin& plugin = instance_.plugin();
        (void)interface_of(plugin, "steward.nothing/1");
        if (offers(plugin, STEWARD_IFACE_RESTART)) {
            decide_some();
        }
        if (offers(plugin, STEWARD_IFACE_PORT)) {
            propose_some();
        }
        if (offers(plugin, STEWARD_IFACE_HEALTH)) {
            probe_some();
        }
        if (offers(plugin, STEWARD_IFACE_METRICS)) {
            sample_some();
        }
        return std::move(answers_);
    }

  private:
    void add_status(std::string what, steward_status status, std::string error = {}) {
        answers_.push_back({std::move(what), status, std::move(error)});
    }

    void decide_some() {
        RestartQuestion question;
        for (const std::uint32_t kind :
             {STEWARD_EV_MANUAL_START, STEWARD_EV_EXIT, STEWARD_EV_SIGNAL, STEWARD_EV_HEALTH,
              STEWARD_EV_START_TIMEOUT, STEWARD_EV_SPAWN_FAILED, STEWARD_EV_MANUAL_STOP}) {
            question.now += 10 * kSecond;
            question.entropy += 0x9e3779b97f4a7c15ULL;
            question.events.push_back({kind, 1, question.now, kSecond, 0});
            const auto decided = decide(instance_, question);
            add_status("decide on an event of kind " + std::to_string(kind), decided.status,
                       decided.error);
        }
    }

    void propose_some() {
        PortQuestion question;
        const auto proposed = propose(instance_, question);
        add_status("propose", proposed.status, proposed.error);
        question.attempt = 2;
        question.excluded.resize(question.last - question.first + 1U);
        std::iota(question.excluded.begin(), question.excluded.end(), question.first);
        const auto none = propose(instance_, question);
        add_status("propose with every port excluded", none.status, none.error);
    }

    void probe_some() {
        Prober prober(session_.host(), instance_);
        probe(prober, 1, "of a server that answers", targets_.good.port());
        probe(prober, 2, "of a refused port", targets_.refused.port());
        probe(prober, 3, "of a port that does not answer", targets_.unattended.port());
        if (prober.start(4, kLoopback, targets_.unattended.port()) == STEWARD_OK) {
            prober.cancel(4);
            (void)prober.settle(4, 2s, 0ms);
        }
        prober.cancel(4);
    }

    void probe(Prober& prober, steward_token token, const std::string& what, std::uint16_t port) {
        const auto grace = port == targets_.unattended.port() ? 0ms : 10'000ms;
        const steward_status started = prober.start(token, kLoopback, port);
        add_status("the start of a probe " + what, started, prober.error());
        if (started == STEWARD_OK && prober.settle(token, 2s, grace)) {
            const HealthReport& report = prober.of(token).front();
            add_status("the probe " + what, report.status, report.detail);
        }
    }

    void sample_some() {
        MetricsQuestion question;
        question.app_pid = getpid();
        question.tree_pid = getppid();
        question.now = session_.host().now();
        question.deadline = question.now + 2 * kSecond;
        for (int i = 0; i < 2; ++i) {
            const auto sampled = sample(instance_, question);
            add_status("sample", sampled.status, sampled.error);
            question.now += kSecond;
        }
    }

    Session& session_;
    const Instance& instance_;
    const Targets& targets_;
    std::vector<UseAnswer> answers_;
};

}  // namespace

std::vector<UseAnswer> use(Session& session, const Instance& instance, const Targets& targets) {
    return Day(session, instance, targets).run();
}

std::vector<UseAnswer> live(const Library& library, const Targets& targets) {
    std::vector<UseAnswer> answers;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(library, host);
    for (const auto* plugin : library.plugins()) {
        auto instance = session.create(*plugin);
        for (UseAnswer& answer : use(session, instance, targets)) {
            answers.push_back(std::move(answer));
        }
        instance.destroy();
    }
    session.end();
    return answers;
}

}  // namespace steward::compliance
