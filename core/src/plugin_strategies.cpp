#include "steward/core/plugin_strategies.hpp"

#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "plugin_libraries.hpp"
#include "plugin_library.hpp"
#include "steward/core/schema.hpp"
#include "steward/health.h"
#include "steward/metrics.h"
#include "steward/port.h"
#include "steward/restart.h"
#include "utf8.hpp"

namespace steward::core {
namespace {

constexpr Duration kDecisionTime = std::chrono::milliseconds(250);
constexpr Duration kSampleTime = std::chrono::seconds(1);
constexpr Duration kCreateTime = std::chrono::seconds(2);
constexpr Duration kQuarantineAfter = std::chrono::seconds(2);
constexpr Duration kProbeGrace = std::chrono::milliseconds(100);
constexpr Duration kQueueTime = std::chrono::seconds(5);
constexpr Duration kLongestDelay = std::chrono::hours(24);
constexpr std::size_t kMaxCandidates = 128;
constexpr std::size_t kMaxMetrics = 256;
constexpr std::size_t kMaxText = 4096;

std::string str(steward_str s, std::size_t limit = kMaxText) {
    return s.ptr == nullptr ? std::string() : std::string(s.ptr, std::min(s.len, limit));
}
// A plugin's text as people and JSON can bear it.
std::string clean(steward_str s, std::size_t limit = kMaxText) {
    std::string out;
    append_escaped(out, str(s, limit));
    return out;
}
steward_str view(const std::string& s) {
    return {s.data(), s.size()};
}
std::int64_t ns(TimePoint at) {
    return at.time_since_epoch().count();
}

std::uint64_t random_bits() {
    std::uint64_t value = 0;
    (void)!getrandom(&value, sizeof value, 0);
    return value;
}

// A strategy's sink that gathers at most kMaxText bytes.
struct TextSink {
    std::string text;
    steward_sink sink{sizeof(steward_sink), 0, this, &TextSink::write};
    static steward_status write(void* ctx, const void* data, std::size_t len) {
        auto& self = *static_cast<TextSink*>(ctx);
        if (len > kMaxText - self.text.size()) {
            return STEWARD_E_EXHAUSTED;
        }
        try {
            self.text.append(static_cast<const char*>(data), len);
            return STEWARD_OK;
        } catch (...) {
            return STEWARD_E_NOMEM;
        }
    }
};

struct CallError {
    steward_error value{sizeof(steward_error), 0, {}};
    std::string text(steward_status status) const {
        const std::size_t length = strnlen(value.text, sizeof value.text);
        return length > 0 ? clean({value.text, length}) : "status " + std::to_string(status);
    }
};

struct Slot {
    std::string kind;       // "health"
    std::string interface;  // "steward.health/1"
    std::string name;       // as chosen
    std::string shown;      // "health_http 0.1.0"
    std::string broken;     // why the fallback answers; empty: the plugin does
    std::shared_ptr<Library> library;
    steward_instance* instance = nullptr;
    const steward_plugin* plugin = nullptr;
    const void* functions = nullptr;

