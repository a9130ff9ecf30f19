// Rows 37 to 42: messages of revision 2026-07-28, and of both eras in one process.
#include "peer.hpp"

using namespace steward::tests;

namespace {

// A request whose `_meta` has these members alone.
std::string with_meta(const std::string& id, const std::string& method, const std::string& meta,
                      const std::string& more = "") {
    return legacy(id, method,
                  R"({"_meta":{)" + meta + "}" + (more.empty() ? "" : ",") + more + "}");
}

const std::string kVersion = R"("io.modelcontextprotocol/protocolVersion":"2026-07-28")";
const std::string kCapabilities = R"("io.modelcontextprotocol/clientCapabilities":{})";

}  // namespace

TEST_CASE("row 37: unknown version", "[mcp][hostile]") {
    Peer peer;
    const auto check = [&peer](const std::string& method, const std::string& version) {
        const auto answers = peer.say(with_meta("1", method,
                                                R"("io.modelcontextprotocol/protocolVersion":")" +
                                                    version + "\"," + kCapabilities),
                                      1);
        REQUIRE(answers.size() == 1);
        const auto answer = parse_json(answers.front());
        CHECK(number_at(answer, "id") == 1);
        CHECK(number_at(answer, "error.code") == kUnsupportedVersion);
        CHECK(text_at(answer, "error.data.supported.0") == "2026-07-28");
        const auto requested = text_at(answer, "error.data.requested");
        CHECK(requested.substr(0, 200) == version.substr(0, 200));
        CHECK(requested.size() <= 203);
    };
    for (int round = 0; round < 2; ++round) {
        for (const std::string& version :
             {std::string("v999.0.0"), std::string("2027-01-01"), std::string("2025-11-25"),
              std::string("2026-07-28 "), std::string(100'000, '9')}) {
            for (const char* method : {"server/discover", "tools/list", "tools/call"}) {
                check(method, version);
            }
        }
        check("tools/list", "");
        peer.served(modern("2", "tools/list"));
    }
    for (const char* version : {"7", "null", "{}", "[\"2026-07-28\"]"}) {
        peer.refused(with_meta("1", "tools/list",
                               std::string(R"("io.modelcontextprotocol/protocolVersion":)") +
                                   version + "," + kCapabilities),
                     "1", kInvalidParams);
    }
}

TEST_CASE("row 38: capabilities missing or wrong, clientInfo missing", "[mcp][hostile]") {
    Peer peer;
    for (const char* method : {"server/discover", "tools/list", "tools/call"}) {
        peer.refused(with_meta("1", method, kVersion), "1", kInvalidParams);
        for (const char* value : {"null", "7", "[]", "\"{}\""}) {
            peer.refused(
                with_meta("1", method,
                          kVersion + R"(,"io.modelcontextprotocol/clientCapabilities":)" + value),
                "1", kInvalidParams);
        }
    }
    peer.refused(with_meta("1", "tools/list", kCapabilities), "1", kInvalidParams);
    peer.refused(
        with_meta("1", "tools/list",
                  kVersion + "," + kCapabilities + R"(,"io.modelcontextprotocol/clientInfo":"x")"),
        "1", kInvalidParams);
    peer.served(with_meta("1", "server/discover", kVersion + "," + kCapabilities));
    peer.served(with_meta("1", "tools/list", kVersion + "," + kCapabilities));
}

TEST_CASE("row 39: methods that revision 2026-07-28 has not", "[mcp][hostile]") {
    Peer peer;
    const bool opened = GENERATE(false, true);
    if (opened) {
        peer.open();
    }
    for (const char* method :
         {"ping", "initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
          "notifications/initialized", "roots/list"}) {
        peer.refused(modern("1", method), "1", kMethodNotFound);
        peer.refused(modern("1", method,
                            R"("uri":"promptbin://flask-status","level":"info",)"
                            R"("protocolVersion":"2025-11-25","capabilities":{})"),
                     "1", kMethodNotFound);
    }
}

TEST_CASE("row 40: subscriptions/listen", "[mcp][hostile]") {
    Peer peer;
    for (const char* members : {"", R"("notifications":null)", R"("notifications":7)",
                                R"("notifications":[])", R"("notifications":"all")"}) {
        peer.refused(modern("1", "subscriptions/listen", members), "1", kInvalidParams);
    }
    const auto acknowledged = peer.say(
        modern("\"l\"", "subscriptions/listen", R"("notifications":{"noSuchKind":true,"x":[1]})"),
        1);
    REQUIRE(acknowledged.size() == 1);
    const auto message = parse_json(acknowledged.front());
    CHECK(text_at(message, "method") == "notifications/subscriptions/acknowledged");
    CHECK(text_at(message, "params._meta.io~modelcontextprotocol/subscriptionId") == "l");
    CHECK(acknowledged.front().find("noSuchKind") == std::string::npos);
    peer.refused(modern("\"l\"", "tools/list"), "\"l\"", kInvalidRequest);
    peer.ignored(cancelled("\"l\""));
}

TEST_CASE("row 41: log level and requestState", "[mcp][hostile]") {
    Peer peer;
    for (const char* level : {"\"loud\"", "\"\"", "7", "null"}) {
        peer.refused(with_meta("1", "tools/list",
                               kVersion + "," + kCapabilities +
                                   R"(,"io.modelcontextprotocol/logLevel":)" + level),
                     "1", kInvalidParams);
    }
    for (const std::string& members :
         {std::string(R"("requestState":7)"), std::string(R"("requestState":null)"),
          std::string(R"("requestState":{})"), std::string(R"("requestState":"")"),
          std::string(R"("requestState":"AAAA")"), std::string(R"("requestState":"tampered")"),
          R"("requestState":")" + std::string(100'000, 'A') + "\"",
          std::string(R"("inputResponses":7)"), std::string(R"("inputResponses":[])")}) {
        peer.refused(modern("1", "tools/call",
                            R"("name":"delete_prompt","arguments":{"prompt_id":"x"},)" + members),
                     "1", kInvalidParams);
        peer.refused(
            modern("1", "resources/read", R"("uri":"promptbin://flask-status",)" + members), "1",
            kInvalidParams);
    }
}

TEST_CASE("row 41: requestState, changed or of another request", "[mcp][hostile]") {
    Peer peer;
    peer.sandbox().write("data/coding/one.json", R"({"title":"One","content":"C"})");
    peer.sandbox().write("data/coding/two.json", R"({"title":"Two","content":"C"})");
    const auto remove = [](const std::string& prompt, const std::string& more) {
        return with_meta(
            "1", "tools/call",
            kVersion + R"(,"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}})",
            R"("name":"delete_prompt","arguments":{"prompt_id":")" + prompt + "\"}" + more);
    };
    const auto answered = [](const std::string& state) {
        return R"(,"inputResponses":{"confirm":{"action":"accept","content":{"confirm":true}}},)"
               R"("requestState":")" +
               state + "\"";
    };
    const auto asked = peer.served(remove("one", ""));
    REQUIRE(text_at(asked, "resultType") == "input_required");
    const auto state = text_at(asked, "requestState");
    for (std::size_t i = 0; i < state.size(); ++i) {
        auto changed = state;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        peer.refused(remove("one", answered(changed)), "1", kInvalidParams);
    }
    peer.refused(remove("one", answered(state.substr(0, state.size() - 1))), "1", kInvalidParams);
    peer.refused(remove("one", answered(state + "=")), "1", kInvalidParams);
    peer.refused(remove("two", answered(state)), "1", kInvalidParams);
    CHECK(at(peer.served(remove("one", answered(state))), "structuredContent.deleted")
              .convert<bool>());
}

TEST_CASE("row 42: both eras in one process", "[mcp][hostile]") {
    Peer peer;
    const std::string call = R"("name":"flask_status")";
    const auto speak_modern = [&] {
        peer.served(modern("1", "server/discover"));
        CHECK(text_at(peer.served(modern("2", "tools/call", call)), "resultType") == "complete");
        peer.refused(modern("3", "ping"), "3", kMethodNotFound);
    };
    const auto speak_legacy = [&] {
        CHECK_FALSE(peer.served(legacy("2", "tools/call", "{" + call + "}"))->has("resultType"));
        peer.served(legacy("3", "ping"));
    };
    if (GENERATE(true, false)) {
        speak_modern();
    }
    peer.open("2025-06-18");
    speak_legacy();
    speak_modern();
    speak_legacy();
    speak_modern();
}
