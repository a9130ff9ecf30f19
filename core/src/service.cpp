#include "steward/core/service.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <new>
#include <system_error>

namespace steward::core {
namespace {

constexpr Duration kChangeQuiet = std::chrono::milliseconds(200);

std::string hex(std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

Service::Service(ServiceConfig config, ServiceParts parts)
    : config_(std::move(config)), parts_(std::move(parts)) {
    state_.since = parts_.scheduler.now();
    state_.cause = config_.first_cause;
    config_.machine.stack_dump = config_.stack_dump.signal != 0;
    note_times();
    parts_.guardian.listen({
        [this](std::int32_t pid) { feed(Spawned{pid}); },
        [this](SpawnFailed failed) { feed(std::move(failed)); },
        [this](Exited exited) { on_exited(std::move(exited)); },
        [this] { on_empty(); },
    });
}

Service::~Service() {
    *alive_ = false;
    parts_.guardian.listen({});
    for (const auto timer : timers_) {
        parts_.scheduler.disarm(timer);
    }
    for (const auto timer : {responder_timer_, metrics_timer_, change_timer_}) {
        parts_.scheduler.disarm(timer);
    }
}

// ---- requests

void Service::start_for_client(const std::string& reason) {
    if (state_.generation == 0) {
        feed(StartRequested{reason, Origin::kClient});
    }
}

void Service::start(const std::string& reason, Settled settled) {
    feed(StartRequested{reason, Origin::kRequest});
    if (settled) {
        waiters_.push_back({/*for_stop=*/false, std::move(settled)});
    }
    settle_waiters();
}

void Service::restart(const std::string& reason, Settled settled) {
    feed(RestartRequested{reason});
    if (settled) {
        waiters_.push_back({/*for_stop=*/false, std::move(settled)});
    }
    settle_waiters();
}

void Service::stop(const std::string& reason, Settled settled) {
    feed(StopRequested{reason});
    if (settled) {
        waiters_.push_back({/*for_stop=*/true, std::move(settled)});
    }
    settle_waiters();
}

void Service::exit(const std::string& reason, bool at_once,
                   std::function<void(std::string)> finished) {
    if (finished && !exit_asked_) {
        finished_ = std::move(finished);
    }
    exit_asked_ = true;
    feed(ExitRequested{reason, at_once});
}

// ---- the step

void Service::feed(Input input) {
    inputs_.push_back(std::move(input));
    if (stepping_) {
        return;  // An action answered at once: the loop below takes it next.
    }
    struct Stepping {
        bool& flag;
        explicit Stepping(bool& f) : flag(f) { flag = true; }
        ~Stepping() { flag = false; }
        Stepping(const Stepping&) = delete;
        Stepping& operator=(const Stepping&) = delete;
    };
    {
        // Ends with an exception too (no memory): the next input must find a service that works.
        const Stepping stepping(stepping_);
        take_inputs();
    }
    settle_waiters();
    if (changed_) {
        changed_();
    }
}

void Service::take_inputs() {
    while (!inputs_.empty()) {
        // A copy, and the input stays first in line: a step that runs out of memory leaves both as
        // they were, and the next input, a timer's at the latest, tries again. An exit is told
        // once.
        step_ = {parts_.scheduler.now(), parts_.os.wall()};
        Step result = parts_.step(config_.machine, state_, inputs_.front(), step_.at);
        inputs_.pop_front();
        state_ = std::move(result.state);
        note_times();
        // Each costs itself alone: an event that cannot be kept must not cost the order to kill.
        const auto without_memory_skip = [](const auto& work) {
            try {
                work();
            } catch (const std::bad_alloc&) {
                return;
            }
        };
        // Before any action: the supervisor must have stopped accepting when an instance is
        // spawned.
        without_memory_skip([this] { sync_responder(); });
        const auto carry_out = [&](bool spawns) {
            for (auto& action : result.actions) {
                if (std::holds_alternative<Spawn>(action) != spawns) {
                    continue;
                }
                try {
                    perform(action);
                } catch (const std::bad_alloc&) {
                    without_memory_skip([&] { answer_unasked(action); });
                }
            }
        };
        // The order to start goes out first: an app that is down waits for it. What is told of it
        // comes before all that follows from it, for that is a later input.
        carry_out(/*spawns=*/true);
        carry_out(/*spawns=*/false);
        without_memory_skip([this] { sync_watch(); });
        without_memory_skip([this] { sync_metrics(); });
    }
}

// What could not be asked for want of memory is answered here, or the machine would wait for ever.
// The text fits into a string without any.
void Service::answer_unasked(const Action& action) {
    static constexpr const char* kNoMemory = "no memory";
    if (const auto* const search = std::get_if<SearchPort>(&action)) {
        feed(PortNotFound{search->epoch, kNoMemory, {}});
    } else if (std::holds_alternative<Spawn>(action)) {
        feed(SpawnFailed{kNoMemory, ENOMEM, /*retryable=*/true});
    } else if (const auto* const ask = std::get_if<AskRestart>(&action)) {
        feed(Decided{ask->epoch, DecisionAction::kGiveUp, {}, kNoMemory});
    } else if (const auto* const probe = std::get_if<StartProbe>(&action)) {
        feed(ProbeResult{probe->epoch, Verdict::kUnknown, kNoMemory, {}});
    } else if (const auto* const dump = std::get_if<DumpStack>(&action)) {
        feed(DumpEnded{dump->generation, /*came=*/false});
    }
}

void Service::perform(Action& action) {
    struct Performer {
        Service& self;
        void operator()(const SearchPort& a) { self.perform_search(a); }
        void operator()(const Spawn& a) { self.perform_spawn(a); }
        void operator()(const Terminate&) { self.parts_.guardian.terminate(); }
        void operator()(const Kill&) { self.parts_.guardian.kill(); }
        void operator()(const AskRestart& a) { self.perform_ask(a); }
        void operator()(const StartProbe& a) { self.perform_probe(a); }
        void operator()(const CancelProbe&) { self.parts_.strategies.cancel_probe(); }
        void operator()(const Arm& a) { self.arm(a.timer, a.at); }
        void operator()(const Disarm& a) { self.disarm(a.timer); }
        void operator()(Emit& a) { self.publish(std::move(a.event)); }
        void operator()(const Finish& a) { self.perform_finish(a); }
        void operator()(const DumpStack& a) { self.perform_dump(a); }
    };
    std::visit(Performer{*this}, action);
}

void Service::arm(TimerName name, TimePoint at) {
    disarm(name);
    auto& timer = timers_[static_cast<std::size_t>(name)];
    timer = parts_.scheduler.arm(at, [this, name] {
        timers_[static_cast<std::size_t>(name)] = 0;
        feed(TimerFired{name});
    });
}

void Service::disarm(TimerName name) {
    auto& timer = timers_[static_cast<std::size_t>(name)];
    parts_.scheduler.disarm(timer);
    timer = 0;
}

void Service::publish(Event event) {
    event.service = config_.name;
    event.at = stepping_ ? step_.at : parts_.scheduler.now();
    event.wall = stepping_ ? step_.wall : parts_.os.wall();
    if (event.name == EventName::kServiceUnkillable) {
        if (auto left = parts_.guardian.describe_tree(); !left.empty()) {
            event.fields.emplace_back("left", std::move(left));
        }
    }
    parts_.publish(std::move(event));
}

// ---- the instance

// One pass: what a value brings in is not replaced again.
std::string Service::substituted(const std::string& text) const {
    const std::array<std::pair<std::string_view, std::string>, 5> values{
        {{"{host}", config_.address},
         {"{port}", std::to_string(state_.port)},
         {"{fd}", "3"},
         {"{data_dir}", config_.data_dir},
         {"{instance}", instance_id_}}};
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto found = std::find_if(values.begin(), values.end(), [&](const auto& value) {
            return text.compare(at, value.first.size(), value.first) == 0;
        });
        if (found == values.end()) {
            out += text[at++];
        } else {
            out += found->second;
            at += found->first.size();
        }
    }
    return out;
}

void Service::perform_spawn(const Spawn& action) {
    int listener = -1;
    if (config_.machine.port_mode == PortMode::kHandOver) {
        listener = held_listener();
        if (listener < 0) {
            feed(port_lost(/*instead_of_spawn=*/true));
            return;
        }
    }
    oom_kills_.reset();
    instance_id_ = hex(parts_.os.entropy()) + hex(parts_.os.entropy());
    metrics_.clear();
    SpawnRequest request;
    request.generation = action.generation;
    for (const auto& argument : config_.argv) {
        request.argv.push_back(substituted(argument));
    }
    request.environment = config_.environment;
    // Once: with two of a name, programs differ in which they take.
    std::erase_if(request.environment,
                  [](const auto& variable) { return variable.first == "STEWARD_INSTANCE"; });
    request.environment.emplace_back("STEWARD_INSTANCE", instance_id_);
    request.directory = config_.directory;
    request.listener = listener;
    request.listen_variables = config_.listen_variables;
    if (const int error = config_.script.empty() ? 0 : parts_.os.check_file(config_.script)) {
        feed(SpawnFailed{
            "cannot start " + config_.script + ": " + std::generic_category().message(error), error,
            /*retryable=*/false});
        return;
    }
    auto pipes = parts_.output.open(action.generation);
    if (!pipes) {
        feed(SpawnFailed{pipes.error().text, pipes.error().sys_errno, /*retryable=*/true});
        return;
    }
    request.out = std::move(pipes->out);
    request.err = std::move(pipes->err);
    parts_.guardian.spawn(std::move(request));
    // Reading takes as long as the order: not before it. The instance cannot have grown yet.
    oom_kills_ = parts_.os.oom_kills();
}

// A SIGKILL that nobody here has sent: the kernel says no more about who did than this count.
void Service::note_memory_kill(PendingExit& pending) const {
    Exited& exited = pending.exited;
    if (std::exchange(pending.noted, true) || !exited.signaled || exited.code != SIGKILL ||
        (state_.state != State::kStarting && state_.state != State::kRunning) || !oom_kills_) {
        return;
    }
    const auto now = parts_.os.oom_kills();
    if (!now || *now <= *oom_kills_) {
        return;
    }
    const auto count = *now - *oom_kills_;
    try {
        exited.note += (exited.note.empty() ? "" : "; ") +
                       std::string("the kernel's out-of-memory killer has struck ") +
                       (count == 1 ? "once" : std::to_string(count) + " times") +
                       " on this machine since this instance was started";
    } catch (const std::bad_alloc&) {
        exited.note.clear();  // The exit itself is told once, and counts more.
    }
}

void Service::on_exited(Exited exited) {
    // Listens again if the app shut the socket down.
    const bool lost = config_.machine.port_mode == PortMode::kHandOver && state_.port != 0 &&
                      !port_closed_ && held_listener() < 0;
    const bool asked_for = exited.signaled ? state_.state == State::kStopping : exited.code == 0;
    if (asked_for || state_.exiting) {
        feed_exited(std::move(exited), lost);
        return;
    }
    // What an exit code means may stand in the last line that the app wrote (an import that failed,
    // a port in use); and the record of a crash has its last lines.
    pending_exit_ = PendingExit{std::move(exited), lost};
    try {
        ask_last_lines();
    } catch (const std::bad_alloc&) {
        if (pending_exit_) {
            end_pending_exit({});
        }
        return;
    }
    if (pending_exit_) {
        note_memory_kill(*pending_exit_);  // While the output's thread looks for them.
    }
}

void Service::ask_last_lines() {
    const auto generation = state_.generation;
    parts_.output.last_lines(generation, [this, generation, alive = alive_](LastLines lines) {
        // It may answer although asking has failed for want of memory.
        if (*alive && pending_exit_ && generation == state_.generation) {
            end_pending_exit(std::move(lines));
        }
    });
}

void Service::end_pending_exit(LastLines lines) {
    note_memory_kill(*pending_exit_);
    auto [exited, lost, noted] = *std::exchange(pending_exit_, std::nullopt);
    try {
        if (exited.note.empty()) {
            exited.note = binds_itself(lines.last);
        }
    } catch (const std::bad_alloc&) {
        exited.note.clear();
    }
    exited.last_stderr_line = std::move(lines.last);
    exited.output_tail = std::move(lines.tail);
    feed_exited(std::move(exited), lost);
    if (std::exchange(empty_pending_, false)) {
        feed(TreeEmpty{});
    }
}

void Service::feed_exited(Exited exited, bool port_is_lost) {
    if (port_is_lost) {
        feed(port_lost(/*instead_of_spawn=*/false));
    }
    feed(std::move(exited));
}

void Service::on_empty() {
    if (pending_exit_) {
        empty_pending_ = true;  // The machine hears of the exit first.
    } else {
        feed(TreeEmpty{});
    }
}

void Service::perform_ask(const AskRestart& action) {
    const auto wall = parts_.os.wall();
    const RestartQuestion question{
        state_.history, state_.restarts,           parts_.scheduler.now(), parts_.os.entropy(),
        wall,           parts_.os.utc_offset(wall)};
    parts_.strategies.decide_restart(
        question, [this, epoch = action.epoch, alive = alive_](const RestartAnswer& answer) {
            if (*alive) {
                feed(Decided{epoch, answer.action, answer.delay, answer.why});
            }
        });
}

void Service::perform_finish(const Finish& action) {
    finish_left_ = action.left;
    if (!finish_left_.empty()) {
        if (const auto tree = parts_.guardian.describe_tree(); !tree.empty()) {
            finish_left_ += ": " + tree;
        }
    }
    parts_.scheduler.disarm(responder_timer_);
    responder_timer_ = 0;
    PortAnswer answer = port_answer();
    answer.state = "stopped";
    parts_.port.close(answer);
    port_closed_ = true;
    const auto tell = [this, alive = alive_] {
        if (*alive && finished_) {
            const auto finished = std::move(finished_);
            finished_ = nullptr;
            finished(finish_left_);
        }
    };
    if (finish_left_.empty()) {
        parts_.guardian.close(tell);
    } else {
        // A guardian stays with a tree that it cannot end: waiting for it would only cost the time
        // in which the log is written.
        parts_.guardian.close([] {});
        parts_.scheduler.post(tell);
    }
}

// ---- what follows from the state

void Service::sync_watch() {
    const bool wanted =
        (state_.state == State::kMisconfigured || state_.state == State::kDegraded) &&
        !state_.exiting;
    if (wanted == watching_) {
        return;
    }
    watching_ = wanted;
    parts_.scheduler.disarm(change_timer_);
    change_timer_ = 0;
    changed_code_.clear();
    if (wanted && !config_.watch_folder.empty()) {
        parts_.os.watch_folder(config_.watch_folder,
                               [this, alive = alive_](const std::string& name) {
                                   if (*alive) {
                                       on_folder_change(name);
                                   }
                               });
    } else {
        parts_.os.watch_folder("", {});
    }
}

bool Service::is_code(const std::string& name) const {
    const auto& program = config_.watch_program;
    const auto dot = program.rfind('.');
    return !program.empty() &&
           (name == program || (dot != std::string::npos && name.ends_with(program.substr(dot))));
}

// An editor writes several times: the start follows when it has been quiet for a moment.
void Service::on_folder_change(const std::string& name) {
    const auto& endings = config_.watch_endings;
    if (!endings.empty() && std::none_of(endings.begin(), endings.end(), [&](const auto& ending) {
            return name.ends_with(ending);
        })) {
        return;
    }
    if (is_code(name)) {
        changed_code_ = name;
    }
    auto at = parts_.scheduler.now() + kChangeQuiet;
    if (changed_code_.empty() && changes_from_) {
        at = std::max(at, *changes_from_);
    }
    const std::string what = changed_code_.empty() ? name : changed_code_;
    parts_.scheduler.disarm(change_timer_);
    change_timer_ = parts_.scheduler.arm(at, [this, what] {
        change_timer_ = 0;
        changes_from_ = parts_.scheduler.now() + config_.machine.degraded_retry;
        feed(FilesChanged{"the app's files changed: " + what});
    });
}

void Service::sync_metrics() {
    const bool wanted = state_.pid != 0 && config_.metrics_interval > Duration{};
    if (!wanted) {
        parts_.scheduler.disarm(metrics_timer_);
        metrics_timer_ = 0;
        if (state_.pid == 0) {
            metrics_.clear();
        }
    } else if (metrics_timer_ == 0) {
        // The first one soon, so that the status has something to show.
        metrics_timer_ = parts_.scheduler.arm(
            parts_.scheduler.now() +
                std::min<Duration>(config_.metrics_interval, std::chrono::seconds(1)),
            [this] { take_sample(); });
    }
}

void Service::take_sample() {
    metrics_timer_ = parts_.scheduler.arm(parts_.scheduler.now() + config_.metrics_interval,
                                          [this] { take_sample(); });
    if (!config_.machine.probes()) {
        parts_.guardian.check();
    }
    MetricsQuestion question{state_.pid, parts_.guardian.guardian_pid(), config_.address,
                             state_.port};
    parts_.strategies.sample(question, [this, generation = state_.generation,
                                        alive = alive_](const std::vector<Metric>& metrics) {
        if (!*alive || generation != state_.generation || state_.pid == 0 || metrics.empty()) {
            return;
        }
        Event event;
        event.name = EventName::kMetrics;
        event.generation = generation;
        event.cause = "sampled";
        metrics_.clear();
        for (const auto& metric : metrics) {
            if (metric.labels.empty()) {
                metrics_[metric.name] = metric.value;
                event.fields.emplace_back(metric.name, metric.value);
            }
        }
        publish(std::move(event));
        if (changed_) {
            changed_();
        }
    });
}

}  // namespace steward::core