    bool none() const { return name == "none"; }
};

enum SlotIndex : std::size_t { kHealth, kRestart, kPort, kMetrics, kSlotCount };

FileIdentity identity_of(const std::string& file) {
    struct stat status {};
    return stat(file.c_str(), &status) == 0 ? FileIdentity{status.st_dev, status.st_ino}
                                            : FileIdentity{};
}

// What a slot is to be filled with; made on the files' thread.
struct Plan {
    PluginInfo info;
    FileIdentity identity{};
    std::string config;
    std::string error;
};

struct Created {
    std::string error;
    steward_instance* instance = nullptr;
    const steward_plugin* plugin = nullptr;
    const void* functions = nullptr;
};

// On the library's thread.
Created create_instance(Library& library, const PluginInfo& info, const std::string& config,
                        const std::string& interface) {
    Created out;
    CallError error;
    if (library.entry == nullptr) {
        const auto loaded = load_plugin_library(info.file);
        if (!loaded) {
            out.error = loaded.error().text;
            return out;
        }
        library.entry = *loaded;
    }
    if (!library.initialised) {
        if (const auto status =
                library.entry->init(library.thread->host(), view(info.file), &error.value);
            status != STEWARD_OK) {
            out.error = info.id + ": its init failed: " + error.text(status);
            return out;
        }
        library.initialised = true;
    }
    for (std::uint32_t i = 0; i < library.entry->plugin_count && out.plugin == nullptr; ++i) {
        const auto* const plugin = library.entry->get_plugin(i);
        if (plugin != nullptr && str(plugin->desc->id) == info.id) {
            out.plugin = plugin;
        }
    }
    out.functions = out.plugin == nullptr ? nullptr : out.plugin->get_interface(interface.c_str());
    if (out.functions == nullptr) {
        out.error = info.id + ": does not offer " + interface;
        return out;
    }
    if (const auto status =
            out.plugin->create(library.thread->host(), view(config), &out.instance, &error.value);
        status != STEWARD_OK) {
        out.instance = nullptr;
        // A wrong setting is named as it is given: "health_http.path: must begin with a slash".
        out.error = status == STEWARD_E_INVALID
                        ? info.id + "." + error.text(status)
                        : info.id + ": cannot be created: " + error.text(status);
    }
    return out;
}

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
        Metric m{str(metric->name, 129),          clean(metric->help), clean(metric->unit, 32),
                 metric->kind == STEWARD_COUNTER, metric->value,       {}};
        if (m.name.size() > 128 || !is_metric_name(m.name)) {
            return;
        }
        for (std::size_t i = 0; metric->labels != nullptr && i < metric->label_count && i < 16;
             ++i) {
            m.labels.emplace_back(clean(metric->labels[i].name, 128),
                                  clean(metric->labels[i].value, 256));
        }
        out.push_back(std::move(m));
    } catch (...) {
        return;  // No memory: one series less.
    }
}

}  // namespace

struct PluginStrategies::Impl : std::enable_shared_from_this<PluginStrategies::Impl> {
    struct Pending {
        std::shared_ptr<Library> library;
        std::string plugin;
        std::string call;
        Duration budget{};
        TimePoint asked{};
        std::uint64_t number = 0;
        TimerId timer = 0;
        std::function<void(const std::string& why)> fallback;
    };
    struct Probe {
        std::function<void(ProbeAnswer)> answer;
        TimerId timer = 0;
        std::uint64_t start_question = 0;
    };
    // What a probe's `done` is given; never freed, for a plugin may call it at any time.
    struct DoneTarget {
        Scheduler* scheduler;
        std::weak_ptr<Impl> impl;
    };

    Impl(Scheduler& s, Scheduler& f, PluginCatalogue& c, PluginLibraries& l, StrategyChoice ch,
         StrategyReport r)
        : scheduler(s),
          files(f),
          catalogue(c),
          libraries(l),
          choice(std::move(ch)),
          report(std::move(r)) {
        slots[kHealth] = {
            "health", STEWARD_IFACE_HEALTH, choice.health, {}, {}, {}, nullptr, nullptr, nullptr};
        slots[kRestart] = {
            "restart", STEWARD_IFACE_RESTART, choice.restart, {}, {}, {}, nullptr, nullptr,
            nullptr};
        slots[kPort] = {"port", STEWARD_IFACE_PORT, choice.port, {}, {}, {}, nullptr, nullptr,
                        nullptr};
        slots[kMetrics] = {
            "metrics", STEWARD_IFACE_METRICS, choice.metrics, {}, {}, {}, nullptr, nullptr,
            nullptr};
    }

    // ---- filling the slots
    void begin_prepare();
    std::vector<Plan> plan();
    void fill(std::vector<Plan> plans);
    void filled(std::size_t index, const Created& created);
    void finish_prepare();

    // ---- asking
    template <class Answer>
    void ask(Slot& slot, std::string call, Duration budget,
             std::function<std::optional<Answer>(std::string& why)> work,
             std::function<void(Answer)> answer,
             std::function<Answer(const std::string& why)> fallback,
             std::function<void(const Answer&)> late = {});
    std::uint64_t open_question(Slot& slot, std::string call, Duration budget,
                                std::function<void(const std::string&)> fallback);
    void check_question(std::uint64_t id);
    void check_quarantine(const std::shared_ptr<Library>& library, std::uint64_t number,
                          const std::string& call);
    void quarantine(Library& library, const std::string& call);
    bool answered(std::uint64_t id, const std::function<void()>& deliver);
    void end();
    void give_up(std::uint64_t id, const std::string& why);
    std::string unusable(const Slot& slot) const;
    void probe_done(std::uint64_t token, ProbeAnswer answer);
    static void on_done(void* ud, steward_token token, const steward_health_result* result);

