// What a call sends before its answer: progress and log messages.
#include <limits>

#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

const std::string kWait = R"("name":"wait")";
const std::string kToken = R"({"name":"wait","_meta":{"progressToken":)";

Options logging() {
    Options options;
    options.logging = true;
    return options;
}

std::string set_level(const std::string& level) {
    return legacy("9", "logging/setLevel", R"({"level":)" + level + "}");
}

// The levels that get through, one letter each.
std::string levels_sent(Fixture& fixture) {
    fixture.lines.clear();
    for (const auto level :
         {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kNotice, LogLevel::kWarning,
          LogLevel::kError, LogLevel::kCritical, LogLevel::kAlert, LogLevel::kEmergency}) {
        fixture.waiting.back()->log(level, "", "1");
    }
    std::string letters;
    for (const auto& line : fixture.lines) {
        letters += parse_object(line)->getObject("params")->getValue<std::string>("level")[0];
    }
    return letters;
}

}  // namespace

TEST_CASE("progress goes to those who asked for it, and only forward", "[mcp][progress]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", kToken + R"("t\"1"}})"));
    const auto call = fixture.waiting.back();
    call->progress(1, 10, "one");
    call->progress(1, 10);
    call->progress(0.5);
    call->progress(std::numeric_limits<double>::quiet_NaN());
    call->progress(std::numeric_limits<double>::infinity());
    call->progress(1.5);
    CHECK(fixture.lines ==
          std::vector<std::string>{
              R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
              R"({"progressToken":"t\"1","progress":1,"total":10,"message":"one"}})",
              R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
              R"({"progressToken":"t\"1","progress":1.5}})"});
    CHECK(fixture.kinds == std::vector<LineKind>(2, LineKind::kNotification));
    call->reply(ToolResult::text("x"));
    call->progress(2);
    CHECK(fixture.lines.size() == 3);
}

TEST_CASE("without a token there is no progress, and none after a cancellation",
          "[mcp][progress]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.send(legacy("1", "tools/call", "{" + kWait + "}"));
    fixture.waiting.back()->progress(1);
    CHECK(fixture.lines.empty());
    fixture.send(legacy("2", "tools/call", kToken + "7}}"));
    fixture.send(cancel("2"));
    fixture.waiting.back()->progress(1);
    CHECK(fixture.lines.empty());
}

TEST_CASE("the message of progress goes to the revisions that have it", "[mcp][progress]") {
    for (const std::string version : {"2024-11-05", "2025-03-26"}) {
        Fixture fixture;
        fixture.open(version);
        fixture.send(legacy("1", "tools/call", kToken + "0}}"));
        fixture.waiting.back()->progress(1, 2, "m");
        REQUIRE(fixture.lines.size() == 1);
        const auto params = parse_object(fixture.lines.front())->getObject("params");
        CHECK(params->getValue<int>("progressToken") == 0);
        CHECK(params->has("message") == (version >= "2025-03-26"));
    }
    Fixture fixture;
    fixture.send(modern_from("{}", "1", "tools/call", kWait, R"("progressToken":5)"));
    fixture.waiting.back()->progress(1, 2, "m");
    CHECK(fixture.lines ==
          std::vector<std::string>{R"({"jsonrpc":"2.0","method":"notifications/progress","params":)"
                                   R"({"progressToken":5,"progress":1,"total":2,"message":"m"}})"});
}

TEST_CASE("logging/setLevel sets the least level of a legacy session", "[mcp][logging]") {
    Fixture fixture(logging());
    CHECK(fixture.error_code(set_level("\"info\"")) == kInvalidRequest);  // before initialize
    CHECK(fixture.result(initialize("2025-11-25"))->getObject("capabilities")->has("logging"));
    fixture.send(legacy("1", "tools/call", "{" + kWait + "}"));
    CHECK(levels_sent(fixture) == "inwecae");
    CHECK(fixture.result(set_level("\"error\""))->size() == 0);
    CHECK(levels_sent(fixture) == "ecae");
    for (const auto* level : {"\"loud\"", "\"\"", "\"Error\"", "7", "null"}) {
        CHECK(fixture.error_code(set_level(level)) == kInvalidParams);
    }
    CHECK(fixture.error_code(legacy("9", "logging/setLevel")) == kInvalidParams);
    CHECK(levels_sent(fixture) == "ecae");
    fixture.result(set_level("\"debug\""));
    CHECK(levels_sent(fixture) == "dinwecae");
    fixture.waiting.back()->reply(ToolResult::text("x"));
    CHECK(levels_sent(fixture).empty());
}

TEST_CASE("a log message has its level, logger and data", "[mcp][logging]") {
    Fixture fixture(logging());
    fixture.open("2024-11-05");
    fixture.send(legacy("1", "tools/call", "{" + kWait + "}"));
    fixture.waiting.back()->log(LogLevel::kWarning, "a\"b", R"({"x":[1]})");
    CHECK(fixture.lines ==
          std::vector<std::string>{R"({"jsonrpc":"2.0","method":"notifications/message","params":)"
                                   R"({"level":"warning","logger":"a\"b","data":{"x":[1]}}})"});
}

TEST_CASE("a modern request gets log messages only when it asks for them", "[mcp][logging]") {
    Fixture fixture(logging());
    fixture.open("2025-11-25");
    fixture.send(modern("1", "tools/call", kWait));
    CHECK(levels_sent(fixture).empty());
    fixture.send(modern_from("{}", "2", "tools/call", kWait,
                             R"("io.modelcontextprotocol/logLevel":"critical")"));
    CHECK(levels_sent(fixture) == "cae");
    fixture.send(cancel("2"));
    CHECK(levels_sent(fixture).empty());
}

TEST_CASE("without logging there are neither messages nor levels", "[mcp][logging]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    CHECK(fixture.error_code(set_level("\"info\"")) == kMethodNotFound);
    fixture.send(legacy("1", "tools/call", "{" + kWait + "}"));
    CHECK(levels_sent(fixture).empty());
}
