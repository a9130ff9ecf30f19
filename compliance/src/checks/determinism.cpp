// Determinism and time: the same question has the same answer, and the only clock is the host's.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "check.hpp"
#include "gate.hpp"
#include "scene.hpp"
#include "steward/compliance/scripted_http_server.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr steward_ns kMs = 1'000'000;
constexpr steward_ns kSecond = 1000 * kMs;
constexpr steward_ns kDay = 24 * 3600 * kSecond;
constexpr steward_ns kYear = 365 * kDay;
constexpr steward_ns kLastNs = std::numeric_limits<steward_ns>::max();

// Its plugins with a pure interface. Throws Skipped if there is none.
std::vector<const steward_plugin*> pure_plugins(Trial& trial) {
    auto all = trial.plugins();
    std::erase_if(all, [](const steward_plugin* plugin) { return !is_pure(*plugin); });
    if (all.empty()) {
        skip("no plugin in it offers " STEWARD_IFACE_RESTART " or " STEWARD_IFACE_PORT);
    }
    return all;
}

// ---- det-*

void det_same_input(Trial& trial) {
    constexpr int kQuestions = 100;
    constexpr int kOthers = 1000;
    const auto all = pure_plugins(trial);
    std::vector<std::string> here;
    {
        FakePluginHost host(FakePluginHost::Clock::kVirtual);
        Session session(trial.library(), host);
        for (const auto* plugin : all) {
            const auto instance = session.create(*plugin);
            const auto first = pure_answers(instance, trial.seed(), kQuestions);
            here.insert(here.end(), first.begin(), first.end());
            if (trial.is_twin()) {
                continue;
            }
            const auto same = [&](const Instance& asked, const std::string& when) {
                const auto difference =
                    first_difference(first, pure_answers(asked, trial.seed(), kQuestions));
                require(difference.empty(), id_of(*plugin) + ", asked the same again " + when +
                                                ": " + difference + "; expected the same bytes");
            };
            same(instance, "at once");
            {
                const auto other = session.create(*plugin);
                same(other, "in another instance");
            }
            host.advance(36h);
            (void)pure_answers(instance, trial.seed() + 1, kOthers);
            same(instance, "after " + std::to_string(kOthers) + " other questions and 36 hours");
        }
    }
    const auto difference = first_difference(here, trial.twin_answers(here));
    require(difference.empty(),
            "asked here and in another process: " + difference + "; expected the same bytes");
}

// Asks pure questions; returns which of `watched` the plugin called meanwhile.
std::string called_while_asked(Trial& trial, std::initializer_list<watched_call> watched,
                               const std::string& host_function) {
    constexpr int kQuestions = 200;
    const auto all = pure_plugins(trial);
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : all) {
        const auto instance = session.create(*plugin);
        const auto before = host.calls();
        watch_reset();
        (void)pure_answers(instance, trial.seed(), kQuestions);
        for (const auto kind : watched) {
            if (watch_count(kind) != 0) {
                return id_of(*plugin) + ", asked " + std::to_string(kQuestions) +
                       " questions, called " + watch_name(kind) + " " +
                       std::to_string(watch_count(kind)) + " times";
            }
        }
        auto calls = host.calls();
        auto earlier = before;
        if (calls[host_function] != earlier[host_function]) {
            return id_of(*plugin) + ", asked " + std::to_string(kQuestions) +
                   " questions, called the host's " + host_function + "() " +
                   std::to_string(calls[host_function] - earlier[host_function]) + " times";
        }
    }
    return {};
}

void det_no_clock(Trial& trial) {
    const auto called = called_while_asked(trial, {WATCHED_MONOTONIC, WATCHED_WALL}, "now");
    require(called.empty(), called + "; expected that it reads no clock");
}

void det_no_random(Trial& trial) {
    constexpr int kQuestions = 100;
    const auto called = called_while_asked(trial, {WATCHED_RANDOM}, "entropy");
    require(called.empty(), called + "; expected no source of randomness but the question's own");
    std::vector<std::string> here;
    {
        FakePluginHost host(FakePluginHost::Clock::kVirtual);
        Session session(trial.library(), host);
        for (const auto* plugin : pure_plugins(trial)) {
            const auto answers = pure_answers(session.create(*plugin), trial.seed(), kQuestions);
            here.insert(here.end(), answers.begin(), answers.end());
        }
    }
    const auto difference = first_difference(here, trial.twin_answers(here));
    require(difference.empty(), "asked in two processes with memory at other addresses: " +
                                    difference + "; expected the same bytes");
}

