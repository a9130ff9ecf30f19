// Rows 9 to 12 and 16 to 23: JSON that is no message, or no request.
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include "peer.hpp"

using namespace steward::tests;

TEST_CASE("row 09: JSON that is no message", "[mcp][hostile]") {
    Peer peer;
    for (const char* text : {"42", "-0.5", "\"x\"", "null", "true", "false", "{}", R"({"a":1})"}) {
        peer.refused(text, kNoId, kInvalidRequest);
    }
}

TEST_CASE("row 10: batch from a client that has not negotiated 2025-03-26", "[mcp][hostile]") {
    Peer peer;
    const std::string version = GENERATE("", "2024-11-05", "2025-06-18", "2025-11-25");
    INFO(version);
    if (!version.empty()) {
        peer.open(version);
    }
    for (const std::string& text :
         {std::string("[]"), std::string("[1]"), "[" + legacy("1", "ping") + "]",
          "[" + legacy("1", "ping") + "," + legacy("2", "nope") + "]",
          "[" + modern("1", "tools/list") + "]", "[" + initialize("2025-03-26") + "]",
          std::string(R"([{"jsonrpc":"2.0","method":"notifications/initialized"}])")}) {
        peer.refused(text, kNoId, kInvalidRequest);
    }
}

TEST_CASE("row 10: batch of 2025-03-26", "[mcp][hostile]") {
    Peer peer;
    peer.open("2025-03-26");
    peer.refused("[]", kNoId, kInvalidRequest);
    peer.ignored(R"([{"jsonrpc":"2.0","method":"notifications/initialized"},)"
                 R"({"jsonrpc":"2.0","id":9,"result":{}}])");
    const auto answers = [&peer](const std::string& text) {
        const auto lines = peer.say(text, 1);
        REQUIRE(lines.size() == 1);
        return Poco::JSON::Parser().parse(lines.front()).extract<Poco::JSON::Array::Ptr>();
    };
    const auto mixed =
        answers("[" + legacy("1", "ping") + "," + legacy("\"b\"", "nope") +
                R"(,{"jsonrpc":"2.0","method":"notifications/x"},7,[],)" +
                initialize("2025-03-26", "3") + "," + modern("4", "tools/list") + "]");
    REQUIRE(mixed->size() == 6);
    CHECK(mixed->getObject(0)->has("result"));
    CHECK(number_at(mixed->getObject(1), "error.code") == kMethodNotFound);
    for (const unsigned i : {2U, 3U}) {
        CHECK(number_at(mixed->getObject(i), "error.code") == kInvalidRequest);
        CHECK_FALSE(mixed->getObject(i)->has("id"));
    }
    for (const unsigned i : {4U, 5U}) {
        CHECK(number_at(mixed->getObject(i), "error.code") == kInvalidRequest);
        CHECK(number_at(mixed->getObject(i), "id") == i - 1);
    }
    const auto call = answers("[" + legacy("1", "tools/call", R"({"name":"flask_status"})") + "," +
                              legacy("2", "ping") + "]");
    CHECK(call->size() == 2);
    peer.refused("[" + repeated("1,", 2000) + "1]", kNoId, kInvalidRequest);
}

TEST_CASE("row 11: jsonrpc missing or wrong", "[mcp][hostile]") {
    Peer peer;
    peer.refused(R"({"id":1,"method":"ping"})", "1", kInvalidRequest);
    peer.refused(R"({"method":"ping"})", kNoId, kInvalidRequest);
    for (const char* version : {"\"1.0\"", "2.0", "2", "null", "\"2\"", "[\"2.0\"]"}) {
        peer.refused(std::string(R"({"jsonrpc":)") + version + R"(,"id":"a","method":"ping"})",
                     "\"a\"", kInvalidRequest);
    }
}

TEST_CASE("row 12: method missing or wrong", "[mcp][hostile]") {
    Peer peer;
    peer.refused(R"({"jsonrpc":"2.0","id":1})", "1", kInvalidRequest);
    peer.refused(R"({"jsonrpc":"2.0","method":7})", kNoId, kInvalidRequest);
    for (const char* method : {"7", "null", "{}", "[\"ping\"]", "true"}) {
        peer.refused(std::string(R"({"jsonrpc":"2.0","id":1,"method":)") + method + "}", "1",
                     kInvalidRequest);
    }
    peer.refused(legacy("1", ""), "1", kMethodNotFound);
}

TEST_CASE("row 16: duplicate members", "[mcp][hostile]") {
    Peer peer;
    CHECK(peer.say(R"({"jsonrpc":"1.0","jsonrpc":"2.0","id":1,"id":2,)"
                   R"("method":"nope","method":"ping","params":7,"params":{}})",
                   1) == std::vector<std::string>{R"({"jsonrpc":"2.0","id":2,"result":{}})"});
    peer.refused(R"({"jsonrpc":"2.0","id":1,"id":null,"method":"ping"})", kNoId, kInvalidRequest);
    peer.refused(R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"nope"})", "1",
                 kMethodNotFound);
}

