#include "steward/core/plugin_strategies.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "plugin_questions.hpp"
#include "plugin_slots.hpp"
#include "plugin_values.hpp"
#include "steward/health.h"
#include "steward/metrics.h"
#include "steward/port.h"
#include "steward/restart.h"

namespace steward::core {
namespace {

constexpr Duration kDecisionTime = std::chrono::milliseconds(250);
constexpr Duration kSampleTime = std::chrono::seconds(1);
constexpr Duration kProbeGrace = std::chrono::milliseconds(100);
constexpr std::size_t kMaxCandidates = 128;
constexpr std::size_t kMaxMetrics = 256;

// Those that the strategy may propose, without repetitions.
std::vector<std::uint16_t> allowed_ports(const PortQuestion& question, const std::uint16_t* ports,
                                         std::size_t count) {
    std::vector<std::uint16_t> allowed;
    for (std::size_t i = 0; i < count; ++i) {
        const auto port = ports[i];
        if (port != 0 && port >= question.first && port <= question.last &&
            !std::binary_search(question.excluded.begin(), question.excluded.end(), port) &&
            std::find(allowed.begin(), allowed.end(), port) == allowed.end()) {
            allowed.push_back(port);
        }
    }
    return allowed;
}

bool is_metric_name(const std::string& name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !name.empty() && (name[0] < '0' || name[0] > '9') &&
           std::all_of(name.begin(), name.end(), fits);
}

// A plugin's metric goes into the list unless it is none; called from inside the plugin.
void take_metric(void* ud, const steward_metric* metric) {
    try {
        auto& out = *static_cast<std::vector<Metric>*>(ud);
        if (metric == nullptr || out.size() >= kMaxMetrics || !std::isfinite(metric->value)) {
            return;
        }
        Metric m{plugin_text(metric->name, 129),
                 clean_text(metric->help),
                 clean_text(metric->unit, 32),
                 metric->kind == STEWARD_COUNTER,
                 metric->value,
                 {}};
        if (m.name.size() > 128 || !is_metric_name(m.name)) {
            return;
        }
        for (std::size_t i = 0; metric->labels != nullptr && i < metric->label_count && i < 16;
             ++i) {
            m.labels.emplace_back(clean_text(metric->labels[i].name, 128),
                                  clean_text(metric->labels[i].value, 256));
        }
        out.push_back(std::move(m));
    } catch (...) {
        return;  // No memory: one series less.
    }
}

}  // namespace

struct PluginStrategies::Impl : std::enable_shared_from_this<PluginStrategies::Impl> {
    struct Probe {
        std::function<void(ProbeAnswer)> answer;
        TimerId timer = 0;
    };
    // What a probe's `done` is given; kept for ever, for a plugin may call it at any time.
    struct DoneTarget {
        Scheduler& scheduler;
        std::shared_ptr<PluginGate> gate;
        std::weak_ptr<Impl> impl;
    };

    Impl(Scheduler& s, std::shared_ptr<PluginGate> g, std::shared_ptr<PluginQuestions> q,
         std::shared_ptr<PluginSlots> sl)
        : scheduler(s), gate(std::move(g)), questions(std::move(q)), slots(std::move(sl)) {}

    void end();
    DoneTarget* target();
    void probe_done(std::uint64_t token, ProbeAnswer answer);
    static void on_done(void* ud, steward_token token, const steward_health_result* result);

    Scheduler& scheduler;
    const std::shared_ptr<PluginGate> gate;
    std::shared_ptr<PluginQuestions> questions;
    std::shared_ptr<PluginSlots> slots;

