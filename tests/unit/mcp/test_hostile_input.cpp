// Broken and malicious lines: each has one right answer, and the server goes on after it.
#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

// `id` is the JSON text of the expected id; "absent": no member, "silent": no answer at all.
struct Row {
    std::string line;
    std::string id;
    int code = 0;
};

void check_rows(Fixture& fixture, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        INFO(excerpt(row.line));
        const auto answers = fixture.send(row.line);
        if (row.id == "silent") {
            CHECK(answers.empty());
        } else {
            REQUIRE(answers.size() == 1);
            INFO(excerpt(answers.front()));
            const std::string head =
                row.id == "absent" ? R"({"jsonrpc":"2.0","error":{"code":)"
                                   : R"({"jsonrpc":"2.0","id":)" + row.id + R"(,"error":{"code":)";
            CHECK(answers.front().rfind(head + std::to_string(row.code) + ",", 0) == 0);
            CHECK(answers.front().size() < row.id.size() + 1000);
        }
        fixture.check_alive();
    }
}

std::string nested(const std::string& open, int depth) {
    std::string out;
    for (int i = 0; i < depth; ++i) {
        out += open;
    }
    return out;
}

const char* const kVersions[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};

}  // namespace

TEST_CASE("text that is not JSON is answered with -32700 and no id", "[mcp][hostile]") {
    Fixture fixture;
    std::vector<Row> rows;
    for (const std::string& text :
         {std::string("garbage"), std::string("{"), std::string(R"({"jsonrpc":"2.0","id":1,)"),
          std::string("{'jsonrpc':'2.0'}"), std::string(R"({"id":1,})"),
          std::string(R"({"id":NaN})"), std::string("{}//c"), std::string("{} x"),
          legacy("1", "ping") + legacy("2", "ping"),
          std::string("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\0ng\"}", 42),
          std::string("\0", 1), legacy("1", "\xC1\xA9"), legacy("1", "\xFF"),
          legacy("1", "\xED\xA0\xBD\xED\xB8\x80"), legacy("1", "\\ud800"),
          legacy("1", "tools/call", R"({"name":"echo","arguments":{"message":"\udc00"}})")}) {
        rows.push_back({text, "absent", kParseError});
    }
    check_rows(fixture, rows);
}

TEST_CASE("blank lines are ignored", "[mcp][hostile]") {
    Fixture fixture;
    check_rows(fixture, {{"", "silent"}, {"  ", "silent"}, {"\t\r", "silent"}});
}

TEST_CASE("JSON that is no message is answered with -32600 and no id", "[mcp][hostile]") {
    Fixture fixture;
    std::vector<Row> rows;
    for (const auto* text : {"42", "\"x\"", "null", "true", "{}", "[]", "[1]", "[{}]"}) {
        rows.push_back({text, "absent", kInvalidRequest});
    }
    rows.push_back({"[" + legacy("1", "ping") + "]", "absent", kInvalidRequest});
    check_rows(fixture, rows);
}

TEST_CASE("the envelope is checked, and the id is echoed when it can be read", "[mcp][hostile]") {
    Fixture fixture;
    check_rows(fixture, {{R"({"id":1,"method":"ping"})", "1", kInvalidRequest},
                         {R"({"jsonrpc":"1.0","id":1,"method":"ping"})", "1", kInvalidRequest},
                         {R"({"jsonrpc":2.0,"id":"a","method":"ping"})", "\"a\"", kInvalidRequest},
                         {R"({"jsonrpc":"1.0","method":"ping"})", "absent", kInvalidRequest},
                         {R"({"jsonrpc":"2.0","id":1})", "1", kInvalidRequest},
                         {R"({"jsonrpc":"2.0","id":1,"method":7})", "1", kInvalidRequest},
                         {R"({"jsonrpc":"2.0","id":1,"method":null})", "1", kInvalidRequest},
                         {R"({"jsonrpc":"2.0","id":1,"method":["ping"]})", "1", kInvalidRequest},
                         {R"({"jsonrpc":"2.0","method":7})", "absent", kInvalidRequest},
                         {legacy("1", ""), "1", kMethodNotFound},
                         {legacy("1", "pi\\u0000ng"), "1", kMethodNotFound},
                         {R"({"jsonrpc":"2.0","id":1,"method":"ping","id\u0000":2})", "absent",
                          kInvalidRequest}});
}

