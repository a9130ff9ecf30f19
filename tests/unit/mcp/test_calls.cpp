// The life of a call: answered once, dropped, cancelled, and what happens to its id.
#include <thread>

#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

const std::string kWait = R"({"name":"wait"})";

}  // namespace

TEST_CASE("a call is answered later, and only once", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    CHECK(fixture.send(legacy("1", "tools/call", kWait)).empty());
    CHECK(fixture.server->pending() == 1);
    const auto call = fixture.waiting.at(0);
    CHECK(call->target() == "wait");
    CHECK(call->client().name == "t");
    CHECK_FALSE(call->answered());
    call->reply(ToolResult::text("done"));
    call->reply(ToolResult::text("again"));
    call->fail(kInternalError, "too late");
    CHECK(call->answered());
    REQUIRE(fixture.lines.size() == 1);
    CHECK(fixture.lines.front() ==
          R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}})");
    CHECK(fixture.server->pending() == 0);
}

TEST_CASE("the modern client of a call is the one of its request", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call",
                        R"({"name":"wait","_meta":{)"
                        R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                        R"("io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}})"));
    const auto call = fixture.waiting.at(0);
    CHECK(call->client().revision == Revision::k2026_07_28);
    CHECK(call->client().name.empty());
    CHECK(call->client().capabilities->has("elicitation"));
    call->reply(ToolResult::text("x"));
}

TEST_CASE("a handler that gives no answer, or throws, is answered with -32603", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    for (const auto* tool : {"forget", "throw"}) {
        INFO(tool);
        const auto error =
            fixture.error(legacy("1", "tools/call", R"({"name":")" + std::string(tool) + "\"}"));
        CHECK(error->getValue<int>("code") == kInternalError);
        CHECK(error->getValue<std::string>("message").find("broken") == std::string::npos);
        CHECK(fixture.server->pending() == 0);
    }
    CHECK(fixture.troubles.size() == 2);
    fixture.send(legacy("2", "tools/call", kWait));
    fixture.waiting.clear();
    REQUIRE(fixture.lines.size() == 1);
    CHECK(fixture.lines.front().find("-32603") != std::string::npos);
}

TEST_CASE("an error has the code, message and data of the handler", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kWait));
    fixture.waiting.at(0)->fail(5, "no\nway", parse_object(R"({"a":1})"));
    CHECK(fixture.lines.front() ==
          R"({"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"no\nway","data":{"a":1}}})");
}

TEST_CASE("a cancelled call is never answered", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    for (const std::string& id : {std::string("0"), std::string("\"s\"")}) {
        fixture.send(legacy(id, "tools/call", kWait));
        const auto call = fixture.waiting.back();
        int told = 0;
        call->on_cancel([&] { ++told; });
        CHECK(fixture.send(cancel(id == "0" ? "\"0\"" : "0")).empty());  // another type
        CHECK_FALSE(call->cancelled());
        CHECK(fixture.send(cancel(id)).empty());
        CHECK(fixture.send(cancel(id)).empty());
        CHECK(call->cancelled());
        CHECK(told == 1);
        CHECK(fixture.server->pending() == 0);
        call->reply(ToolResult::text("late"));
        CHECK_FALSE(call->answered());
    }
    fixture.waiting.clear();
    CHECK(fixture.lines.empty());
    fixture.check_alive();
}

TEST_CASE("a cancellation of an answered call changes nothing", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kWait));
    int told = 0;
    fixture.waiting.at(0)->on_cancel([&] { ++told; });
    fixture.waiting.at(0)->reply(ToolResult::text("x"));
    CHECK(fixture.send(cancel("1")).empty());
    CHECK(told == 0);
    CHECK_FALSE(fixture.waiting.at(0)->cancelled());
}

TEST_CASE("an id in flight is refused and the first call is kept", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kWait));
    CHECK(fixture.error_code(legacy("1", "tools/call", kWait)) == kInvalidRequest);
    CHECK(fixture.error_code(legacy("1", "ping")) == kInvalidRequest);
    CHECK(fixture.error_code(modern("1", "tools/list")) == kInvalidRequest);
    CHECK(fixture.result(legacy("\"1\"", "ping"))->size() == 0);
    fixture.lines.clear();
    fixture.waiting.at(0)->reply(ToolResult::text("first"));
    CHECK(fixture.lines.size() == 1);
    CHECK(fixture.result(legacy("1", "ping"))->size() == 0);
}

TEST_CASE("an answer beyond the limit of a line becomes an error", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    const auto error = fixture.error(legacy("1", "tools/call", R"({"name":"huge"})"));
    CHECK(error->getValue<int>("code") == kInternalError);
    CHECK(error->getValue<std::string>("message").find("8388608") != std::string::npos);
}

TEST_CASE("calls in flight are limited", "[mcp][calls]") {
    Options options;
    options.max_calls = 3;
    Fixture fixture(options);
    fixture.open("2025-11-25");
    for (int i = 0; i < 3; ++i) {
        CHECK(fixture.send(legacy(std::to_string(i), "tools/call", kWait)).empty());
    }
    CHECK(fixture.error_code(legacy("3", "tools/call", kWait)) == kInternalError);
    CHECK(fixture.server->pending() == 3);
    fixture.waiting.at(1)->reply(ToolResult::text("x"));
    CHECK(fixture.send(legacy("3", "tools/call", kWait)).empty());
}

TEST_CASE("a tool with an output schema must answer with an object", "[mcp][calls]") {
    std::vector<std::string> lines;
    Server server({"s", "", "1", ""}, {},
                  [&](std::string line, LineKind) { lines.push_back(std::move(line)); }, {});
    Tool tool;
    tool.name = "t";
    tool.output_schema = parse_object(R"({"type":"object"})");
    bool fails = false;
    tool.handler = [&](const std::shared_ptr<Call>& call) {
        call->reply(fails ? ToolResult::error("no") : ToolResult::text("plain"));
    };
    server.add_tool(tool);
    server.receive(modern("1", "tools/call", R"("name":"t")"));
    CHECK(lines.back().find("-32603") != std::string::npos);
    fails = true;
    server.receive(modern("1", "tools/call", R"("name":"t")"));
    CHECK(lines.back().find(R"("isError":true)") != std::string::npos);
}

TEST_CASE("text of a handler that is not UTF-8 does not leave as such", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kWait));
    fixture.waiting.at(0)->reply(ToolResult::text("a\xFF\xED\xA0\x80z\n"));
    REQUIRE(fixture.lines.size() == 1);
    CHECK(is_valid_utf8(fixture.lines.front()));
    CHECK(fixture.lines.front().find('\n') == std::string::npos);
}

TEST_CASE("a call outlives its server", "[mcp][calls]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kWait));
    fixture.server.reset();
    fixture.waiting.at(0)->reply(ToolResult::text("x"));
    fixture.waiting.clear();
    CHECK(fixture.lines.empty());
}

TEST_CASE("a call that is dropped on another thread is answered through post", "[mcp][calls]") {
    std::vector<std::function<void()>> posted;
    Options options;
    options.post = [&](std::function<void()> task) { posted.push_back(std::move(task)); };
    Fixture fixture(options);
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kWait));
    std::thread([&] { fixture.waiting.clear(); }).join();
    CHECK(fixture.lines.empty());
    REQUIRE(posted.size() == 1);
    posted.front()();
    REQUIRE(fixture.lines.size() == 1);
    CHECK(fixture.lines.front().find("-32603") != std::string::npos);
}