    std::uint64_t next_token = 1;
    std::map<std::uint64_t, Probe> probes;
    DoneTarget* done_target = nullptr;
};

void PluginStrategies::Impl::end() {
    questions->end();
    slots->end();
    for (const auto& [token, probe] : std::exchange(probes, {})) {
        scheduler.disarm(probe.timer);
    }
}

PluginStrategies::Impl::DoneTarget* PluginStrategies::Impl::target() {
    if (done_target == nullptr) {
        done_target = new DoneTarget{scheduler, gate, weak_from_this()};
        keep_for_ever(done_target);
    }
    return done_target;
}

void PluginStrategies::Impl::on_done(void* ud, steward_token token,
                                     const steward_health_result* result) {
    try {
        const auto* const target = static_cast<DoneTarget*>(ud);
        ProbeAnswer answer;
        if (result == nullptr || !STEWARD_HAS(result, detail)) {
            answer.detail = "the health strategy ended the probe without a result";
        } else {
            answer.verdict = result->verdict == STEWARD_HEALTHY     ? Verdict::kHealthy
                             : result->verdict == STEWARD_UNHEALTHY ? Verdict::kUnhealthy
                                                                    : Verdict::kUnknown;
            answer.detail = clean_text(result->detail);
            answer.timed_out =
                answer.verdict == Verdict::kUnhealthy && result->status == STEWARD_E_TIMEOUT;
            if (STEWARD_HAS(result, instance_id)) {
                answer.instance_id = clean_text(result->instance_id, 256);
            }
        }
        target->gate->post(target->scheduler,
                           [weak = target->impl, token, answer = std::move(answer)] {
                               if (const auto impl = weak.lock()) {
                                   impl->probe_done(token, answer);
                               }
                           });
    } catch (...) {
        return;  // No memory: the probe's deadline answers.
    }
}

void PluginStrategies::Impl::probe_done(std::uint64_t token, ProbeAnswer answer) {
    const auto it = probes.find(token);
    if (it == probes.end()) {
        return;
    }
    scheduler.disarm(it->second.timer);
    const auto deliver = std::move(it->second.answer);
    probes.erase(it);
    deliver(std::move(answer));
}

PluginStrategies::PluginStrategies(Scheduler& scheduler, Scheduler& files,
                                   PluginCatalogue& catalogue, PluginLibraries& libraries,
                                   StrategyChoice choice, StrategyReport report) {
    const auto& gate = libraries.impl().gate;
    auto questions = std::make_shared<PluginQuestions>(scheduler, gate, std::move(report));
    auto slots = std::make_shared<PluginSlots>(scheduler, files, catalogue, libraries,
                                               std::move(choice), questions);
    // Not make_shared: a weak_ptr that is kept for ever would keep the memory too.
    impl_.reset(new Impl(scheduler, gate, std::move(questions), std::move(slots)));
}

PluginStrategies::~PluginStrategies() {
    impl_->end();
}

void PluginStrategies::prepare(std::function<void(Status)> done) {
    impl_->slots->prepare(std::move(done));
}

void PluginStrategies::propose_ports(const PortQuestion& question,
                                     std::function<void(PortProposal)> answer) {
    if (!impl_->slots->prepared()) {
        impl_->slots->when_prepared([this, question, answer] { propose_ports(question, answer); });
        return;
    }
    const auto& slot = (*impl_->slots)[kPort];
    if (slot.none()) {
        // Just the port that was asked for.
        PortProposal only;
        only.by = "no strategy";
        if (question.attempt == 1 &&
            fallback_ports(question, 1) == std::vector<std::uint16_t>{question.base}) {
            only.candidates = {question.base};
        }
        impl_->scheduler.post([answer, only] { answer(only); });
        return;
    }
    const auto* const functions = static_cast<const steward_port*>(slot.functions);
    impl_->questions->ask<PortProposal>(
        slot, "propose", kDecisionTime,
        [question, functions, instance = slot.instance, by = slot.shown](std::string& why) {
            steward_port_request request{};
            request.size = sizeof request;
            request.attempt = question.attempt;
            request.address = as_str(question.address);
            request.base = question.base;
            request.first = question.first;
            request.last = question.last;
            request.excluded = question.excluded.data();
            request.excluded_count = question.excluded.size();
            request.entropy = random_bits();
            std::array<std::uint16_t, kMaxCandidates> ports{};
            std::size_t count = 0;
            CallError error;
            const auto status = functions->propose(instance, &request, ports.data(), ports.size(),
                                                   &count, &error.value);
            std::optional<PortProposal> proposal;
            if (status == STEWARD_E_EXHAUSTED) {
                proposal = PortProposal{{}, by};
            } else if (status != STEWARD_OK) {
                why = error.text(status);
            } else {
                auto allowed = allowed_ports(question, ports.data(), std::min(count, ports.size()));
                if (allowed.empty()) {
                    why = "it proposed no port that is allowed";
                } else {
                    proposal = PortProposal{std::move(allowed), by};
                }
            }
            return proposal;
        },
        std::move(answer),
        [question](const std::string& why) {
            return PortProposal{fallback_ports(question, kMaxCandidates),
                                "the built-in fallback (" + why + ")"};
        });
}

void PluginStrategies::decide_restart(const RestartQuestion& question,
                                      std::function<void(RestartAnswer)> answer) {
    if (!impl_->slots->prepared()) {
        impl_->slots->when_prepared([this, question, answer] { decide_restart(question, answer); });
        return;
    }
    const auto& slot = (*impl_->slots)[kRestart];
    if (slot.none()) {
        impl_->scheduler.post([answer] {
            answer({DecisionAction::kStayDown, {}, "no restart strategy is chosen"});
        });
        return;
    }
    const auto* const functions = static_cast<const steward_restart*>(slot.functions);
    impl_->questions->ask<RestartAnswer>(
        slot, "decide", kDecisionTime,
        [question, functions, instance = slot.instance](std::string& why) {
            std::vector<steward_event> events;
            events.reserve(question.history.size());
            for (const auto& e : question.history) {
                events.push_back(
                    {e.kind, e.code, as_ns(e.at), e.uptime.count(), e.healthy_for.count()});
            }
            steward_restart_input input{};
            input.size = sizeof input;
            input.event_count = static_cast<std::uint32_t>(events.size());
            input.events = events.data();
            input.now = as_ns(question.now);
            input.entropy = question.entropy;
            input.total_restarts = question.total_restarts;
            input.wall = as_ns(question.wall);
            input.utc_offset = static_cast<std::int32_t>(question.utc_offset.count());
            steward_restart_decision decision{};
            decision.size = sizeof decision;
            TextSink sink;
            CallError error;
            const auto status =
                functions->decide(instance, &input, &decision, &sink.sink, &error.value);
            std::optional<RestartAnswer> out;
            const bool known =
                decision.action >= STEWARD_RESTART && decision.action <= STEWARD_GIVE_UP;
            if (status != STEWARD_OK) {
                why = error.text(status);
            } else if (!known || decision.delay < 0 || decision.delay > kLongestDelay.count()) {
                why = "it decided action " + std::to_string(decision.action) + ", delay " +
                      std::to_string(decision.delay) + " ns";
            } else {
                constexpr std::array kActions{DecisionAction::kRestart, DecisionAction::kStayDown,
                                              DecisionAction::kGiveUp};
                out = RestartAnswer{kActions[static_cast<std::size_t>(decision.action)],
                                    Duration(decision.delay), clean_text(as_str(sink.text))};
            }
            return out;
        },
        std::move(answer),
        [question](const std::string& why) {
            auto fallback = fallback_restart(question, question.entropy);
            fallback.why += " (the built-in fallback: " + why + ")";
            return fallback;
        });
}

void PluginStrategies::probe(const ProbeQuestion& question,
                             std::function<void(ProbeAnswer)> answer) {
    if (!impl_->slots->prepared()) {
        impl_->slots->when_prepared([this, question, answer] { probe(question, answer); });
        return;
    }
    auto& impl = *impl_;
    const auto& slot = (*impl.slots)[kHealth];
    if (const auto why = slot.unusable(); !why.empty()) {
        impl.scheduler.post([answer, why] { answer({Verdict::kUnknown, why, {}}); });
        return;
    }
    const auto token = impl.next_token++;
    auto& probe = impl.probes[token];
    probe.answer = std::move(answer);
    probe.timer = impl.scheduler.arm(question.deadline + kProbeGrace, [self = impl_, token,
                                                                       shown = slot.shown] {
        self->probe_done(token, {Verdict::kUnknown, shown + " did not answer by the deadline", {}});
    });
    const auto* const functions = static_cast<const steward_health*>(slot.functions);
    struct Begun {
        std::string error;
    };
    impl.questions->ask<Begun>(
        slot, "start", kDecisionTime,
        [question, token, functions, instance = slot.instance, shown = slot.shown,
         target = impl.target()](std::string&) {
            steward_health_request request{};
            request.size = sizeof request;
            request.pid = question.pid;
            request.probe = token;
            request.deadline = as_ns(question.deadline);
            request.address = as_str(question.address);
            request.port = question.port;
            request.attempt = question.attempt;
            request.instance_id = as_str(question.instance_id);
            CallError error;
            const auto status =
                functions->start(instance, &request, &Impl::on_done, target, &error.value);
            return std::optional<Begun>(
                Begun{status == STEWARD_OK ? std::string() : shown + ": " + error.text(status)});
        },
        [self = impl_, token](const Begun& begun) {
            if (!begun.error.empty()) {
                self->probe_done(token, {Verdict::kUnknown, begun.error, {}});
            }
        },
        [](const std::string& why) { return Begun{why}; });
}

void PluginStrategies::cancel_probe() {
    auto& impl = *impl_;
    const auto& slot = (*impl.slots)[kHealth];
    for (const auto& [token, probe] : std::exchange(impl.probes, {})) {
        impl.scheduler.disarm(probe.timer);
        if (slot.unusable().empty()) {
            slot.library->thread->call(
                {"cancel"},
                [functions = static_cast<const steward_health*>(slot.functions),
                 instance = slot.instance, token = token] { functions->cancel(instance, token); });
        }
    }
}

void PluginStrategies::sample(const MetricsQuestion& question,
                              std::function<void(std::vector<Metric>)> answer) {
    if (!impl_->slots->prepared() || !(*impl_->slots)[kMetrics].unusable().empty()) {
        impl_->scheduler.post([answer] { answer({}); });
        return;
    }
    const auto& slot = (*impl_->slots)[kMetrics];
    const auto* const functions = static_cast<const steward_metrics*>(slot.functions);
    using Metrics = std::vector<Metric>;
    impl_->questions->ask<Metrics>(
        slot, "sample", kSampleTime,
        [question, functions, instance = slot.instance,
         now = impl_->scheduler.now()](std::string& why) {
            constexpr std::string_view kProc = "/proc";
            steward_metrics_request request{};
            request.size = sizeof request;
            request.app_pid = question.app_pid;
            request.tree_pid = question.tree_pid;
            request.proc_root = {kProc.data(), kProc.size()};
            request.now = as_ns(now);
            request.deadline = as_ns(now + kSampleTime);
            request.address = as_str(question.address);
            request.port = question.port;
            Metrics metrics;
            CallError error;
            const auto status =
                functions->sample(instance, &request, &take_metric, &metrics, &error.value);
            if (status != STEWARD_OK && status != STEWARD_E_TIMEOUT) {
                why = error.text(status);
                metrics.clear();
            }
            return std::optional<Metrics>(std::move(metrics));
        },
        std::move(answer), [](const std::string&) { return Metrics{}; });
}

std::map<std::string, std::string> PluginStrategies::names() const {
    std::map<std::string, std::string> out;
    for (const auto& slot : impl_->slots->all()) {
        std::string text = slot.shown.empty() ? slot.name : slot.shown;
        if (!slot.none() && !slot.broken.empty()) {
            text += " (not loaded: " + slot.broken + ")";
        } else if (slot.library && slot.library->quarantined) {
            text += " (quarantined)";
        }
        out[slot.kind] = std::move(text);
    }
    return out;
}

}  // namespace steward::core
