// Nobody reads what the server writes, or everything is asked at once: supervision goes on.
#include <thread>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

// Ends it, and looks at how: 0, in time, and nothing is left.
void check_end(StewardProcess& steward) {
    const auto asked = Clock::now();
    steward.kill(SIGTERM);
    REQUIRE(wait_until([&] { return !steward.lives(); }, Milliseconds(5000)));
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 1000);
    CHECK(wait_until([&] { return steward.left().empty(); }, Milliseconds(1000)));
}

}  // namespace

TEST_CASE("a stderr that nobody reads holds up neither the app nor the log", "[mcp][unread]") {
    const Sandbox sandbox;
    // More than a pipe of the app holds: it only gets on when somebody drains it.
    auto start = with_app({"--stdout-bytes", "3000000", "--stdout-line", "the last line"});
    start.unread = {2};
    start.args = {"--set", "restart_backoff.base_ms=10"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto first = steward.wait_state("running");
    for (int generation = 1; generation <= 3; ++generation) {
        const auto pid = number_at(steward.status(), "pid");
        REQUIRE(::kill(static_cast<pid_t>(pid), SIGKILL) == 0);
        const auto next = steward.wait_status([generation](const Json& status) {
            return text_at(status, "state") == "running" &&
                   number_at(status, "generation") == generation + 1;
        });
        CHECK(text_at(next, "log_file") == text_at(first, "log_file"));
        CHECK(number_at(next, "last_exit.signal") == SIGKILL);
        sandbox.wait_event("service.exit", kPatience, 0, [generation](const Json& event) {
            return number_at(event, "generation") == generation;
        });
        CHECK(wait_until([&] {
            const auto lines = steward.tool("flask_logs")->getObject("structuredContent");
            const auto last = lines->getArray("lines");
            return last->size() > 0 &&
                   text_at(last->getObject(static_cast<unsigned>(last->size() - 1)), "text") ==
                       "the last line" &&
                   number_at(last->getObject(static_cast<unsigned>(last->size() - 1)),
                             "generation") == generation + 1;
        }));
    }
    if (GENERATE(false, true)) {
        steward.read_again(2);  // and what was kept comes
        CHECK(wait_until([&] {
            steward.pump();
            return steward.error_output().find("service.exit") != std::string::npos;
        }));
    }
    check_end(steward);
}

TEST_CASE("calls beyond what the server takes at once wait in the pipe", "[mcp][unread]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.initialize();
    steward.wait_state("running");
    constexpr int kCalls = 12'000;
    std::string lines;
    for (int i = 0; i < kCalls; ++i) {
        lines +=
            steward.request_text(100'000 + i, "tools/call", R"({"name":"flask_status"})") + "\n";
    }
    const auto before = steward.lines().size();
    // As a client does that reads while it writes.
    std::thread writer([&] { steward.send_raw(lines); });
    const bool answered = wait_until([&] {
        steward.pump();
        return steward.lines().size() >= before + kCalls;
    });
    if (!answered) {
        steward.kill(SIGKILL);  // or the writer would wait for ever
    }
    writer.join();
    REQUIRE(answered);
    std::size_t errors = 0;
    for (const auto& line : steward.lines()) {
        errors += line.find(R"("error")") != std::string::npos ? 1 : 0;
    }
    CHECK(errors == 0);
    CHECK(steward.lines().size() == before + kCalls);
    CHECK(steward.call("ping")->has("result"));
}