TEST_CASE("row 17: params of the wrong type", "[mcp][hostile]") {
    Peer peer;
    peer.open();
    for (const char* params : {"[]", "[1]", "null", "\"x\"", "7", "true"}) {
        for (const char* method : {"ping", "tools/list", "tools/call", "resources/read"}) {
            peer.refused(legacy("1", method, params), "1", kInvalidParams);
        }
    }
}

TEST_CASE("row 18: _meta and progressToken of the wrong type", "[mcp][hostile]") {
    Peer peer;
    peer.open();
    for (const char* meta :
         {"7", "null", "[]", "\"x\"", R"({"progressToken":{}})", R"({"progressToken":null})",
          R"({"progressToken":1.5})", R"({"progressToken":[]})", R"({"progressToken":true})"}) {
        peer.refused(legacy("1", "tools/list", std::string(R"({"_meta":)") + meta + "}"), "1",
                     kInvalidParams);
    }
}

TEST_CASE("row 19: unknown members", "[mcp][hostile]") {
    Peer peer;
    peer.open();
    peer.served(R"({"jsonrpc":"2.0","id":1,"method":"ping","more":{"x":[1]},"":null})");
    peer.served(R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{},"error":7})");
    peer.served(legacy("1", "tools/list", R"({"x":1,"_meta":{"x":{},"progressToken":0}})"));
    peer.served(modern("1", "tools/list", R"("x":[{}])"));
}

TEST_CASE("row 20: unknown methods", "[mcp][hostile]") {
    Peer peer;
    const bool opened = GENERATE(false, true);
    if (opened) {
        peer.open();
    }
    for (const std::string& method :
         {std::string("nope"), std::string("rpc.discover"), std::string("rpc."),
          std::string("Ping"), std::string("tools/"), std::string("tools/list "),
          std::string("tasks/get"), std::string("notifications/initialized"),
          std::string("elicitation/create"), std::string(100'000, 'm')}) {
        peer.refused(legacy("1", method), "1", kMethodNotFound);
        peer.refused(modern("1", method), "1", kMethodNotFound);
    }
}

TEST_CASE("row 21: notifications that are unknown, misnamed or broken", "[mcp][hostile]") {
    Peer peer;
    const bool opened = GENERATE(false, true);
    if (opened) {
        peer.open();
    }
    for (const char* method :
         {"notifications/unknown", "", "tools/list", "tools/call", "initialize", "server/discover",
          "subscriptions/listen", "ping", "notifications/initialized", "notifications/cancelled",
          "notifications/progress", "notifications/roots/list_changed"}) {
        for (const char* params : {"", "7", "null", "[]", R"({"_meta":7})", R"({"name":7})"}) {
            peer.ignored(std::string(R"({"jsonrpc":"2.0","method":")") + method + "\"" +
                         (*params == '\0' ? "" : ",\"params\":") + params + "}");
        }
    }
}

TEST_CASE("row 22: responses that nobody waits for", "[mcp][hostile]") {
    Peer peer;
    const bool opened = GENERATE(false, true);
    if (opened) {
        peer.open();
    }
    for (const char* members :
         {R"("id":99,"result":{})", R"("id":"ask-1","result":{})", R"("id":99,"result":null)",
          R"("id":99,"error":{"code":1,"message":"x"})", R"("id":99,"error":7)",
          R"("id":99,"result":{},"error":{})", R"("result":{})", R"("error":{})",
          R"("id":null,"error":{"code":-32700,"message":"x"})", R"("id":{},"result":{})"}) {
        peer.ignored(std::string(R"({"jsonrpc":"2.0",)") + members + "}");
    }
}

TEST_CASE("row 23: cancelled, for nothing", "[mcp][hostile]") {
    Peer peer;
    const bool opened = GENERATE(false, true);
    if (opened) {
        peer.open();
        peer.served(legacy("5", "tools/call", R"({"name":"flask_status"})"));
    }
    peer.served(legacy("6", "ping"));
    for (const char* params :
         {"", "7", "null", "[]", "{}", R"({"requestId":null})", R"({"requestId":{}})",
          R"({"requestId":1.5})", R"({"requestId":99})", R"({"requestId":"99"})",
          R"({"requestId":5,"reason":7})", R"({"requestId":5})", R"({"requestId":6})",
          R"({"requestId":6})", R"({"requestId":0})"}) {
        peer.ignored(std::string(R"({"jsonrpc":"2.0","method":"notifications/cancelled")") +
                     (*params == '\0' ? "" : ",\"params\":") + params + "}");
    }
}