    Scheduler& scheduler;
    Scheduler& files;
    PluginCatalogue& catalogue;
    PluginLibraries& libraries;
    StrategyChoice choice;
    StrategyReport report;
    std::array<Slot, kSlotCount> slots;

    bool ended = false;  // the strategies are gone: nobody is told anything any more
    bool preparing = false;
    bool prepared = false;
    std::size_t unfilled = 0;
    Status prepare_status = Nothing{};
    std::vector<std::function<void(Status)>> prepare_done;
    std::vector<std::function<void()>> queued;

    std::uint64_t next_id = 1;
    std::map<std::uint64_t, Pending> pending;
    std::map<std::uint64_t, Probe> probes;
    DoneTarget* done_target = nullptr;
};

// ---- filling the slots

void PluginStrategies::Impl::begin_prepare() {
    if (preparing) {
        return;
    }
    preparing = true;
    done_target = new DoneTarget{&scheduler, weak_from_this()};
    files.post([self = shared_from_this()] {
        std::vector<Plan> plans(kSlotCount);
        try {
            plans = self->plan();
        } catch (const std::exception& e) {
            plans = std::vector<Plan>(kSlotCount);
            for (auto& plan : plans) {
                plan.error = std::string("the plugins cannot be examined: ") + e.what();
            }
        }
        self->scheduler.post(
            [self, plans = std::move(plans)]() mutable { self->fill(std::move(plans)); });
    });
}

// On the files' thread: reads only what does not change.
std::vector<Plan> PluginStrategies::Impl::plan() {
    std::vector<Plan> plans;
    auto unused = choice.settings;
    for (const auto& slot : slots) {
        Plan plan;
        if (!slot.none()) {
            auto info = catalogue.find(slot.name);
            if (!info) {
                plan.error = info.error().text;
            } else if (!info->has(slot.interface)) {
                plan.error = info->id + ": is no " + slot.kind + " strategy (it offers " +
                             (info->interfaces.empty() ? "nothing" : info->interfaces.front()) +
                             "); see `steward plugins`";
            } else {
                plan.info = std::move(*info);
                plan.identity = identity_of(plan.info.file);
                const auto values = choice.settings.find(plan.info.id);
                auto config = complete_settings(plan.info.id, plan.info.schema,
                                                values == choice.settings.end()
                                                    ? std::map<std::string, std::string>{}
                                                    : values->second);
                unused.erase(plan.info.id);
                if (config) {
                    plan.config = *config;
                } else {
                    plan.error = config.error().text;
                }
            }
        }
        plans.push_back(std::move(plan));
    }
    if (!unused.empty()) {
        const auto& [id, values] = *unused.begin();
        const std::string text = id + "." + values.begin()->first + ": " + id +
                                 " is none of the strategies in use; name it with --health, "
                                 "--restart, --port-strategy or "
                                 "--metrics, or leave --set out";
        for (auto& plan : plans) {
            if (plan.error.empty()) {
                plan.error = text;
            }
            break;
        }
    }
    return plans;
}

void PluginStrategies::Impl::fill(std::vector<Plan> plans) {
    if (ended) {
        return;
    }
    unfilled = kSlotCount;
    for (std::size_t index = 0; index < kSlotCount; ++index) {
        auto& slot = slots[index];
        auto& plan = plans[index];
        if (slot.none() || !plan.error.empty()) {
            slot.broken = plan.error;
            slot.shown = slot.none() ? "none" : slot.name;
            filled(index, Created{plan.error, nullptr, nullptr, nullptr});
            continue;
        }
        slot.library = libraries.impl().get(plan.info.file, plan.identity, plan.info.id);
        slot.shown = plan.info.id + " " + plan.info.version;
        const auto library = slot.library;
        ask<Created>(
            slot, "create", kCreateTime,
            [library, info = plan.info, config = plan.config,
             interface = slot.interface](std::string&) {
                return std::optional<Created>(create_instance(*library, info, config, interface));
            },
            [self = shared_from_this(), index](const Created& created) {
                self->filled(index, created);
            },
            [id = plan.info.id](const std::string& why) {
                return Created{id + ": cannot be created: " + why, nullptr, nullptr, nullptr};
            },
            [library](const Created& created) {
                // Nobody waits for it any more.
                if (created.instance != nullptr && library->thread && !library->quarantined) {
                    library->thread->call([plugin = created.plugin, instance = created.instance] {
                        plugin->destroy(instance);
                    });
                }
            });
    }
}

