#include "steward/core/simulation/fake_world.hpp"

#include <algorithm>
#include <csignal>
#include <tuple>

namespace steward::simulation {

using core::Duration;
using core::PortAnswer;
using core::Verdict;

// ---- Journal

int Journal::count(const std::string& beginning) const {
    return static_cast<int>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.rfind(beginning, 0) == 0;
    }));
}

std::size_t Journal::find(const std::string& beginning, std::size_t from) const {
    for (std::size_t i = from; i < lines.size(); ++i) {
        if (lines[i].rfind(beginning, 0) == 0) {
            return i;
        }
    }
    return lines.size();
}

// ---- FakeGuardian

void FakeGuardian::spawn(core::SpawnRequest request) {
    journal_.add("spawn " + std::to_string(request.generation));
    if (tree_) {
        journal_.breach("spawn while a tree exists");
    }
    if (closed_) {
        journal_.breach("spawn after close");
    }
    if (request.argv.empty()) {
        journal_.breach("spawn without a command");
    }
    tree_ = true;
    spawning_ = true;
    alive_ = false;
    pid_ = 0;
    spawns_.push_back(std::move(request));
    if (on_spawn) {
        on_spawn(spawns_.back());
    }
}

void FakeGuardian::terminate() {
    journal_.add("terminate");
    if (on_terminate) {
        on_terminate();
    }
}

void FakeGuardian::kill() {
    journal_.add("kill");
    if (on_kill) {
        on_kill();
    }
}

void FakeGuardian::signal_app(int number) {
    journal_.add("signal " + std::to_string(number));
    if (!alive_) {
        journal_.breach("a signal to an app that is not there");
    }
}

void FakeGuardian::close(std::function<void()> gone) {
    journal_.add("close guardian");
    if (closed_) {
        journal_.breach("close twice");
    }
    closed_ = true;
    scheduler_.arm(scheduler_.now() + close_takes, std::move(gone));
}

void FakeGuardian::started(std::int32_t pid) {
    pid_ = pid;
    spawning_ = false;
    alive_ = true;
    if (events_.started) {
        events_.started(pid);
    }
}

void FakeGuardian::spawn_failed(core::SpawnFailed failed) {
    spawning_ = tree_ = false;
    if (events_.spawn_failed) {
        events_.spawn_failed(std::move(failed));
    }
}

void FakeGuardian::report_exit(core::Exited exited) {
    if (on_exit) {
        on_exit();
    }
    alive_ = false;
    pid_ = 0;
    if (events_.exited) {
        events_.exited(std::move(exited));
    }
}

void FakeGuardian::empty() {
    tree_ = false;
    if (events_.empty) {
        events_.empty();
    }
}

// ---- FakePort

core::Status FakePort::attempt(const char* verb, std::uint16_t port) {
    journal_.add(std::string(verb) + " " + std::to_string(port));
    if (const auto found = in_use.find(port); found != in_use.end()) {
        return core::Error{found->second, 98};
    }
    return core::Nothing{};
}

core::Status FakePort::take(const std::string&, std::uint16_t port) {
    if (held_ != 0) {
        journal_.breach("take while a port is held");
    }
    auto status = attempt("take", port);
    if (status) {
        held_ = port;
    }
    return status;
}

core::Status FakePort::test(const std::string&, std::uint16_t port) {
    return attempt("test", port);
}

int FakePort::listener() {
    journal_.add("listener");
    answering_ = false;  // As the real one: two acceptors would split the traffic.
    return held_ != 0 && !closed_ ? kListener : -1;
}

void FakePort::answer(const PortAnswer& answer) {
    journal_.add("answer " + answer.state);
    if (held_ == 0 || closed_) {
        journal_.breach("answer without a held port");
    }
    answering_ = true;
    last_answer_ = answer;
}

void FakePort::stop_answering() {
    journal_.add("stop answering");
    answering_ = false;
}

void FakePort::close(const PortAnswer& answer) {
    journal_.add("close port");
    if (closed_) {
        journal_.breach("port closed twice");
    }
    last_answer_ = answer;
    closed_ = true;
    answering_ = false;
}

std::string FakePort::stranger_on(std::uint16_t, std::int32_t) {
    journal_.add("stranger?");
    return stranger;
}

// ---- FakeStrategies

void FakeStrategies::later(Duration takes, std::function<void()> task) {
    if (takes == Duration{}) {
        scheduler_.post(std::move(task));
    } else {
        scheduler_.arm(scheduler_.now() + takes, std::move(task));
    }
}

