// The policy as a table of histories; no process, no waiting.
#include "policy.hpp"

#include <cstdio>
#include <vector>

namespace {

int failures = 0;

void expect(const char* what, bool ok) {
    if (!ok) {
        std::printf("not so: %s\n", what);
        ++failures;
    }
}

constexpr steward_event kCrash{STEWARD_EV_EXIT, 1, 0, 0, 0};
constexpr steward_event kDone{STEWARD_EV_EXIT, 0, 0, 0, 0};
constexpr steward_event kCrashAfterAMinute{STEWARD_EV_EXIT, 1, 0, 0, 60'000'000'000};
constexpr steward_event kStop{STEWARD_EV_MANUAL_STOP, 0, 0, 0, 0};
constexpr steward_event kStart{STEWARD_EV_MANUAL_START, 0, 0, 0, 0};

policy::sdk::RestartDecision after(const std::vector<steward_event>& history,
                                   std::uint64_t entropy = 0) {
    policy::sdk::RestartQuestion question;
    question.events = history;
    question.entropy = entropy;
    return policy::decide(policy::Settings{}, question);
}

}  // namespace

int main() {
    using std::chrono::milliseconds;
    expect(
        "the first failure is answered by a restart after one step",
        after({kCrash}).action == STEWARD_RESTART && after({kCrash}).delay == milliseconds(1000));
    expect("each further one after a step more",
           after({kCrash, kCrash}).delay == milliseconds(2000));
    expect("chance adds less than a step",
           after({kCrash}, 999).delay > milliseconds(1000) &&
               after({kCrash}, 999).delay < after({kCrash, kCrash}).delay);
    expect("a minute of health begins anew",
           after({kCrash, kCrash, kCrashAfterAMinute}).delay == milliseconds(1000));
    expect("so does a start by hand", after({kCrash, kStart, kCrash}).delay == milliseconds(1000));
    expect("the failure after the tenth restart is given up on",
           after(std::vector<steward_event>(11, kCrash)).action == STEWARD_GIVE_UP);
    expect("an app that is done stays down", after({kDone}).action == STEWARD_STAY_DOWN);
    std::vector<steward_event> crashes_and_done(10, kCrash);
    crashes_and_done.push_back(kDone);
    expect("and so does one that is done after as many failures as are borne",
           after(crashes_and_done).action == STEWARD_STAY_DOWN);
    expect("a stop by hand is never answered by a restart",
           after({kCrash, kStop}).action == STEWARD_STAY_DOWN);
    expect(
        "the reason has the numbers",
        after({kCrash}).why ==
            "exit code 1: restart 1 of 10 in 1000 ms (1000 ms more each time, at most 60000 ms)");
    return failures == 0 ? 0 : 1;
}