std::vector<std::uint64_t> entropies(Random& random) {
    std::vector<std::uint64_t> values{0, 1, std::uint64_t{1} << 63U,
                                      std::numeric_limits<std::uint64_t>::max()};
    while (values.size() < 51) {
        values.push_back(random.next());
    }
    return values;
}

void entropy_in_delays(const Instance& instance, Random& random,
                       const std::vector<std::uint64_t>& values) {
    auto question = any_restart_question(random);
    std::vector<steward_ns> delays;
    Decided first;
    for (std::size_t i = 0; i < values.size(); ++i) {
        question.entropy = values[i];
        const auto decided = decide(instance, question);
        if (i == 0) {
            first = decided;
        }
        require(decided.status == first.status && decided.action == first.action,
                "the same history with entropy " + std::to_string(values[i]) + ": " +
                    to_text(decided) + ", and with entropy 0: " + to_text(first) +
                    "; expected that entropy changes the delay alone");
        delays.push_back(decided.delay);
    }
    if (first.status != STEWARD_OK || first.action != STEWARD_RESTART) {
        return;
    }
    auto sorted = delays;
    std::sort(sorted.begin(), sorted.end());
    const steward_ns median = sorted[sorted.size() / 2];
    for (std::size_t i = 0; i < values.size(); ++i) {
        require(std::abs(delays[i] - median) <= median / 2 + kMs,
                "the same history with entropy " + std::to_string(values[i]) + ": a delay of " +
                    std::to_string(delays[i] / kMs) + " ms; expected at most 50 % beside the " +
                    std::to_string(median / kMs) + " ms that are usual for it");
    }
}

bool all_valid(const PortQuestion& question, const Proposed& proposed) {
    return std::all_of(proposed.ports.begin(), proposed.ports.end(), [&](std::uint16_t port) {
        return port >= question.first && port <= question.last &&
               !std::binary_search(question.excluded.begin(), question.excluded.end(), port);
    });
}

void entropy_in_ports(const Instance& instance, Random& random,
                      const std::vector<std::uint64_t>& values) {
    auto question = any_port_question(random);
    question.entropy = values.front();
    const auto first = propose(instance, question);
    if (!all_valid(question, first)) {
        return;  // That is not the entropy's doing.
    }
    for (const auto entropy : values) {
        question.entropy = entropy;
        const auto proposed = propose(instance, question);
        const std::string what = "the same request with entropy " + std::to_string(entropy) + ": ";
        require(proposed.status == first.status,
                what + "status " + std::to_string(proposed.status) +
                    ", and with entropy 0 status " + std::to_string(first.status) +
                    "; expected the same");
        require(all_valid(question, proposed),
                what +
                    "a port that is excluded or out of range; expected that entropy changes the "
                    "choice and order of valid ones alone");
    }
}

void det_entropy(Trial& trial) {
    constexpr int kQuestions = 20;
    const auto all = pure_plugins(trial);
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    const auto values = entropies(trial.random());
    for (const auto* plugin : all) {
        const auto instance = session.create(*plugin);
        for (int i = 0; i < kQuestions; ++i) {
            if (offers(*plugin, STEWARD_IFACE_RESTART)) {
                entropy_in_delays(instance, trial.random(), values);
            }
            if (offers(*plugin, STEWARD_IFACE_PORT)) {
                entropy_in_ports(instance, trial.random(), values);
            }
        }
    }
}

// ---- time-*

