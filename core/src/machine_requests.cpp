// The state machine: what people and clients ask for, and timers.
#include "machine_step.hpp"
#include "steward/restart.h"

namespace steward::core {
namespace {

// A start-up timer that comes later than this says more of the machine (it was asleep or stalled)
// than of the app.
constexpr Duration kLateWake = std::chrono::seconds(1);

}  // namespace

void Stepper::on(const StartRequested& in) {
    if (s_.exiting || alive()) {
        return;
    }
    if (s_.state == State::kDeciding && s_.question == Question::kPort) {
        return;
    }
    if (in.origin != Origin::kClient) {
        remember(STEWARD_EV_MANUAL_START, 0);
        s_.degraded_retry = {};
    }
    if (!s_.tree) {
        begin_start(in.origin, in.reason);
        return;
    }
    if (s_.state == State::kDeciding) {
        ++s_.epoch;
        enter(State::kStopping, s_.cause);
    }
    s_.after = After::kStart;
    s_.after_origin = in.origin;
    s_.after_cause = in.reason;
}

void Stepper::on(const RestartRequested& in) {
    if (s_.exiting) {
        return;
    }
    if (!alive()) {
        on(StartRequested{in.reason, Origin::kRequest});
        return;
    }
    remember(STEWARD_EV_MANUAL_START, 0);
    s_.degraded_retry = {};
    emit(EventName::kServiceStop, Severity::kInfo, in.reason);
    take_down(State::kStopping, After::kStart, in.reason);
    s_.after_origin = Origin::kRequest;
}

void Stepper::on(const StopRequested& in) {
    if (s_.exiting || s_.state == State::kStopped) {
        return;
    }
    const bool again = taking_down() && s_.after == After::kStopped;
    if (!again) {
        remember(STEWARD_EV_MANUAL_STOP, 0);
        emit(EventName::kServiceStop, Severity::kInfo, in.reason);
    }
    if (!s_.tree) {
        ++s_.epoch;
        disarm_all();
        enter(State::kStopped, in.reason);
        emit(EventName::kServiceStopped, Severity::kInfo, in.reason);
        return;
    }
    if (alive()) {
        take_down(State::kStopping, After::kStopped, in.reason);
        return;
    }
    // It is being taken down already; only what follows changes.
    ++s_.epoch;
    if (s_.state != State::kUnkillable) {
        enter(State::kStopping, in.reason);
    }
    s_.after = After::kStopped;
    s_.after_cause = in.reason;
}

void Stepper::on(const ExitRequested& in) {
    if (s_.finished) {
        return;
    }
    const bool first = !s_.exiting;
    s_.exiting = true;
    if (!s_.tree) {
        if (first) {
            ++s_.epoch;
            disarm_all();
            if (s_.state != State::kStopped) {
                emit(EventName::kServiceStop, Severity::kInfo, in.reason);
            }
            s_.after_cause = in.reason;
            finish();
        }
        return;
    }
    if (first) {
        emit(EventName::kServiceStop, Severity::kInfo, in.reason);
        if (alive()) {
            take_down(State::kStopping, After::kFinish, in.reason);
        } else {
            const bool unkillable = s_.state == State::kUnkillable;
            const bool termed = s_.pid != 0 && !unkillable;
            ++s_.epoch;
            disarm_all();
            if (!unkillable) {
                enter(State::kStopping, in.reason);
            }
            s_.after = After::kFinish;
            s_.after_cause = in.reason;
            if (s_.dumping) {
                s_.dumping = false;
                act(Terminate{});
            }
            if (termed) {
                act(Arm{TimerName::kShutdown, now_ + c_.exit_timeout});
            } else {
                kill_rest();
            }
        }
    }
    if (in.at_once) {
        kill_rest();
    }
}

void Stepper::finish() {
    const bool was_stopped = s_.state == State::kStopped;
    enter(State::kStopped, s_.after_cause);
    if (!was_stopped) {
        emit(EventName::kServiceStopped, Severity::kInfo, s_.cause);
    }
    say_finished({});
}

void Stepper::say_finished(std::string left) {
    if (!s_.finished) {
        s_.finished = true;
        act(Finish{std::move(left)});
    }
}

void Stepper::on(const FilesChanged& in) {
    if (s_.state == State::kMisconfigured || s_.state == State::kDegraded) {
        on(StartRequested{in.what, Origin::kFilesChanged});
    }
}

// ---- timers

void Stepper::on(const TimerFired& in) {
    switch (in.timer) {
        case TimerName::kStartup:
            if (s_.state != State::kStarting) {
                break;
            }
            if (now_ - (s_.startup_by + kStartupGrace) > kLateWake) {
                extend_startup();
            } else {
                end_of_startup();
            }
            break;
        case TimerName::kProbe:
            if (alive() && !s_.probing && s_.pid != 0) {
                probe();
            }
            break;
        case TimerName::kBackoff:
            if (s_.state == State::kBackingOff) {
                begin_start(Origin::kAutomatic, "restarted after: " + s_.after_cause);
            }
            break;
        case TimerName::kDegraded:
            if (s_.state == State::kDegraded) {
                begin_start(Origin::kHalfOpen, "one try after: " + s_.cause);
            }
            break;
        case TimerName::kShutdown:
            if (s_.dumping) {
                end_dump("it wrote no stack dump");
            } else if (taking_down() && s_.state != State::kUnkillable) {
                kill_rest();
            }
            break;
        case TimerName::kKill:
            if (!s_.tree || alive()) {
                break;
            }
            if (s_.state == State::kDeciding) {
                ++s_.epoch;
                s_.after = After::kDecide;
            }
            enter(State::kUnkillable,
                  "still there " +
                      duration_text(s_.exiting ? c_.exit_kill_timeout : c_.kill_timeout) +
                      " after SIGKILL");
            emit(EventName::kServiceUnkillable, Severity::kError, s_.cause);
            if (s_.exiting) {
                say_finished(s_.cause);
            }
            break;
    }
}

}  // namespace steward::core
