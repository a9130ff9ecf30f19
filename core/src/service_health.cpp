// The service: what it asks of the app's health, and what it makes of the answers.
#include <new>

#include "steward/core/service.hpp"

namespace steward::core {
namespace {

constexpr Duration kSleepJump = std::chrono::seconds(1);
constexpr Duration kLateWake = std::chrono::seconds(1);

}  // namespace

void Service::perform_probe(const StartProbe& action) {
    ProbeQuestion question;
    question.pid = state_.pid;
    question.deadline = action.deadline;
    question.address = config_.address;
    question.port = state_.port;
    question.attempt = action.attempt;
    question.instance_id = instance_id_;
    parts_.guardian.check();
    const Duration slept = parts_.os.slept();
    if (action.attempt == 1 || (state_.state == State::kRunning && state_.failures == 0)) {
        last_look_ = look();
    }
    parts_.strategies.probe(question,
                            [this, action, slept, alive = alive_](const ProbeAnswer& answer) {
                                if (!*alive) {
                                    return;
                                }
                                try {
                                    judge_probe(action, slept, answer);
                                } catch (const std::bad_alloc&) {
                                    feed(ProbeResult{action.epoch, answer.verdict, {}, {}});
                                }
                            });
}

// An answer counts only from our own tree, and a failure only when the machine was awake.
void Service::judge_probe(const StartProbe& action, Duration slept_before,
                          const ProbeAnswer& answer) {
    if (!state_.probing || action.epoch != state_.epoch) {
        return;
    }
    Verdict verdict = answer.verdict;
    std::string detail = answer.detail;
    Evidence evidence;
    if (verdict == Verdict::kUnhealthy) {
        const bool slept = parts_.os.slept() - slept_before > kSleepJump;
        const bool late = parts_.scheduler.now() - action.deadline > kLateWake;
        if (slept || late) {
            feed(ProbeVoided{action.epoch});
            return;
        }
        if (answer.timed_out) {
            AppLook now = look();
            evidence = weigh(last_look_, now);
            if (state_.state == State::kRunning) {
                last_look_ = std::move(now);
            }
        }
    }
    const bool ours =
        (config_.machine.port_mode == PortMode::kHandOver && !parts_.port.shareable()) ||
        answer.instance_id == instance_id_;
    if (verdict == Verdict::kHealthy && !ours) {
        if (const auto stranger =
                parts_.port.stranger_on(state_.port, parts_.guardian.guardian_pid());
            !stranger.empty()) {
            verdict = Verdict::kUnhealthy;
            detail = "port " + std::to_string(state_.port) + " is answered by " + stranger +
                     ", not by this app (" + detail + ")";
        }
    }
    const bool start_up_ends =
        state_.state == State::kStarting && parts_.scheduler.now() >= state_.startup_by;
    if (answer.timed_out && start_up_ends) {
        detail += not_taken();
    }
    feed(ProbeResult{action.epoch, verdict, std::move(detail), std::move(evidence)});
}

AppLook Service::look() {
    AppLook look =
        parts_.os.look({state_.pid, parts_.guardian.guardian_pid(), config_.address, state_.port});
    look.at = parts_.scheduler.now();
    return look;
}

void Service::perform_dump(const DumpStack& action) {
    // Awaited first: it may be written before the signal call returns.
    parts_.output.await_line(action.generation, config_.stack_dump.mark, kDumpTime,
                             [this, generation = action.generation, alive = alive_](bool came) {
                                 if (*alive) {
                                     feed(DumpEnded{generation, came});
                                 }
                             });
    parts_.guardian.signal_app(config_.stack_dump.signal);
}

}  // namespace steward::core
