// Rows 1 to 8: what is no line of JSON in UTF-8, and what only looks so.
#include <sys/ioctl.h>
#include <unistd.h>

#include "peer.hpp"

using namespace steward::tests;

namespace {

// Sends so that steward reads each byte by itself.
void send_bytewise(StewardProcess& steward, std::string_view bytes) {
    const int pipe = steward.duplicate_stdin();
    for (const char byte : bytes) {
        steward.send_raw({&byte, 1});
        CHECK(wait_until([pipe] {
            int unread = 0;
            return ioctl(pipe, FIONREAD, &unread) == 0 && unread == 0;
        }));
    }
    close(pipe);
}

}  // namespace

TEST_CASE("row 01: text that is not JSON", "[mcp][hostile]") {
    Peer peer;
    for (const std::string& text :
         {std::string("garbage"), std::string("{"), std::string(R"({"jsonrpc":"2.0","id":1,)"),
          std::string(R"({"jsonrpc":"2.0","id":1,"method":"pi)"),
          std::string("{'jsonrpc':'2.0','id':1,'method':'ping'}"),
          std::string(R"({"jsonrpc":"2.0","id":1,"method":"ping",})"),
          std::string(R"({"jsonrpc":"2.0","id":NaN,"method":"ping"})"),
          std::string(R"({"jsonrpc":"2.0","id":Infinity,"method":"ping"})"),
          std::string(R"({"jsonrpc":"2.0",/**/"id":1,"method":"ping"})"),
          legacy("1", "ping") + " // comment", legacy("1", "ping") + " x",
          legacy("1", "ping") + legacy("2", "ping"), std::string("]"), std::string("\"open"),
          "Content-Length: 9 " + legacy("1", "ping"), std::string(100'000, 'x')}) {
        peer.refused(text, kNoId, kParseError);
    }
}

TEST_CASE("row 02: empty and blank lines", "[mcp][hostile]") {
    Peer peer;
    for (const char* text : {"", " ", "\t \t", "\r", "  \r", "\n\n\r\n"}) {
        peer.ignored(text);
    }
}

TEST_CASE("row 03: CRLF", "[mcp][hostile]") {
    Peer peer;
    peer.served(legacy("1", "ping") + "\r");
    peer.served(legacy("1", "ping") + " \r");
}

TEST_CASE("row 04: byte order mark at the start of a line", "[mcp][hostile]") {
    Peer peer;
    peer.served("\xEF\xBB\xBF" + legacy("1", "ping"));
    peer.served("\xEF\xBB\xBF" + legacy("1", "ping") + "\r");
    peer.refused(legacy("1", "ping") + "\xEF\xBB\xBF", kNoId, kParseError);
}

TEST_CASE("row 05: NUL, raw and escaped", "[mcp][hostile]") {
    Peer peer;
    using namespace std::string_literals;
    peer.refused("\0"s, kNoId, kParseError);
    peer.refused(legacy("1", "pi\0ng"s), kNoId, kParseError);
    peer.refused(legacy("1", "ping") + "\0"s, kNoId, kParseError);
    peer.refused(legacy("1", "pi\\u0000ng"), "1", kMethodNotFound);
    peer.refused(legacy("1", "ping\\u0000"), "1", kMethodNotFound);
}

TEST_CASE("row 06: bytes that are not UTF-8", "[mcp][hostile]") {
    Peer peer;
    for (const std::string bad :
         {"\xFF", "\xFE\xFF", "\x80", "\xC1\xA9", "\xE0\x80\xAF", "\xC0\xAE", "\xE2\x82",
          "\xED\xA0\x80", "\xED\xA0\xBD\xED\xB8\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80"}) {
        peer.refused(legacy("\"" + bad + "\"", "ping"), kNoId, kParseError);
        peer.refused(legacy("1", "ping" + bad), kNoId, kParseError);
        peer.refused(modern("1", "tools/call", R"("name":")" + bad + "\""), kNoId, kParseError);
    }
}

TEST_CASE("row 07: lone surrogate escape", "[mcp][hostile]") {
    Peer peer;
    for (const std::string bad :
         {"\\ud800", "\\udc00", "\\uDBFF", "\\ude00\\ud83d", "\\ud83dx", "\\ud83d\\u0041"}) {
        peer.refused(legacy("\"" + bad + "\"", "ping"), kNoId, kParseError);
        peer.refused(legacy("1", "ping" + bad), kNoId, kParseError);
        peer.refused(legacy("1", "ping", R"({")" + bad + R"(":1})"), kNoId, kParseError);
        peer.refused(modern("1", "tools/call",
                            R"("name":"search_prompts","arguments":{"query":")" + bad + "\"}"),
                     kNoId, kParseError);
    }
    CHECK(peer.say(legacy(R"("\ud83d\ude00")", "ping"), 1) ==
          std::vector<std::string>{
              "{\"jsonrpc\":\"2.0\",\"id\":\"\xF0\x9F\x98\x80\",\"result\":{}}"});
}

TEST_CASE("row 08: character split over reads", "[mcp][hostile]") {
    Peer peer;
    const std::string id = "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"";
    send_bytewise(*peer, legacy(id, "ping"));
    CHECK(peer.say("", 1) ==
          std::vector<std::string>{R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{}})"});
    send_bytewise(*peer, legacy("\"\xE2\x82\"", "ping"));
    peer.refused("", kNoId, kParseError);
}