void PluginStrategies::Impl::filled(std::size_t index, const Created& created) {
    auto& slot = slots[index];
    slot.instance = created.instance;
    slot.plugin = created.plugin;
    slot.functions = created.functions;
    if (!created.error.empty()) {
        slot.broken = created.error;
        if (prepare_status) {
            prepare_status = Error{created.error};
        }
        // Who waits for the outcome hears it from there.
        if (report && prepare_done.empty()) {
            report(EventName::kPluginQuarantined, slot.name, "load",
                   created.error + "; the built-in fallback answers");
        }
    }
    if (--unfilled == 0) {
        finish_prepare();
    }
}

void PluginStrategies::Impl::finish_prepare() {
    prepared = true;
    for (const auto& done : std::exchange(prepare_done, {})) {
        done(prepare_status);
    }
    for (const auto& question : std::exchange(queued, {})) {
        question();
    }
}

// ---- asking

std::string PluginStrategies::Impl::unusable(const Slot& slot) const {
    if (!slot.broken.empty()) {
        return slot.broken;
    }
    if (slot.none()) {
        return "none is chosen";
    }
    return slot.library && slot.library->quarantined ? slot.shown + " is quarantined"
                                                     : std::string();
}

std::uint64_t PluginStrategies::Impl::open_question(
    Slot& slot, std::string call, Duration budget,
    std::function<void(const std::string&)> fallback) {
    const auto id = next_id++;
    auto& question = pending[id];
    question.library = slot.library;
    question.plugin = slot.shown;
    question.call = std::move(call);
    question.budget = budget;
    question.asked = scheduler.now();
    question.fallback = std::move(fallback);
    question.timer = scheduler.arm(question.asked + budget,
                                   [self = shared_from_this(), id] { self->check_question(id); });
    return id;
}

template <class Answer>
void PluginStrategies::Impl::ask(Slot& slot, std::string call, Duration budget,
                                 std::function<std::optional<Answer>(std::string& why)> work,
                                 std::function<void(Answer)> answer,
                                 std::function<Answer(const std::string& why)> fallback,
                                 std::function<void(const Answer&)> late) {
    if (const auto why = unusable(slot); !why.empty()) {
        scheduler.post([answer, fallback, why] { answer(fallback(why)); });
        return;
    }
    const auto id =
        open_question(slot, std::move(call), budget,
                      [answer, fallback](const std::string& why) { answer(fallback(why)); });
    pending[id].number = slot.library->thread->call([self = weak_from_this(), &loop = scheduler, id,
                                                     shown = slot.shown, work = std::move(work),
                                                     answer, fallback, late] {
        std::string why;
        std::optional<Answer> result;
        try {
            result = work(why);
        } catch (...) {
            why = "it threw an exception";
        }
        loop.post([self, id, result, why = shown + ": " + why, answer, fallback, late] {
            const auto impl = self.lock();
            const bool waited =
                impl && impl->answered(id, [&] { answer(result ? *result : fallback(why)); });
            if (!waited && result && late) {
                late(*result);
            }
        });
    });
}

// False: it comes late, the fallback has answered.
bool PluginStrategies::Impl::answered(std::uint64_t id, const std::function<void()>& deliver) {
    const auto it = pending.find(id);
    if (it == pending.end()) {
        return false;
    }
    scheduler.disarm(it->second.timer);
    pending.erase(it);
    deliver();
    return true;
}

void PluginStrategies::Impl::end() {
    ended = true;
    report = nullptr;
    queued.clear();
    prepare_done.clear();
    for (const auto& [id, question] : std::exchange(pending, {})) {
        scheduler.disarm(question.timer);
    }
    for (const auto& [token, probe] : std::exchange(probes, {})) {
        scheduler.disarm(probe.timer);
    }
}

