// What two looks at an app that does not answer are taken for.
#include "steward/core/app_activity.hpp"

#include "catch.hpp"

namespace steward::tests {
namespace {

using namespace std::chrono_literals;
using namespace core;

AppLook look_at(Duration at, std::map<std::int32_t, AppLook::Times> processes,
                std::optional<std::uint32_t> queued = 0) {
    AppLook look;
    look.at = TimePoint{} + at;
    look.state = 'S';
    look.processes = std::move(processes);
    look.queued = queued;
    return look;
}

}  // namespace

TEST_CASE("a tree that uses half a core or more is busy", "[activity]") {
    const auto before = look_at(10s, {{100, {5s, 0s}}});
    const auto busy = weigh(before, look_at(25s, {{100, {19550ms, 0s}}}, 3));
    CHECK(busy.condition == Condition::kBusy);
    CHECK(busy.excuses());
    CHECK(busy.text == "busy: used 97 % of a core over the last 15.0 s, 3 connections wait");

    const auto almost = weigh(before, look_at(25s, {{100, {12400ms, 0s}}}, 1));
    CHECK(almost.condition == Condition::kHung);
    CHECK_FALSE(almost.excuses());
    CHECK(almost.text == "hung: used 49 % of a core over the last 15.0 s, 1 connection waits");
}

TEST_CASE("what descendants use counts, also of one that is new and one that is gone",
          "[activity]") {
    const auto before = look_at(0s, {{100, {1s, 0s}}, {101, {9s, 0s}}});
    CHECK(weigh(before, look_at(10s, {{100, {1s, 0s}}, {102, {8s, 0s}}})).condition ==
          Condition::kBusy);
    // The ended one is in its parent's account, or nowhere.
    CHECK(weigh(before, look_at(10s, {{100, {1s, 0s, 15s}}})).text ==
          "busy: used 60 % of a core over the last 10.0 s, no connection waits");
    CHECK(weigh(before, look_at(10s, {{100, {1s, 0s}}})).condition == Condition::kHung);
}

TEST_CASE("what an ended process had used before the looks is not used between them",
          "[activity]") {
    // A worker with an hour and its helper, which it reaps before it is killed.
    const auto before =
        look_at(0s, {{100, {1s, 0s, 2s}}, {101, {3600s, 0s, 5s}}, {102, {60s, 0s}}});
    const auto killed = look_at(5s, {{100, {1s, 0s, 3667s}}});
    CHECK(weigh(before, killed).text ==
          "hung: used 0 % of a core over the last 5.0 s, no connection waits");
    const auto busy = look_at(5s, {{100, {1s, 0s, 3670s}}});
    CHECK(weigh(before, busy).text ==
          "busy: used 60 % of a core over the last 5.0 s, no connection waits");
    // Nobody is charged where SIGCHLD is ignored: nothing is taken off what others used.
    const auto ignored = look_at(5s, {{100, {5s, 0s, 2s}}});
    CHECK(weigh(before, ignored).text ==
          "busy: used 80 % of a core over the last 5.0 s, no connection waits");
}

TEST_CASE("of a tree that is too large to be looked at as a whole, what was seen twice counts",
          "[activity]") {
    auto before = look_at(0s, {{100, {1s, 0s}}, {101, {9s, std::nullopt}}});
    auto now = look_at(10s, {{100, {1s, 0s, 500s}}, {101, {9s, 400s}}, {102, {300s, 200s}}});
    const bool first = GENERATE(true, false);
    (first ? before : now).truncated = true;
    // Neither one that had been left out, nor what it was charged for, nor threads left out.
    const auto evidence = weigh(before, now);
    CHECK(evidence.condition == Condition::kUnknown);
    CHECK_FALSE(evidence.excuses());
    CHECK(evidence.text ==
          "busy or hung cannot be told: the app has more processes or threads than are looked at; "
          "these used 0 % of a core over the last 10.0 s, no connection waits");
    now.processes[100].used = 8s;
    CHECK(weigh(before, now).text ==
          "busy: used 70 % of a core over the last 10.0 s, no connection waits");
}

TEST_CASE("waiting for a processor is no fault of the app", "[activity]") {
    const auto before = look_at(0s, {{100, {0s, 0s}}});
    const auto crowded = weigh(before, look_at(2s, {{100, {300ms, 1600ms}}}, std::nullopt));
    CHECK(crowded.condition == Condition::kBusy);
    CHECK(crowded.text == "busy: used 15 % of a core and waited 80 % for one over the last 2.0 s");
}

TEST_CASE("an app that takes connections it had left waiting is busy", "[activity]") {
    const auto before = look_at(0s, {{100, {}}}, 4);
    const auto slow = weigh(before, look_at(200ms, {{100, {}}}, 2));
    CHECK(slow.condition == Condition::kBusy);
    CHECK(slow.text ==
          "busy: used 0 % of a core over the last 200 ms, took waiting connections, 2 connections "
          "wait");
    CHECK(weigh(before, look_at(1s, {{100, {}}}, 4)).condition == Condition::kHung);
    CHECK(weigh(before, look_at(1s, {{100, {}}}, std::nullopt)).condition == Condition::kHung);
    // One that accepts at once and never answers: nothing was left waiting.
    CHECK(weigh(look_at(0s, {{100, {}}}, 0), look_at(1s, {{100, {}}}, 0)).condition ==
          Condition::kHung);
}

TEST_CASE("stopped, traced, dead and hidden are told by the last look alone", "[activity]") {
    const auto before = look_at(0s, {{100, {}}});
    auto now = look_at(5s, {{100, {5s, 0s}}});
    now.state = 'T';
    CHECK(weigh(before, now).condition == Condition::kStopped);
    CHECK_FALSE(weigh(before, now).excuses());
    CHECK(weigh(before, now).text == "stopped: by a signal (SIGSTOP or like it)");
    now.state = 't';
    now.tracer = "4242 (gdb)";
    CHECK(weigh({}, now).condition == Condition::kTraced);
    CHECK(weigh(before, now).excuses());
    CHECK(weigh(before, now).text == "traced: stopped by 4242 (gdb)");
    now.state = 'Z';
    CHECK(weigh(before, now).condition == Condition::kDead);
    AppLook gone;
    gone.gone = true;
    CHECK(weigh(before, gone).condition == Condition::kDead);
    AppLook hidden;
    hidden.unreadable = "/proc/100/stat cannot be read: Permission denied";
    CHECK(weigh(before, hidden).condition == Condition::kUnknown);
    CHECK_FALSE(weigh(before, hidden).excuses());
    CHECK(weigh(before, hidden).text ==
          "busy or hung cannot be told: /proc/100/stat cannot be read: Permission denied");
    CHECK(weigh(hidden, before).condition == Condition::kUnknown);
    CHECK(weigh({}, before).condition == Condition::kUnknown);
}

TEST_CASE("a hung app that waits in the kernel is told so", "[activity]") {
    auto now = look_at(5s, {{100, {}}});
    now.state = 'D';
    CHECK(weigh(look_at(0s, {{100, {}}}), now).text ==
          "hung: used 0 % of a core over the last 5.0 s, no connection waits, waits in the kernel "
          "and cannot be interrupted (state D)");
}

}  // namespace steward::tests