void FakeStrategies::propose_ports(const core::PortQuestion& question,
                                   std::function<void(core::PortProposal)> answer) {
    journal_.add("ask port " + std::to_string(question.attempt));
    port_questions.push_back(question);
    if (hold_proposals) {
        held_proposal_ = std::move(answer);
        return;
    }
    core::PortProposal proposal{{}, "fake_port"};
    Duration takes = answer_takes;
    if (on_propose) {
        std::tie(proposal, takes) = on_propose(question);
    } else if (!proposals.empty()) {
        proposal = std::move(proposals.front());
        proposals.pop_front();
    } else {
        for (unsigned port = question.first;
             port <= question.last && proposal.candidates.size() < proposal_size; ++port) {
            const auto candidate = static_cast<std::uint16_t>(port);
            if (!std::binary_search(question.excluded.begin(), question.excluded.end(),
                                    candidate)) {
                proposal.candidates.push_back(candidate);
            }
        }
    }
    later(takes,
          [answer = std::move(answer), proposal = std::move(proposal)] { answer(proposal); });
}

void FakeStrategies::decide_restart(const core::RestartQuestion& question,
                                    std::function<void(core::RestartAnswer)> answer) {
    journal_.add("ask restart");
    restart_questions.push_back(question);
    if (hold_decisions) {
        held_decision_ = std::move(answer);
        return;
    }
    auto decision = default_decision;
    Duration takes = answer_takes;
    if (on_decide) {
        std::tie(decision, takes) = on_decide(question);
    } else if (!decisions.empty()) {
        decision = decisions.front();
        decisions.pop_front();
    }
    later(takes, [answer = std::move(answer), decision] { answer(decision); });
}

void FakeStrategies::probe(const core::ProbeQuestion& question,
                           std::function<void(core::ProbeAnswer)> answer) {
    journal_.add("probe " + std::to_string(question.attempt));
    if (probe_answer_) {
        journal_.breach("a probe while one is in flight");
    }
    probe_questions.push_back(question);
    probe_answer_ = std::move(answer);
    if (on_probe) {
        on_probe(question);
    }
}

void FakeStrategies::cancel_probe() {
    journal_.add("cancel probe");
    if (probe_answer_) {
        answer_probe(Verdict::kUnknown, "cancelled");
    }
}

void FakeStrategies::answer_probe(Verdict verdict, std::string detail, std::string instance_id,
                                  bool timed_out) {
    auto answer = std::move(probe_answer_);
    probe_answer_ = nullptr;
    scheduler_.post(
        [this, answer = std::move(answer),
         reply = core::ProbeAnswer{verdict, std::move(detail), std::move(instance_id), timed_out}] {
            if (on_answered) {
                on_answered(reply);
            }
            answer(reply);
        });
}

void FakeStrategies::release_decision(core::RestartAnswer answer) {
    const auto held = std::move(held_decision_);
    held_decision_ = nullptr;
    held(std::move(answer));
}

void FakeStrategies::release_proposal(core::PortProposal answer) {
    const auto held = std::move(held_proposal_);
    held_proposal_ = nullptr;
    held(std::move(answer));
}

void FakeStrategies::sample(const core::MetricsQuestion& question,
                            std::function<void(std::vector<core::Metric>)> answer) {
    journal_.add("sample");
    metrics_questions.push_back(question);
    std::vector<core::Metric> metrics;
    if (!samples.empty()) {
        metrics = std::move(samples.front());
        samples.pop_front();
    }
    later([answer = std::move(answer), metrics = std::move(metrics)] { answer(metrics); });
}

// ---- FakeOutput, FakeOs

core::Result<core::OutputCapture::Pipes> FakeOutput::open(std::uint64_t generation) {
    journal_.add("open output " + std::to_string(generation));
    if (open_error) {
        return *open_error;
    }
    return Pipes{};
}

void FakeOutput::last_lines(std::uint64_t generation, std::function<void(core::LastLines)> answer) {
    journal_.add("last line " + std::to_string(generation));
    const auto found = lines.find(generation);
    const std::string line = found == lines.end() ? std::string() : found->second;
    if (line_takes == core::Duration::zero()) {
        answer({line, line});
        return;
    }
    ++reading_;
    scheduler_.arm(scheduler_.now() + line_takes, [this, answer = std::move(answer), line] {
        --reading_;
        answer({line, line});
    });
}

void FakeOutput::await_line(std::uint64_t generation, const std::string& mark, core::Duration limit,
                            std::function<void(bool)> answer) {
    journal_.add("await " + mark + " of " + std::to_string(generation));
    const bool comes = dump_takes && *dump_takes <= limit;
    scheduler_.arm(scheduler_.now() + (comes ? *dump_takes : limit),
                   [comes, answer = std::move(answer)] { answer(comes); });
}