void PluginStrategies::Impl::give_up(std::uint64_t id, const std::string& why) {
    const auto it = pending.find(id);
    if (it == pending.end()) {
        return;
    }
    scheduler.disarm(it->second.timer);
    const auto fallback = std::move(it->second.fallback);
    pending.erase(it);
    fallback(why);
}

// A deadline counts from the start of the call, not from the question: an earlier call may have
// been in the way.
void PluginStrategies::Impl::check_question(std::uint64_t id) {
    const auto it = pending.find(id);
    if (it == pending.end()) {
        return;
    }
    auto& question = it->second;
    const auto now = scheduler.now();
    const auto running = question.library->thread->running();
    const bool mine = running.number == question.number;
    const TimePoint since(Duration(running.since_ns));
    const Duration allowed = mine ? question.budget : kDecisionTime;
    const bool overdue = running.number != 0 && now - since >= allowed;
    if (overdue || now - question.asked >= kQueueTime) {
        const std::string cause = question.plugin + ": " + question.call + " took more than " +
                                  std::to_string(to_ms(question.budget)) +
                                  " ms; the built-in fallback answered";
        if (report) {
            report(EventName::kPluginLate, question.plugin, question.call, cause);
        }
        if (running.number != 0) {
            scheduler.arm(
                since + allowed + kQuarantineAfter,
                [self = shared_from_this(), library = question.library, number = running.number,
                 call = question.call] { self->check_quarantine(library, number, call); });
        }
        give_up(id, cause);
        return;
    }
    const TimePoint again =
        running.number != 0 ? since + allowed : now + std::chrono::milliseconds(10);
    question.timer =
        scheduler.arm(again, [self = shared_from_this(), id] { self->check_question(id); });
}

void PluginStrategies::Impl::check_quarantine(const std::shared_ptr<Library>& library,
                                              std::uint64_t number, const std::string& call) {
    // The libraries may be gone by now, if these strategies are.
    if (library->thread && !library->quarantined && library->thread->running().number == number) {
        quarantine(*library, call);
    }
}

void PluginStrategies::Impl::quarantine(Library& library, const std::string& call) {
    library.quarantined = true;
    if (report) {
        report(EventName::kPluginQuarantined, library.id, call,
               library.id + ": " + call +
                   " has not come back; it is not called any more, the built-in fallback answers");
    }
    std::vector<std::uint64_t> stuck;
    for (const auto& [id, question] : pending) {
        if (question.library.get() == &library) {
            stuck.push_back(id);
        }
    }
    for (const auto id : stuck) {
        give_up(id, library.id + " is quarantined");
    }
}

