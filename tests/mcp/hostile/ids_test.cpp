// Rows 13 to 15: ids.
#include "peer.hpp"

using namespace steward::tests;

namespace {

void check_echoed(Peer& peer, const std::string& id) {
    CHECK(peer.say(legacy(id, "ping"), 1) ==
          std::vector<std::string>{R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{}})"});
}

}  // namespace

TEST_CASE("row 13: ids that MCP forbids", "[mcp][hostile]") {
    Peer peer;
    for (const char* id : {"null", "true", "false", "{}", "[]", "[1]", "1.5", "-0.5"}) {
        peer.refused(legacy(id, "ping"), kNoId, kInvalidRequest);
        peer.refused(modern(id, "tools/list"), kNoId, kInvalidRequest);
        peer.refused(legacy(id, "nope"), kNoId, kInvalidRequest);
    }
}

TEST_CASE("row 14: ids that are easily taken for none", "[mcp][hostile]") {
    Peer peer;
    for (const std::string& id :
         {std::string("0"), std::string("-7"), std::string("\"\""), std::string("\"0\""),
          std::string("\"null\""), "\"" + std::string(100'000, 'x') + "\""}) {
        check_echoed(peer, id);
        peer.refused(legacy(id, "nope"), id, kMethodNotFound);
    }
    peer.refused(legacy("\"" + std::string(300'000, 'x') + "\"", "ping"), kNoId, kInvalidRequest);
}

TEST_CASE("row 15: ids beyond what double can tell apart", "[mcp][hostile]") {
    Peer peer;
    for (const char* id :
         {"9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808"}) {
        check_echoed(peer, id);
    }
    for (const char* id : {"1e2", "1E2", "1.0", "9223372036854775808", "-9223372036854775809",
                           "18446744073709551615", "18446744073709551616",
                           "123456789012345678901234567890", "1e999"}) {
        peer.refused(legacy(id, "ping"), kNoId, kInvalidRequest);
    }
}
