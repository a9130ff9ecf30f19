#include "strategies.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <thread>

#include "check.hpp"
#include "settings.hpp"

namespace steward::compliance {
namespace {

template <class Interface>
const Interface& interface(const Instance& instance, const char* id) {
    const void* const found = interface_of(instance.plugin(), id);
    require(found != nullptr, id_of(instance.plugin()) + ": get_interface(\"" + id +
                                  "\") gives none, though its descriptor lists it");
    return *static_cast<const Interface*>(found);
}

steward_error empty_error() {
    steward_error error{};
    error.size = sizeof error;
    return error;
}

std::string text_in(const steward_error& error) {
    return std::string(error.text, strnlen(error.text, sizeof error.text));
}

}  // namespace

Decided decide(const Instance& instance, const RestartQuestion& question) {
    const auto& restart = interface<steward_restart>(instance, STEWARD_IFACE_RESTART);
    steward_restart_input input{};
    input.size = question.tells_time_of_day ? sizeof input : offsetof(steward_restart_input, wall);
    input.event_count = static_cast<std::uint32_t>(question.events.size());
    input.events = question.events.data();
    input.now = question.now;
    input.entropy = question.entropy;
    input.total_restarts = question.total_restarts;
    if (question.tells_time_of_day) {
        input.wall = question.wall;
        input.utc_offset = question.utc_offset;
    }
    steward_restart_decision out{};
    out.size = sizeof out;
    out.action = -1;
    const Sink why;
    auto error = empty_error();
    Decided decided;
    decided.status = call(
        "decide", [&] { return restart.decide(instance.get(), &input, &out, why.get(), &error); });
    decided.action = out.action;
    decided.delay = out.delay;
    decided.why = why.text();
    decided.error = text_in(error);
    return decided;
}

std::string to_text(const Decided& decided) {
    if (decided.status != STEWARD_OK) {
        return "status " + std::to_string(decided.status) + " (" + decided.error + ")";
    }
    const char* const action = decided.action == STEWARD_RESTART     ? "RESTART"
                               : decided.action == STEWARD_STAY_DOWN ? "STAY_DOWN"
                               : decided.action == STEWARD_GIVE_UP   ? "GIVE_UP"
                                                                     : "no action";
    return std::string(action) + " after " + std::to_string(decided.delay) + " ns (\"" +
           decided.why + "\")";
}

Proposed propose(const Instance& instance, const PortQuestion& question) {
    constexpr std::uint16_t kUntouched = 0xdead;
    const auto& port = interface<steward_port>(instance, STEWARD_IFACE_PORT);
    steward_port_request request{};
    request.size = sizeof request;
    request.attempt = question.attempt;
    request.address = str_of(question.address);
    request.base = question.base;
    request.first = question.first;
    request.last = question.last;
    request.excluded = question.excluded.data();
    request.excluded_count = question.excluded.size();
    request.entropy = question.entropy;
    std::vector<std::uint16_t> places(question.capacity + 8, kUntouched);
    auto error = empty_error();
    Proposed proposed;
    proposed.status = call("propose", [&] {
        return port.propose(instance.get(), &request, places.data(), question.capacity,
                            &proposed.count, &error);
    });
    proposed.overrun =
        std::any_of(places.begin() + static_cast<std::ptrdiff_t>(question.capacity), places.end(),
                    [](std::uint16_t place) { return place != kUntouched; });
    places.resize(std::min(proposed.count, question.capacity));
    proposed.ports = std::move(places);
    proposed.error = text_in(error);
    return proposed;
}

Prober::Prober(FakePluginHost& host, const Instance& instance)
    : host_(host),
      instance_(instance),
      health_(&interface<steward_health>(instance, STEWARD_IFACE_HEALTH)),
      door_(new Door{this}) {}

Prober::~Prober() {
    door_->prober = nullptr;
    if (started_) {
        (void)door_.release();
    }
}

steward_status Prober::start(steward_token probe, const std::string& address, std::uint16_t port,
                             std::chrono::nanoseconds limit) {
    steward_health_request request{};
    request.size = sizeof request;
    request.pid = 1;
    request.probe = probe;
    request.deadline = host_.now() + limit.count();
    request.address = str_of(address);
    request.port = port;
    request.attempt = 1;
    auto error = empty_error();
    starting_ = true;
    const steward_status status = call("start", [&] {
        return health_->start(instance_.get(), &request, &done, door_.get(), &error);
    });
    starting_ = false;
    started_ = started_ || status == STEWARD_OK;
    error_ = text_in(error);
    return status;
}

void Prober::cancel(steward_token probe) {
    call("cancel", [&] { health_->cancel(instance_.get(), probe); });
}

const std::vector<HealthReport>& Prober::of(steward_token probe) {
    return reports_[probe];
}

bool Prober::wait(std::size_t count, std::chrono::milliseconds limit) {
    return host_.run_until([&] { return count_ >= count; }, limit);
}

bool Prober::settle(steward_token probe, std::chrono::nanoseconds limit,
                    std::chrono::milliseconds grace) {
    // A plugin with threads of its own learns of the new time when it looks.
    constexpr std::chrono::milliseconds kNotice(1000);
    const auto ended = [&] { return !of(probe).empty(); };
    if (host_.run_until(ended, grace)) {
        return true;
    }
    host_.advance(limit);
    return host_.run_until(ended, kNotice);
}

void Prober::wait_for_target(steward_token probe, const std::function<bool()>& at_rest,
                             std::chrono::milliseconds limit) {
    constexpr std::chrono::milliseconds kLook(1);
    const auto until = std::chrono::steady_clock::now() + limit;
    const auto ended = [&] { return !of(probe).empty(); };
    while (!at_rest() && !host_.run_until(ended, kLook) &&
           std::chrono::steady_clock::now() < until) {
    }
}

void Prober::done(void* ud, steward_token probe, const steward_health_result* result) {
    const OnHostSide side;
    if (static_cast<Door*>(ud)->prober == nullptr) {
        return;
    }
    auto& prober = *static_cast<Door*>(ud)->prober;
    HealthReport report;
    report.probe = probe;
    report.verdict = result->verdict;
    report.status = result->status;
    report.code = result->protocol_code;
    report.latency = std::chrono::nanoseconds(result->latency);
    report.at = prober.host_.now();
    report.detail = text_of(result->detail);
    report.instance_id = text_of(result->instance_id);
    report.inside_start = prober.starting_;
    report.on_plugin_thread = prober.host_.host()->on_plugin_thread(prober.host_.host()) != 0;
    prober.reports_[probe].push_back(report);
    ++prober.count_;
    if (prober.hook_) {
        prober.hook_(report);
    }
}

std::string to_text(const HealthReport& report) {
    const char* const verdict = report.verdict == STEWARD_HEALTHY     ? "HEALTHY"
                                : report.verdict == STEWARD_UNHEALTHY ? "UNHEALTHY"
                                : report.verdict == STEWARD_UNKNOWN   ? "UNKNOWN"
                                                                      : "no verdict";
    return std::string(verdict) + ", status " + std::to_string(report.status) + ", code " +
           std::to_string(report.code) + ", \"" + report.detail.substr(0, 200) + "\"";
}

std::optional<double> Sampled::value(const std::string& name) const {
    for (const Metric& metric : metrics) {
        if (metric.name == name && metric.labels.empty()) {
            return metric.value;
        }
    }
    return std::nullopt;
}

Sampled sample(const Instance& instance, const MetricsQuestion& question) {
    const auto& metrics = interface<steward_metrics>(instance, STEWARD_IFACE_METRICS);
    steward_metrics_request request{};
    request.size = sizeof request;
    request.app_pid = question.app_pid;
    request.tree_pid = question.tree_pid;
    request.proc_root = str_of(question.proc_root);
    request.now = question.now;
    request.deadline = question.deadline;
    request.address = str_of(question.address);
    request.port = question.port;
    auto error = empty_error();
    Sampled sampled;
    struct Emitting {
        Sampled& sampled;
        std::thread::id thread = std::this_thread::get_id();
    } emitting{sampled};
    const auto emit = [](void* ud, const steward_metric* metric) {
        const OnHostSide side;
        auto& [into, thread] = *static_cast<Emitting*>(ud);
        if (std::this_thread::get_id() != thread) {
            into.on_calling_thread = false;
            return;
        }
        Metric copy;
        copy.kind = metric->kind;
        copy.name = text_of(metric->name);
        copy.help = text_of(metric->help);
        copy.unit = text_of(metric->unit);
        copy.value = metric->value;
        for (std::size_t i = 0; i < metric->label_count; ++i) {
            copy.labels.emplace_back(text_of(metric->labels[i].name),
                                     text_of(metric->labels[i].value));
        }
        into.metrics.push_back(std::move(copy));
    };
    sampled.status = call("sample", [&] {
        return metrics.sample(instance.get(), &request, emit, &emitting, &error);
    });
    sampled.error = text_in(error);
    return sampled;
}

std::vector<Answer> ask_once(FakePluginHost& host, const Instance& instance) {
    const steward_plugin& plugin = instance.plugin();
    const steward_ns now = host.now();
    std::vector<Answer> answers;
    if (offers(plugin, STEWARD_IFACE_RESTART)) {
        RestartQuestion question;
        question.events = {{STEWARD_EV_EXIT, 1, now, 0, 0}};
        question.now = now;
        const auto decided = decide(instance, question);
        answers.push_back({"decide", decided.status, decided.error});
    }
    if (offers(plugin, STEWARD_IFACE_PORT)) {
        const auto proposed = propose(instance, {});
        answers.push_back({"propose", proposed.status, proposed.error});
    }
    if (offers(plugin, STEWARD_IFACE_METRICS)) {
        MetricsQuestion question;
        question.app_pid = getpid();
        question.tree_pid = getppid();
        question.now = now;
        question.deadline = now + std::chrono::nanoseconds(std::chrono::seconds(5)).count();
        const auto sampled = sample(instance, question);
        answers.push_back({"sample", sampled.status, sampled.error});
    }
    if (offers(plugin, STEWARD_IFACE_HEALTH)) {
        // Port 1 (tcpmux) of the loopback: whatever listens there, the probe has an end.
        auto prober = std::make_unique<Prober>(host, instance);
        const steward_status status = prober->start(1, "127.0.0.1", 1);
        answers.push_back({"start", status, prober->error()});
        if (status == STEWARD_OK && !prober->wait(1, std::chrono::seconds(10))) {
            (void)prober.release();  // the report may come after all, from destroy
            broken(id_of(plugin) +
                   ": no report of a probe came within 10 s, with a deadline of 2 s");
        }
    }
    return answers;
}

}  // namespace steward::compliance