// ---- health

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
            answer.detail = clean(result->detail);
            if (STEWARD_HAS(result, instance_id)) {
                answer.instance_id = clean(result->instance_id, 256);
            }
        }
        target->scheduler->post([weak = target->impl, token, answer = std::move(answer)] {
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

// ---- the interface

PluginStrategies::PluginStrategies(Scheduler& scheduler, Scheduler& files,
                                   PluginCatalogue& catalogue, PluginLibraries& libraries,
                                   StrategyChoice choice, StrategyReport report)
    : impl_(std::make_shared<Impl>(scheduler, files, catalogue, libraries, std::move(choice),
                                   std::move(report))) {}

PluginStrategies::~PluginStrategies() {
    impl_->end();
    for (const auto& slot : impl_->slots) {
        if (slot.instance != nullptr && !slot.library->quarantined) {
            slot.library->thread->call(
                [plugin = slot.plugin, instance = slot.instance] { plugin->destroy(instance); });
        }
    }
}

void PluginStrategies::prepare(std::function<void(Status)> done) {
    if (impl_->prepared) {
        impl_->scheduler.post([done, status = impl_->prepare_status] { done(status); });
        return;
    }
    impl_->prepare_done.push_back(std::move(done));
    impl_->begin_prepare();
}

void PluginStrategies::propose_ports(const PortQuestion& question,
                                     std::function<void(PortProposal)> answer) {
    if (!impl_->prepared) {
        impl_->queued.push_back([this, question, answer] { propose_ports(question, answer); });
        impl_->begin_prepare();
        return;
    }
    auto& slot = impl_->slots[kPort];
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
    impl_->ask<PortProposal>(
        slot, "propose", kDecisionTime,
        [question, functions, instance = slot.instance, by = slot.shown](std::string& why) {
            steward_port_request request{};
            request.size = sizeof request;
            request.attempt = question.attempt;
            request.address = view(question.address);
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
    if (!impl_->prepared) {
        impl_->queued.push_back([this, question, answer] { decide_restart(question, answer); });
        impl_->begin_prepare();
        return;
    }
    auto& slot = impl_->slots[kRestart];
    if (slot.none()) {
        impl_->scheduler.post([answer] {
            answer({DecisionAction::kStayDown, {}, "no restart strategy is chosen"});
        });
        return;
    }
    const auto* const functions = static_cast<const steward_restart*>(slot.functions);
    impl_->ask<RestartAnswer>(
        slot, "decide", kDecisionTime,
        [question, functions, instance = slot.instance,
         now = impl_->scheduler.now()](std::string& why) {
            std::vector<steward_event> events;
            events.reserve(question.history.size());
            for (const auto& e : question.history) {
                events.push_back(
                    {e.kind, e.code, ns(e.at), e.uptime.count(), e.healthy_for.count()});
            }
            steward_restart_input input{};
            input.size = sizeof input;
            input.event_count = static_cast<std::uint32_t>(events.size());
            input.events = events.data();
            input.now = ns(now);
            input.entropy = random_bits();
            input.total_restarts = question.total_restarts;
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
                                    Duration(decision.delay), clean(view(sink.text))};
            }
            return out;
        },
        std::move(answer),
        [question](const std::string& why) {
            auto fallback = fallback_restart(question, random_bits());
            fallback.why += " (the built-in fallback: " + why + ")";
            return fallback;
        });
}

void PluginStrategies::probe(const ProbeQuestion& question,
                             std::function<void(ProbeAnswer)> answer) {
    if (!impl_->prepared) {
        impl_->queued.push_back([this, question, answer] { probe(question, answer); });
        impl_->begin_prepare();
        return;
    }
    auto& impl = *impl_;
    auto& slot = impl.slots[kHealth];
    if (const auto why = impl.unusable(slot); !why.empty()) {
        impl.scheduler.post([answer, why] { answer({Verdict::kUnknown, why, {}}); });
        return;
    }
    const auto token = impl.next_id++;
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
    impl.ask<Begun>(
        slot, "start", kDecisionTime,
        [question, token, functions, instance = slot.instance, shown = slot.shown,
         target = impl.done_target](std::string&) {
            steward_health_request request{};
            request.size = sizeof request;
            request.pid = question.pid;
            request.probe = token;
            request.deadline = ns(question.deadline);
            request.address = view(question.address);
            request.port = question.port;
            request.attempt = question.attempt;
            request.instance_id = view(question.instance_id);
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
    auto& slot = impl.slots[kHealth];
    for (const auto& [token, probe] : std::exchange(impl.probes, {})) {
        impl.scheduler.disarm(probe.timer);
        if (impl.unusable(slot).empty()) {
            slot.library->thread->call(
                [functions = static_cast<const steward_health*>(slot.functions),
                 instance = slot.instance, token = token] { functions->cancel(instance, token); });
        }
    }
}

void PluginStrategies::sample(const MetricsQuestion& question,
                              std::function<void(std::vector<Metric>)> answer) {
    if (!impl_->prepared || !impl_->unusable(impl_->slots[kMetrics]).empty()) {
        impl_->scheduler.post([answer] { answer({}); });
        return;
    }
    auto& slot = impl_->slots[kMetrics];
    const auto* const functions = static_cast<const steward_metrics*>(slot.functions);
    using Metrics = std::vector<Metric>;
    impl_->ask<Metrics>(
        slot, "sample", kSampleTime,
        [question, functions, instance = slot.instance,
         now = impl_->scheduler.now()](std::string& why) {
            constexpr std::string_view kProc = "/proc";
            steward_metrics_request request{};
            request.size = sizeof request;
            request.app_pid = question.app_pid;
            request.tree_pid = question.tree_pid;
            request.proc_root = {kProc.data(), kProc.size()};
            request.now = ns(now);
            request.deadline = ns(now + kSampleTime);
            request.address = view(question.address);
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
    for (const auto& slot : impl_->slots) {
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