// While a probe waits for its answer the wall clock runs off by `shift`.
std::string answered_while_shifted(FakePluginHost& host, const Instance& instance, Scene& scene,
                                   std::int64_t shift) {
    Gate gate;
    ScriptedHttpServer server([opened = gate.opened()](std::size_t) {
        opened.wait();
        return script::respond(200, R"({"status":"healthy"})");
    });
    const Gate::Opener opener(gate);
    Prober prober(host, instance);
    const steward_token probe = scene.next_probe();
    watch_shift_wall_clock(0);
    const auto status = prober.start(probe, "127.0.0.1", server.port(), 60s);
    host.run_ready();
    watch_shift_wall_clock(shift);
    host.run_ready();
    gate.open();
    const bool came = prober.wait(status == STEWARD_OK ? 1 : 0, 3s);
    watch_shift_wall_clock(0);
    if (status != STEWARD_OK) {
        return "start gives status " + std::to_string(status);
    }
    return came ? outcome(prober.of(probe).front()) : "no report";
}

// The same while it waits for its time-out, on the host's clock.
std::string timed_out_while_shifted(FakePluginHost& host, const Instance& instance, Scene& scene,
                                    std::int64_t shift) {
    Prober prober(host, instance);
    const steward_token probe = scene.next_probe();
    const auto status = prober.start(probe, "127.0.0.1", scene.unattended_port(), 2s);
    host.run_ready();
    watch_shift_wall_clock(shift);
    host.advance(1s);
    const std::size_t early = prober.count();
    host.advance(1100ms);
    const bool came = prober.wait(status == STEWARD_OK ? 1 : 0, 1s);
    watch_shift_wall_clock(0);
    if (status != STEWARD_OK) {
        return "start gives status " + std::to_string(status);
    }
    return came ? outcome(prober.of(probe).front()) + (early != 0 ? ", before its deadline" : "")
                : "no report";
}

std::vector<std::string> outcomes(Trial& trial, Scene& scene, std::int64_t shift) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    std::vector<std::string> lines;
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        watch_shift_wall_clock(shift);
        const auto more = scene.answers(host, instance, trial.seed(), 20);
        watch_shift_wall_clock(0);
        lines.insert(lines.end(), more.begin(), more.end());
        if (offers(*plugin, STEWARD_IFACE_HEALTH)) {
            lines.push_back(answered_while_shifted(host, instance, scene, shift));
            lines.push_back(timed_out_while_shifted(host, instance, scene, shift));
        }
    }
    return lines;
}

void time_monotonic_only(Trial& trial) {
    Scene scene(trial.plugins());
    const auto usual = outcomes(trial, scene, 0);
    for (const std::int64_t days : {1, -1}) {
        const auto difference = first_difference(usual, outcomes(trial, scene, days * kDay));
        require(difference.empty(), "usually, and with a wall clock that is set by " +
                                        std::to_string(days) + " day meanwhile: " + difference +
                                        "; expected no difference");
    }
}

void time_uses_host_timers(Trial& trial) {
    const auto all = trial.plugins();
    Scene scene(all);
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : all) {
        const auto instance = session.create(*plugin);
        Prober prober(host, instance);
        const steward_token probe = scene.next_probe();
        const auto status = prober.start(probe, "127.0.0.1", scene.unattended_port(), 30s);
        require(status == STEWARD_OK,
                "start gives status " + std::to_string(status) + ": " + prober.error());
        host.run_ready();
        host.advance(30s + 100ms);
        require(prober.wait(1, 1s),
                id_of(*plugin) +
                    ": a probe with a deadline in 30 s, on a host whose clock is moved by 30 s: it "
                    "is not done within 1 s; expected that its time-out is a timer of the host's");
    }
}

// ---- time-large-values

void require_valid(const Decided& decided, const std::string& what) {
    require(
        decided.status == STEWARD_OK && decided.action >= STEWARD_RESTART &&
            decided.action <= STEWARD_GIVE_UP &&
            (decided.action != STEWARD_RESTART || (decided.delay >= 0 && decided.delay <= kDay)),
        what + ": " + to_text(decided) + "; expected an action, with a delay of 0 to one day");
}

