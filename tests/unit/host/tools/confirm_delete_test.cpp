// How long the person at the client may take; the rest is seen over the real pipe.
#include "confirm_delete.hpp"

#include <map>

#include "catch.hpp"

using namespace steward;
using namespace steward::host;

namespace {

// A server with one tool, which asks, and timers that are run by hand.
class Asking {
  public:
    Asking() {
        prompt->id = "one";
        prompt->title = "One";
        prompt->updated_at = "2026-01-01T00:00:00";
        const Timers by_hand{[this](std::chrono::nanoseconds delay, std::function<void()> task) {
                                 timers[++last_timer] = {delay, std::move(task)};
                                 return last_timer;
                             },
                             [this](std::uint64_t id) { timers.erase(id); }};
        mcp::Tool tool;
        tool.name = "delete";
        tool.handler = [this, by_hand](const CallPtr& call) {
            confirm_delete(call, prompt, by_hand, [this, call](const Confirmation& confirmation) {
                outcomes.push_back(confirmation);
                call->reply(mcp::ToolResult::text("done"));
            });
        };
        server.add_tool(std::move(tool));
        server.receive(
            R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":)"
            R"("2025-11-25","capabilities":{"elicitation":{}},)"
            R"("clientInfo":{"name":"t","version":"1"}}})");
        server.receive(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
        server.receive(
            R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}})");
    }

    struct Timer {
        std::chrono::nanoseconds delay;
        std::function<void()> task;
    };
    std::shared_ptr<prompts::Prompt> prompt = std::make_shared<prompts::Prompt>();
    std::map<std::uint64_t, Timer> timers;
    std::uint64_t last_timer = 0;
    std::vector<std::string> lines;
    std::vector<Confirmation> outcomes;
    mcp::Server server{{"t", "t", "1", ""},
                       {},
                       [this](const std::string& line, mcp::LineKind) { lines.push_back(line); },
                       {}};
};

constexpr const char* kYes =
    R"({"jsonrpc":"2.0","id":"ask-1","result":{"action":"accept","content":{"confirm":true}}})";

}  // namespace

TEST_CASE("a question that is answered has no time limit left", "[confirm]") {
    Asking asking;
    REQUIRE(asking.lines.back().find("elicitation/create") != std::string::npos);
    REQUIRE(asking.timers.size() == 1);
    CHECK(asking.timers.begin()->second.delay == std::chrono::minutes(5));
    asking.server.receive(kYes);
    REQUIRE(asking.outcomes.size() == 1);
    CHECK(asking.outcomes[0].given);
    CHECK(asking.outcomes[0].seen == prompts::version_of(*asking.prompt));
    CHECK(asking.timers.empty());
}

TEST_CASE("a question that nobody answers is a refusal, and is withdrawn", "[confirm]") {
    Asking asking;
    const auto timer = std::move(asking.timers.begin()->second);
    asking.timers.clear();
    timer.task();
    REQUIRE(asking.outcomes.size() == 1);
    CHECK_FALSE(asking.outcomes[0].given);
    CHECK(asking.outcomes[0].why_not == "not answered within 5 minutes");
    std::string all;
    for (const auto& line : asking.lines) {
        all += line + "\n";
    }
    CHECK(all.find(R"("method":"notifications/cancelled","params":{"requestId":"ask-1")") !=
          std::string::npos);
    CHECK(all.find(R"("id":1,"result")") != std::string::npos);
    asking.server.receive(kYes);  // too late
    CHECK(asking.outcomes.size() == 1);
}

TEST_CASE("a call that is taken back leaves no timer", "[confirm]") {
    Asking asking;
    asking.server.receive(
        R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})");
    CHECK(asking.timers.empty());
    asking.server.receive(kYes);
    CHECK(asking.outcomes.empty());
}
