// What of a change is news to a client.
#include "action_progress.hpp"
#include "catch.hpp"
#include "mcp_updates.hpp"
#include "prompt_completion.hpp"
#include "prompt_resources.hpp"

using namespace steward;
using namespace steward::host;
using core::EventName;
using core::State;
using Texts = std::vector<std::string>;

namespace {

core::ServiceStatus running() {
    core::ServiceStatus status;
    status.service = "promptbin";
    status.state = State::kRunning;
    status.healthy = true;
    status.pid = 7;
    status.url = "http://127.0.0.1:5000";
    status.cause = "healthy";
    status.generation = 1;
    status.uptime_s = 1;
    return status;
}

std::string text(EventName name, State state, const std::string& cause = "because") {
    core::Event event;
    event.name = name;
    event.cause = cause;
    auto status = running();
    status.state = state;
    return progress_text(event, status, Words("promptbin"));
}

}  // namespace

TEST_CASE("what grows by itself is no change of the status", "[updates]") {
    const auto before = running();
    auto now = before;
    now.uptime_s = 2;
    now.metrics["cpu_percent"] = 3;
    CHECK(is_same_status(before, now));
    now.last_exit = core::ServiceStatus::Exit{true, 9, {}, "killed"};
    CHECK_FALSE(is_same_status(before, now));
    auto later = now;
    CHECK(is_same_status(now, later));
    later.last_exit->at += std::chrono::seconds(1);
    CHECK_FALSE(is_same_status(now, later));
    const auto differs = [&before](const auto& change) {
        auto other = before;
        change(other);
        return !is_same_status(before, other);
    };
    CHECK(differs([](auto& s) { s.state = State::kUnhealthy; }));
    CHECK(differs([](auto& s) { s.healthy = false; }));
    CHECK(differs([](auto& s) { s.cause = "another"; }));
    CHECK(differs([](auto& s) { s.pid = 8; }));
    CHECK(differs([](auto& s) { s.port = 1; }));
    CHECK(differs([](auto& s) { s.restarts = 1; }));
    CHECK(differs([](auto& s) { s.generation = 2; }));
    CHECK(differs([](auto& s) { s.next_restart_ms = 1; }));
    CHECK(differs([](auto& s) { s.plugins["health"] = "other 1"; }));
    CHECK(differs([](auto& s) { s.since += std::chrono::seconds(1); }));
}

TEST_CASE("a change of prompts affects what shows them, however it is written", "[updates]") {
    prompts::Change change;
    change.ids = {"20260101_000000_00000000"};
    change.slugs = {"new-title", "old-title"};
    for (const auto* uri :
         {"promptbin://list-prompts", "promptbin://list-prompts-by-category/coding",
          "promptbin://list-prompts-by-tag/x", "promptbin://get-prompt/20260101_000000_00000000",
          "promptbin://get-prompt/20260101%5F000000_00000000",
          "promptbin://get-prompt-by-name/old-title", "promptbin://get-prompt-by-name/Old%20Title",
          "promptbin://get-prompt-by-name/New title",
          "promptbin://get-prompt-by-name/20260101_000000_00000000"}) {
        CAPTURE(uri);
        CHECK(is_affected(uri, change));
        CHECK(is_about_prompts(uri));
    }
    CHECK_FALSE(is_affected("promptbin://get-prompt/other", change));
    CHECK_FALSE(is_affected("promptbin://get-prompt-by-name/other", change));
    for (const auto* uri : {"promptbin://flask-status", "promptbin://get-prompt/", "x"}) {
        CHECK_FALSE(is_affected(uri, change));
        CHECK_FALSE(is_about_prompts(uri));
    }
}

TEST_CASE("what begins with the typed text comes first", "[completion]") {
    const Texts values{"prereview", "Review", "other", "reVISE"};
    CHECK(matching(values, "re") == Texts{"Review", "reVISE", "prereview"});
    CHECK(matching(values, "REV") == Texts{"Review", "reVISE", "prereview"});
    CHECK(matching(values, "").size() == 4);
    CHECK(matching(values, "x").empty());
    CHECK(matching({"Äpfel"}, "ä") == Texts{"Äpfel"});
}

TEST_CASE("progress tells the steps, and not what the answer tells", "[progress]") {
    CHECK(text(EventName::kServiceStop, State::kStopping) == "stopping the PromptBin web app");
    CHECK(text(EventName::kServiceStart, State::kStarting) == "starting the PromptBin web app");
    CHECK(text(EventName::kServiceStarted, State::kStarting) ==
          "started as process 7; waiting until http://127.0.0.1:5000 is healthy");
    CHECK(text(EventName::kServiceRestartScheduled, State::kBackingOff) == "because");
    CHECK(text(EventName::kServiceStarted, State::kStopping).empty());
    CHECK(text(EventName::kServiceStarted, State::kRunning).empty());
    CHECK(text(EventName::kServiceStop, State::kStopped).empty());
    CHECK(text(EventName::kServiceHealthy, State::kRunning).empty());
    CHECK(text(EventName::kMetrics, State::kStarting).empty());
    CHECK(text(EventName::kServiceExit, State::kStopping).empty());
}