void large_histories(const Instance& instance) {
    constexpr std::array kNows{steward_ns{0}, steward_ns{1}, kLastNs - 1, kLastNs};
    constexpr std::array kUptimes{steward_ns{0}, steward_ns{1}, 10 * kYear};
    constexpr std::array kCodes{std::numeric_limits<std::int32_t>::min(), -1, 0,
                                std::numeric_limits<std::int32_t>::max()};
    constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
    for (const auto now : kNows) {
        for (const auto uptime : kUptimes) {
            for (const std::size_t count : {std::size_t{1}, std::size_t{256}}) {
                for (const std::uint64_t entropy : {std::uint64_t{0}, kMost}) {
                    for (std::size_t i = 0; i < kCodes.size(); ++i) {
                        RestartQuestion question;
                        question.now = now;
                        question.entropy = entropy;
                        question.total_restarts = i % 2 == 0 ? 0 : kMost;
                        const auto kind = static_cast<std::uint32_t>(i);
                        const steward_ns ran = std::min(uptime, now);
                        question.events.assign(count, {kind, kCodes[i], now, ran, ran});
                        question.events.front().at = 0;
                        require_valid(decide(instance, question),
                                      std::to_string(count) + " events of kind " +
                                          std::to_string(kind) + " with code " +
                                          std::to_string(kCodes[i]) + " at " + std::to_string(now) +
                                          " ns after " + std::to_string(ran) + " ns of uptime");
                    }
                }
            }
        }
    }
}

void large_requests(const Instance& instance) {
    constexpr std::uint16_t kLast = 65'535;
    std::vector<std::uint16_t> all_but_last;
    for (std::uint16_t port = 1; port < kLast; ++port) {
        all_but_last.push_back(port);
    }
    const auto ask = [&instance](const PortQuestion& question) {
        const auto proposed = propose(instance, question);
        const std::string what = "ports " + std::to_string(question.first) + " to " +
                                 std::to_string(question.last) + " with " +
                                 std::to_string(question.excluded.size()) + " excluded, attempt " +
                                 std::to_string(question.attempt) + ": ";
        require(proposed.status == STEWARD_OK,
                what + "status " + std::to_string(proposed.status) + "; expected OK");
        for (const auto port : proposed.ports) {
            require(port >= question.first && port <= question.last,
                    what + "port " + std::to_string(port));
        }
    };
    for (const std::uint32_t attempt : {1U, std::numeric_limits<std::uint32_t>::max()}) {
        for (const std::uint64_t entropy :
             {std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max()}) {
            PortQuestion question;
            question.attempt = attempt;
            question.entropy = entropy;
            question.base = kLast;
            question.first = kLast;
            question.last = kLast;
            ask(question);
            question.excluded = all_but_last;
            question.first = 1;
            ask(question);
            question.base = 1;
            ask(question);
        }
    }
}

// A refused probe and one that times out, both `limit` before the end of time or after it.
void large_deadlines(FakePluginHost& host, const Instance& instance, Scene& scene,
                     std::chrono::nanoseconds limit) {
    const std::string what = "at " + std::to_string(host.now()) + " ns a probe with " +
                             std::to_string(limit.count()) + " ns until its deadline: ";
    for (const auto port : {scene.closed_port(), scene.unattended_port()}) {
        Prober prober(host, instance);
        const steward_token probe = scene.next_probe();
        if (prober.start(probe, "127.0.0.1", port, limit) != STEWARD_OK) {
            continue;
        }
        host.run_ready();
        const bool ends = limit <= 10s;
        if (!ends) {
            prober.cancel(probe);
        } else if (prober.count() == 0) {
            host.advance(std::max<std::chrono::nanoseconds>(limit, 0s) + 100ms);
        }
        if (!prober.wait(1, 1s)) {
            require(!ends, what + "done does not come");
            continue;  // cancel does not do its work: that is for the checks of cancellation
        }
        const HealthReport& report = prober.of(probe).front();
        require(report.verdict >= STEWARD_HEALTHY && report.verdict <= STEWARD_UNKNOWN,
                what + "verdict " + std::to_string(report.verdict));
        require(report.latency >= 0ns && report.latency <= 10s + 1ms,
                what + "a latency of " + std::to_string(report.latency.count()) + " ns");
    }
}