TEST_CASE("ids that MCP forbids or int64 cannot hold are refused without an id", "[mcp][hostile]") {
    Fixture fixture;
    std::vector<Row> rows;
    for (const auto* id : {"null", "true", "{}", "[]", "1.5", "1.0", "1e2", "9223372036854775808",
                           "-9223372036854775809", "18446744073709551615", "18446744073709551616",
                           "123456789012345678901234567890", "1e999"}) {
        rows.push_back({legacy(id, "ping"), "absent", kInvalidRequest});
    }
    rows.push_back(
        {legacy("\"" + std::string(300'000, 'x') + "\"", "ping"), "absent", kInvalidRequest});
    check_rows(fixture, rows);
}

TEST_CASE("ids are echoed with their type and value", "[mcp][hostile]") {
    Fixture fixture;
    for (const std::string& id :
         {std::string("0"), std::string("-7"), std::string("9007199254740993"),
          std::string("-9007199254740993"), std::string("9223372036854775807"),
          std::string("-9223372036854775808"), std::string("\"\""), std::string("\"0\""),
          std::string("\"a\\\"b\\\\\""), std::string("\"\xE2\x82\xAC\""),
          "\"" + std::string(100'000, 'x') + "\""}) {
        const auto answers = fixture.send(legacy(id, "ping"));
        REQUIRE(answers.size() == 1);
        CHECK(answers.front() == R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{}})");
    }
}

TEST_CASE("of duplicate members the last one wins and there is one answer", "[mcp][hostile]") {
    Fixture fixture;
    CHECK(fixture.send(R"({"jsonrpc":"2.0","id":1,"id":2,"method":"nope","method":"ping"})") ==
          std::vector<std::string>{R"({"jsonrpc":"2.0","id":2,"result":{}})"});
}

TEST_CASE("params and _meta of the wrong type are -32602", "[mcp][hostile]") {
    for (const auto* version : kVersions) {
        Fixture fixture;
        fixture.open(version);
        std::vector<Row> rows;
        for (const auto* params :
             {"[]", "null", "\"x\"", "7", R"({"_meta":7})", R"({"_meta":null})",
              R"({"_meta":{"progressToken":{}}})", R"({"_meta":{"progressToken":null}})",
              R"({"_meta":{"progressToken":1.5}})"}) {
            rows.push_back({legacy("1", "tools/list", params), "1", kInvalidParams});
        }
        check_rows(fixture, rows);
        CHECK(fixture
                  .result(legacy("1", "tools/list",
                                 R"({"_meta":{"progressToken":0,"x":1},"more":[1]})"))
                  ->isArray("tools"));
    }
}

TEST_CASE("unknown methods are -32601 in both eras and before initialize", "[mcp][hostile]") {
    Fixture fixture;
    for (int round = 0; round < 2; ++round) {
        check_rows(fixture,
                   {{legacy("1", "nope"), "1", kMethodNotFound},
                    {legacy("1", "rpc.discover"), "1", kMethodNotFound},
                    {legacy("1", "Ping"), "1", kMethodNotFound},
                    {legacy("1", "notifications/initialized"), "1", kMethodNotFound},
                    {legacy("1", "prompts/list"), "1", kMethodNotFound},
                    {legacy("1", "logging/setLevel", R"({"level":"loud"})"), "1", kMethodNotFound},
                    {legacy("1", "completion/complete"), "1", kMethodNotFound},
                    {legacy("1", "resources/subscribe"), "1", kMethodNotFound},
                    {legacy("1", std::string(100'000, 'm')), "1", kMethodNotFound},
                    {modern("1", "nope"), "1", kMethodNotFound}});
        if (round == 0) {
            fixture.open("2025-11-25");
        }
    }
}

TEST_CASE("notifications and responses are never answered", "[mcp][hostile]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    std::vector<Row> rows;
    for (const auto* line :
         {R"({"jsonrpc":"2.0","method":"notifications/unknown"})",
          R"({"jsonrpc":"2.0","method":"tools/list"})",
          R"({"jsonrpc":"2.0","method":"tools/call","params":[]})",
          R"({"jsonrpc":"2.0","method":"initialize","params":7})",
          R"({"jsonrpc":"2.0","method":"notifications/initialized","params":null})",
          R"({"jsonrpc":"2.0","id":99,"result":{}})",
          R"({"jsonrpc":"2.0","id":99,"error":{"code":1,"message":"x"}})",
          R"({"jsonrpc":"2.0","id":99,"result":{},"error":{}})",
          R"({"jsonrpc":"2.0","method":"notifications/cancelled"})",
          R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":[]})",
          R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{}})",
          R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":null}})",
          R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}})"}) {
        rows.push_back({line, "silent"});
    }
    check_rows(fixture, rows);
}

TEST_CASE("before initialize ping is served and the rest is -32600", "[mcp][hostile]") {
    Fixture fixture;
    check_rows(fixture, {{legacy("1", "tools/list"), "1", kInvalidRequest},
                         {legacy("1", "tools/call", R"({"name":"none"})"), "1", kInvalidRequest},
                         {legacy("1", "resources/list"), "1", kInvalidRequest}});
    CHECK(fixture.error(legacy("1", "tools/list"))
              ->getValue<std::string>("message")
              .find("not initialized") != std::string::npos);
}

TEST_CASE("initialize is checked and served once", "[mcp][hostile]") {
    Fixture fixture;
    check_rows(fixture,
               {{legacy("1", "initialize"), "1", kInvalidParams},
                {legacy("1", "initialize", "{}"), "1", kInvalidParams},
                {legacy("1", "initialize", R"({"protocolVersion":20251125})"), "1", kInvalidParams},
                {legacy("1", "initialize", R"({"protocolVersion":"2025-11-25","capabilities":[]})"),
                 "1", kInvalidParams},
                {legacy("1", "initialize", R"({"protocolVersion":"2025-11-25","clientInfo":"x"})"),
                 "1", kInvalidParams}});
    CHECK(fixture.legacy_client.name.empty());
    fixture.open("2025-06-18");
    CHECK(fixture.legacy_client.name == "t");
    CHECK(fixture.lines_at_initialize == 1);
    CHECK(fixture.error_code(initialize("2025-11-25", "5")) == kInvalidRequest);
}

TEST_CASE("tools/call is checked", "[mcp][hostile]") {
    for (const auto* version : kVersions) {
        Fixture fixture;
        fixture.open(version);
        check_rows(
            fixture,
            {{legacy("1", "tools/call"), "1", kInvalidParams},
             {legacy("1", "tools/call", "{}"), "1", kInvalidParams},
             {legacy("1", "tools/call", R"({"name":7})"), "1", kInvalidParams},
             {legacy("1", "tools/call", R"({"name":"nope"})"), "1", kInvalidParams},
             {legacy("1", "tools/call", R"({"name":")" + std::string(100'000, 'n') + "\"}"), "1",
              kInvalidParams},
             {legacy("1", "tools/call", R"({"name":"none","arguments":[]})"), "1", kInvalidParams},
             {legacy("1", "tools/call", R"({"name":"none","arguments":null})"), "1",
              kInvalidParams},
             {legacy("1", "tools/list", R"({"cursor":"x"})"), "1", kInvalidParams},
             {legacy("1", "resources/list", R"({"cursor":""})"), "1", kInvalidParams},
             {legacy("1", "resources/templates/list", R"({"cursor":7})"), "1", kInvalidParams}});
        const auto missing = fixture.result(legacy("1", "tools/call", R"({"name":"none"})"));
        CHECK(missing->getArray("content")->getObject(0)->getValue<std::string>("text") == "0");
        const auto invalid = fixture.result(legacy("1", "tools/call", R"({"name":"echo"})"));
        CHECK(invalid->getValue<bool>("isError"));
        CHECK(invalid->getArray("content")->getObject(0)->getValue<std::string>("text") ==
              "invalid arguments for echo: message: is required");
    }
}

TEST_CASE("unknown resources are told in the code of the era and with a bounded uri",
          "[mcp][hostile]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    for (const std::string& uri :
         {std::string("demo://nope"), std::string("demo://item/../../etc/passwd"),
          std::string("demo://item/%00"), std::string("demo://item/missing"), std::string(""),
          std::string("demo://status\\u0000"), std::string("/etc/passwd"),
          "demo://" + std::string(100'000, 'u')}) {
        INFO(excerpt(uri));
        const std::string members = R"("uri":")" + uri + "\"";
        const auto old_error = fixture.error(legacy("1", "resources/read", "{" + members + "}"));
        CHECK(old_error->getValue<int>("code") == -32002);
        CHECK(old_error->getObject("data")->getValue<std::string>("uri").size() <= 203);
        const auto new_error = fixture.error(modern("2", "resources/read", members));
        CHECK(new_error->getValue<int>("code") == kInvalidParams);
        CHECK(new_error->getObject("data")->has("uri"));
        CHECK(fixture.lines.front().size() < 1000);
    }
    CHECK(fixture.error_code(legacy("1", "resources/read")) == kInvalidParams);
    CHECK(fixture.error_code(legacy("1", "resources/read", R"({"uri":7})")) == kInvalidParams);
}

TEST_CASE("depth bombs, value bombs and oversize lines are refused", "[mcp][hostile]") {
    Fixture fixture;
    fixture.open("2025-03-26");
    check_rows(fixture,
               {{nested("[", 100'000), "absent", kInvalidRequest},
                {nested("{\"a\":", 100'000), "absent", kInvalidRequest},
                {legacy("1", "ping", R"({"a":)" + nested("[", 100'000)), "absent", kInvalidRequest},
                {"[" + nested("1,", 300'000) + "1]", "absent", kInvalidRequest}});
    fixture.lines.clear();
    fixture.server->receive_oversize(8U * 1024 * 1024);
    REQUIRE(fixture.lines.size() == 1);
    CHECK(fixture.lines.front().rfind(R"({"jsonrpc":"2.0","error":{"code":-32600,)", 0) == 0);
    CHECK(fixture.lines.front().find("8388608") != std::string::npos);
    fixture.check_alive();
}

TEST_CASE("batches are served where 2025-03-26 was negotiated and nowhere else",
          "[mcp][hostile][batch]") {
    const std::string two = "[" + legacy("1", "ping") + "," + legacy("\"b\"", "nope") + "]";
    for (const auto* version : {"2024-11-05", "2025-06-18", "2025-11-25"}) {
        Fixture fixture;
        fixture.open(version);
        check_rows(fixture, {{"[]", "absent", kInvalidRequest}, {two, "absent", kInvalidRequest}});
    }
    Fixture fixture;
    fixture.open("2025-03-26");
    CHECK(fixture.send(two) ==
          std::vector<std::string>{
              R"([{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":"b",)"
              R"("error":{"code":-32601,"message":"unknown method \"nope\""}}])"});
    CHECK(fixture.send(R"([{"jsonrpc":"2.0","method":"notifications/initialized"}])").empty());
    check_rows(fixture, {{"[]", "absent", kInvalidRequest},
                         {"[" + nested("1,", 2000) + "1]", "absent", kInvalidRequest}});
    const auto mixed = fixture.send("[1,[]," + initialize("2025-03-26", "7") + "," +
                                    modern("8", "tools/list") + "]");
    REQUIRE(mixed.size() == 1);
    const auto answers =
        Poco::JSON::Parser().parse(mixed.front()).extract<Poco::JSON::Array::Ptr>();
    REQUIRE(answers->size() == 4);
    for (unsigned i = 0; i < 4; ++i) {
        CHECK(answers->getObject(i)->getObject("error")->getValue<int>("code") == kInvalidRequest);
        CHECK(answers->getObject(i)->has("id") == (i >= 2));
    }
}

TEST_CASE("a batch is answered when its last call is", "[mcp][batch]") {
    Fixture fixture;
    fixture.open("2025-03-26");
    const std::string wait = R"({"name":"wait"})";
    CHECK(fixture
              .send("[" + legacy("1", "tools/call", wait) + "," + legacy("2", "tools/call", wait) +
                    "," + legacy("3", "ping") + "," + legacy("1", "ping") + "]")
              .empty());
    REQUIRE(fixture.waiting.size() == 2);
    fixture.waiting[1]->reply(ToolResult::text("two"));
    CHECK(fixture.lines.empty());
    CHECK(fixture.server->pending() == 1);
    SECTION("by an answer") {
        fixture.waiting[0]->reply(ToolResult::text("one"));
        REQUIRE(fixture.lines.size() == 1);
        CHECK(fixture.lines.front().find("\"one\"") != std::string::npos);
    }
    SECTION("by a cancellation") {
        fixture.server->receive(
            R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})");
        REQUIRE(fixture.lines.size() == 1);
        CHECK(fixture.lines.front().find("\"one\"") == std::string::npos);
    }
    CHECK(fixture.lines.front().find("\"two\"") != std::string::npos);
    CHECK(fixture.lines.front().find(R"("id":3,"result":{})") != std::string::npos);
    CHECK(fixture.lines.front().find(R"("id":1,"error":{"code":-32600)") != std::string::npos);
}

TEST_CASE("a batch whose answers pass the limit is sent in several arrays", "[mcp][batch]") {
    Options options;
    options.max_output_line = 4096;
    Fixture fixture(options);
    fixture.open("2025-03-26");
    std::string batch = "[" + legacy("0", "ping");
    for (int i = 1; i < 500; ++i) {
        batch += "," + legacy(std::to_string(i), "ping");
    }
    unsigned answers = 0;
    for (const auto& line : fixture.send(batch + "]")) {
        CHECK(line.size() <= 4096);
        answers += static_cast<unsigned>(
            Poco::JSON::Parser().parse(line).extract<Poco::JSON::Array::Ptr>()->size());
    }
    CHECK(answers == 500);
}

TEST_CASE("members that nobody knows are ignored", "[mcp][hostile]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    CHECK(fixture.send(R"({"jsonrpc":"2.0","id":1,"method":"ping","more":{"x":[1]},"":0})") ==
          std::vector<std::string>{R"({"jsonrpc":"2.0","id":1,"result":{}})"});
    CHECK(fixture.result(modern("2", "tools/list", R"("more":{"x":[1]})"))->has("tools"));
}

TEST_CASE("a hundred thousand members are served, a number beyond double is not",
          "[mcp][hostile]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    std::string members;
    for (int i = 0; i < 100'000; ++i) {
        members += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":" + std::to_string(i);
    }
    const auto result = fixture.result(
        legacy("1", "tools/call", R"({"name":"none","arguments":{)" + members + "}}"));
    CHECK(result->getArray("content")->getObject(0)->getValue<std::string>("text") == "100000");
    check_rows(fixture, {{legacy("1", "tools/call", R"({"name":"none","arguments":{"a":1e999}})"),
                          "absent", kInvalidRequest}});
}

TEST_CASE("a thousand pings are answered one by one", "[mcp][hostile]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    fixture.lines.clear();
    for (int i = 0; i < 1000; ++i) {
        fixture.server->receive(legacy(std::to_string(i), "ping"));
    }
    REQUIRE(fixture.lines.size() == 1000);
    CHECK(fixture.lines.back() == R"({"jsonrpc":"2.0","id":999,"result":{}})");
    CHECK(fixture.server->pending() == 0);
}

TEST_CASE("the two eras may follow each other in any order", "[mcp][hostile]") {
    Fixture fixture;
    for (int i = 0; i < 2; ++i) {
        CHECK(fixture.result(modern("1", "server/discover"))->has("supportedVersions"));
        CHECK(fixture.result(modern("2", "tools/call", R"("name":"none")"))->has("resultType"));
        if (i == 0) {
            fixture.open("2025-11-25");
        }
        CHECK_FALSE(
            fixture.result(legacy("3", "tools/call", R"({"name":"none"})"))->has("resultType"));
    }
}