core::AppLook FakeOs::look(const core::LookQuestion& question) {
    core::AppLook look;
    if (!unreadable.empty()) {
        look.unreadable = unreadable;
        return look;
    }
    look.state = frozen.count(question.app_pid) == 0 ? 'S' : tracer.empty() ? 'T' : 't';
    look.tracer = look.state == 't' ? tracer : "";
    const auto busy = busy_since_ ? scheduler_.now() - *busy_since_ : core::Duration{};
    look.processes[question.app_pid].used = used_ + busy;
    look.queued = queued;
    return look;
}

void FakeOs::set_busy(bool busy) {
    if (busy == busy_since_.has_value()) {
        return;
    }
    if (busy) {
        busy_since_ = scheduler_.now();
    } else {
        used_ += scheduler_.now() - *busy_since_;
        busy_since_.reset();
    }
}

core::WallTime FakeOs::wall() {
    constexpr auto kEpoch = std::chrono::microseconds(1'764'000'000'000'000);
    const auto since = scheduler_.now().time_since_epoch() + slept_ + wall_jump;
    return core::WallTime(kEpoch + std::chrono::duration_cast<std::chrono::microseconds>(since));
}

void FakeOs::watch_folder(const std::string& folder, std::function<void(std::string)> changed) {
    journal_.add("watch " + (folder.empty() ? std::string("nothing") : folder));
    changed_ = folder.empty() ? nullptr : std::move(changed);
}

// ---- FakeWorld

FakeWorld::FakeWorld() = default;

core::ServiceParts FakeWorld::parts() {
    return {scheduler, guardian, port, strategies, output, os, [this](core::Event event) {
                events.push_back(std::move(event));
                if (on_event) {
                    on_event(events.back());
                }
            }};
}

std::vector<core::Event> FakeWorld::named(core::EventName name) const {
    std::vector<core::Event> found;
    std::copy_if(events.begin(), events.end(), std::back_inserter(found),
                 [name](const core::Event& event) { return event.name == name; });
    return found;
}

void FakeWorld::after(Duration by, std::function<void()> task) {
    scheduler.arm(scheduler.now() + by, [this, instance = instance_, task = std::move(task)] {
        if (instance == instance_) {
            task();
        }
    });
}

void FakeWorld::play(AppPlan plan) {
    plan_ = std::move(plan);
    guardian.on_spawn = [this](const core::SpawnRequest& request) { begin(request); };
    guardian.on_terminate = [this] { terminated(); };
    guardian.on_kill = [this] { killed(); };
    strategies.on_probe = [this](const core::ProbeQuestion& question) { answer(question); };
}

void FakeWorld::begin(const core::SpawnRequest& request) {
    ++instance_;
    os.set_busy(false);
    ended_ = frozen_ = term_pending_ = kill_ordered_ = false;
    current_ = plan_;
    if (!plans.empty()) {
        current_ = std::move(plans.front());
        plans.pop_front();
    }
    output.lines[request.generation] = current_.last_line;
    if (current_.spawn_error) {
        after(current_.exec_takes, [this] { guardian.spawn_failed(*current_.spawn_error); });
        return;
    }
    after(current_.exec_takes, [this] {
        healthy_at_ = scheduler.now() + current_.healthy_after.value_or(Duration{});
        if (current_.ends_after) {
            after(*current_.ends_after, [this] {
                end({current_.ends_by_signal, current_.end_code, {}, {}});
            });
        }
        const auto instance = instance_;
        guardian.started();
        if (instance == instance_ && kill_ordered_) {
            killed();
        }
    });
}

void FakeWorld::terminated() {
    if (guardian.spawning()) {
        after(current_.exec_takes, [this] { terminated(); });  // Orders are obeyed in their order.
    } else if (frozen_) {
        term_pending_ = true;
    } else if (guardian.alive() && current_.term_takes && !ignores_term) {
        after(*current_.term_takes, [this] {
            if (frozen_) {
                term_pending_ = true;
            } else {
                end({false, 0, {}, {}});
            }
        });
    }
}

void FakeWorld::killed() {
    kill_ordered_ = true;
    if (!current_.kill_takes || guardian.spawning()) {
        return;  // release() or the app's start goes on from there.
    }
    after(*current_.kill_takes, [this] {
        const auto instance = instance_;
        if (!ended_) {
            ended_ = true;
            report_end({true, SIGKILL, {}, {}});
        }
        // An end that has not been reported yet is reported with the empty tree after it.
        if (instance == instance_ && guardian.tree() && !guardian.alive()) {
            guardian.empty();
        }
    });
}

// The app's own end; the rest of the tree goes with it unless it has left children behind.
void FakeWorld::end(core::Exited exited) {
    if (!guardian.alive() || ended_) {
        return;
    }
    ended_ = true;
    if (current_.report_takes == Duration{}) {
        report_end(std::move(exited));
        return;
    }
    os.frozen.insert(guardian.pid());  // A zombie.
    after(current_.report_takes, [this, exited] { report_end(exited); });
}

void FakeWorld::report_end(core::Exited exited) {
    if (!guardian.alive()) {
        return;
    }
    const auto instance = instance_;
    const bool by_order = exited.signaled && exited.code == SIGKILL && kill_ordered_;
    os.frozen.insert(guardian.pid());
    guardian.report_exit(std::move(exited));
    if (instance != instance_ || !guardian.tree()) {
        return;
    }
    if (by_order || !current_.leaves_children) {
        guardian.empty();
    } else if (kill_ordered_) {
        killed();
    }
}

void FakeWorld::freeze() {
    if (guardian.alive() && !ended_) {
        frozen_ = true;
        os.frozen.insert(guardian.pid());
    }
}

void FakeWorld::thaw() {
    if (!frozen_) {
        return;
    }
    frozen_ = false;
    if (!ended_) {
        os.frozen.erase(guardian.pid());
    }
    if (term_pending_) {
        term_pending_ = false;
        terminated();
    }
}

void FakeWorld::release() {
    if (!current_.kill_takes) {
        current_.kill_takes = std::chrono::milliseconds(1);
        if (kill_ordered_ && guardian.tree()) {
            killed();
        }
    }
}

void FakeWorld::guardian_dies() {
    if (!guardian.tree()) {
        return;  // The next spawn starts another one.
    }
    ++instance_;  // Whatever it was about to do or say.
    kill_ordered_ = true;
    if (!current_.kill_takes) {
        // A part of the tree is in a system call that does not end; release() goes on from there.
        if (guardian.spawning()) {
            current_.kill_takes = std::chrono::milliseconds(1);
        } else {
            ended_ = ended_ && !guardian.alive();
            return;
        }
    }
    const bool starting = guardian.spawning();
    after(*current_.kill_takes, [this, starting] { sweep(starting); });
}

// What the supervisor learns when it has emptied the tree itself.
void FakeWorld::sweep(bool starting) {
    if (starting) {
        guardian.spawn_failed(
            {"the guardian was killed while the app was being started", 0, /*retryable=*/true});
        return;
    }
    const auto instance = instance_;
    ended_ = true;
    if (guardian.alive()) {
        os.frozen.insert(guardian.pid());
        guardian.report_exit({true, SIGKILL, {}, "the guardian was killed"});
    }
    if (instance == instance_ && guardian.tree()) {
        guardian.empty();
    }
}

void FakeWorld::answer(const core::ProbeQuestion& question) {
    Health says;
    bool in_time = false;
    bool timed_out = false;
    auto at = question.deadline;
    if (health && health->takes) {
        says = *health;
        at = scheduler.now() + *health->takes;
        in_time = at <= question.deadline && !frozen_ && !hangs && !os.busy_since();
    } else if (!health && current_.healthy_after) {
        at = std::max(scheduler.now() + std::chrono::milliseconds(1), healthy_at_);
        in_time = healthy_at_ <= question.deadline && !frozen_ && !hangs && !os.busy_since();
    }
    if (!in_time && health && health->verdict == Verdict::kUnknown) {
        says = *health;
        at = question.deadline + std::chrono::milliseconds(100);
    } else if (!in_time) {
        says = {Verdict::kUnhealthy, "GET /health: no answer in time", {}, false};
        timed_out = true;
        at = question.deadline;
    }
    // Not after(): the strategy answers whatever becomes of the instance.
    const auto attempt = strategies.probe_questions.size();
    const auto in_flight = [this, attempt] {  // Not cancelled, and no other asked since.
        return attempt == strategies.probe_questions.size() && strategies.probing();
    };
    scheduler.arm(at, [this, in_flight, says, timed_out] {
        if (!in_flight()) {
            return;
        }
        const auto& asked = strategies.probe_questions.back();
        if ((frozen_ || os.busy_since() || !guardian.alive()) &&
            says.verdict == Verdict::kHealthy) {
            // Stopped or gone in the meantime: the deadline answers.
            scheduler.arm(std::max(asked.deadline, scheduler.now()), [this, in_flight] {
                if (in_flight()) {
                    strategies.answer_probe(Verdict::kUnhealthy, "GET /health: no answer in time",
                                            {}, /*timed_out=*/true);
                }
            });
            return;
        }
        strategies.answer_probe(says.verdict, says.detail,
                                says.foreign ? "another" : asked.instance_id, timed_out);
    });
}

}  // namespace steward::simulation