void large_times_of_samples(FakePluginHost& host, const Instance& instance, Scene& scene) {
    const auto usual = sample(instance, scene.metrics_question(host));
    for (const steward_ns now : {steward_ns{0}, kLastNs, steward_ns{1}, kLastNs - 1}) {
        auto question = scene.metrics_question(host);
        question.now = now;
        question.deadline = kLastNs;
        const auto sampled = sample(instance, question);
        const std::string what = "a sample at " + std::to_string(now) + " ns: ";
        require(sampled.status == usual.status, what + "status " + std::to_string(sampled.status) +
                                                    " (" + sampled.error + "), usually " +
                                                    std::to_string(usual.status));
        for (const Metric& metric : sampled.metrics) {
            require(std::isfinite(metric.value),
                    what + metric.name + " is " + std::to_string(metric.value));
        }
    }
}

void time_large_values(Trial& trial) {
    const auto all = trial.plugins();
    Scene scene(all);
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : all) {
        const auto instance = session.create(*plugin);
        if (offers(*plugin, STEWARD_IFACE_RESTART)) {
            large_histories(instance);
        }
        if (offers(*plugin, STEWARD_IFACE_PORT)) {
            large_requests(instance);
        }
        if (offers(*plugin, STEWARD_IFACE_METRICS)) {
            large_times_of_samples(host, instance, scene);
        }
        if (offers(*plugin, STEWARD_IFACE_HEALTH)) {
            const auto left = [&host] { return std::chrono::nanoseconds(kLastNs - host.now()); };
            large_deadlines(host, instance, scene, left());
            large_deadlines(host, instance, scene, std::chrono::nanoseconds(-host.now()));
            host.advance(left() - 60s);
            large_deadlines(host, instance, scene, 5s);
        }
    }
}

constexpr std::array kChecks{
    Check{31, "det-same-input", Level::kMust, "",
          "restart and port: the same input has the same answer, byte for byte, again, in another "
          "instance, in another process and after 1000 other questions",
          "replays, dry runs and a change of plugins under a running service rest on it: an answer "
          "that depends on more than its question cannot be explained to anyone",
          "compute the answer from the question and the settings alone; no static or member "
          "variable changes in decide or propose",
          20s, &det_same_input},
    Check{32, "det-no-clock", Level::kMust, "",
          "decide and propose read no clock, not the host's either",
          "an answer that depends on the time of the call cannot be replayed, and is another one "
          "on a slow machine",
          "take the time from the question (input->now and the times of the events)", 10s,
          &det_no_clock},
    Check{33, "det-no-random", Level::kMust, "",
          "decide and propose use no source of randomness, and answer the same wherever their "
          "memory lies",
          "jitter that is not the question's entropy makes each replay another story",
          "take jitter from `entropy`; iterate over nothing that is ordered by address", 20s,
          &det_no_random},
    Check{
        34, "det-entropy-matters-only-if-declared", Level::kNote, "",
        "another entropy changes the delay by at most 50 % of its median, or the choice and order "
        "of valid ports; never the action",
        "entropy is for jitter: a service must not be given up or restarted by chance",
        "derive nothing but jitter from `entropy`", 10s, &det_entropy},
    Check{35, "time-monotonic-only", Level::kMust, "",
          "a wall clock that is set by a day, while a probe is in flight too, changes no outcome",
          "clocks are set after boot, by time servers and by hand: no service may be called "
          "unhealthy or restarted for that",
          "take all times from the host's now() and the question", 20s, &time_monotonic_only},
    Check{36, "time-uses-host-timers", Level::kShould, STEWARD_IFACE_HEALTH,
          "a time-out of 30 s takes no real time on a host whose clock is moved by hand",
          "a plugin with timers of its own cannot be tested quickly, and wakes the machine up "
          "beside the host's shared timers",
          "arm time-outs with steward.host.reactor/1", 20s, &time_uses_host_timers},
    Check{37, "time-large-values", Level::kMust, "",
          "times of 0, of ten years and up to INT64_MAX, and the largest counts, ports and "
          "entropies, get valid answers",
          "an overflow is undefined behaviour; here it becomes a delay that no one can wait for",
          "compare and subtract before you add or multiply; bound the last result", 20s,
          &time_large_values},
};

}  // namespace

const std::span<const Check> kDeterminismChecks{kChecks};

}  // namespace steward::compliance
