// Rows 43 to 45: ends of the streams, in the middle of whatever.
#include <unistd.h>

#include <algorithm>

#include "peer.hpp"

using namespace steward::tests;

namespace {

// The design's promise for every end that a client causes.
constexpr double kEndMs = 1000;
// Whoever loops over a broken descriptor takes all of it.
constexpr std::chrono::milliseconds kEndCpu{300};

// It ends well and in time, and takes its tree with it.
void check_end(Peer& peer, Clock::time_point asked) {
    const auto end = peer->wait_exit();
    CHECK(end.code == 0);
    CHECK(end.signal == 0);
    CHECK(wait_until([&] { return peer->left().empty(); }));
    CHECK(std::chrono::duration<double, std::milli>(end.at - asked).count() < kEndMs);
    CHECK(std::chrono::duration<double, std::milli>(Clock::now() - asked).count() < kEndMs);
    CHECK(end.cpu < kEndCpu);
    CHECK(peer->partial_line().empty());
}

// The last line, which has come before the end.
Json last_line(Peer& peer) {
    REQUIRE_FALSE(peer->lines().empty());
    return parse_json(peer->lines().back());
}

}  // namespace

TEST_CASE("row 43: EOF at once", "[mcp][hostile]") {
    Peer peer;
    const auto asked = peer->started();
    peer->close_stdin();
    check_end(peer, asked);
    CHECK(peer->lines().empty());
}

TEST_CASE("row 43: EOF in and behind a line", "[mcp][hostile]") {
    Peer peer;
    const bool running = GENERATE(false, true);
    if (running) {
        peer.open();
        peer.wait_app();
    }
    const auto seen = peer->lines().size();
    SECTION("half a line") {
        peer->send_raw(R"({"jsonrpc":"2.0","id":7,"meth)");
        const auto asked = Clock::now();
        peer->close_stdin();
        check_end(peer, asked);
        CHECK(number_at(last_line(peer), "error.code") == kParseError);
    }
    SECTION("half a character") {
        peer->send_raw("{\"jsonrpc\":\"2.0\",\"id\":\"\xE2\x82");
        const auto asked = Clock::now();
        peer->close_stdin();
        check_end(peer, asked);
        CHECK(number_at(last_line(peer), "error.code") == kParseError);
    }
    SECTION("a whole line without its line break") {
        peer->send_raw(legacy("7", "ping"));
        const auto asked = Clock::now();
        peer->close_stdin();
        check_end(peer, asked);
        CHECK(number_at(last_line(peer), "id") == 7);
        CHECK(last_line(peer)->has("result"));
    }
    SECTION("a line that is too long already") {
        peer->send_raw(std::string(9U * 1024 * 1024, 'x'));
        const auto asked = Clock::now();
        peer->close_stdin();
        check_end(peer, asked);
        CHECK(number_at(last_line(peer), "error.code") == kInvalidRequest);
    }
    CHECK(peer->lines().size() == seen + 1);
}

TEST_CASE("row 43: EOF with calls running", "[mcp][hostile]") {
    // An app that does not go by itself, with descendants that do not either.
    Peer peer(light_app({"--ignore-term", "--children", "2", "--grandchild"}));
    peer.open();
    peer.wait_app();
    for (const char* name : {"flask_restart", "flask_stop", "flask_start"}) {
        peer.say(legacy(std::string("\"") + name + "\"", "tools/call",
                        std::string(R"({"name":")") + name + "\"}"),
                 0);
    }
    const auto asked = Clock::now();
    peer->close_stdin();
    check_end(peer, asked);
}

TEST_CASE("row 44: stdout closed by the client", "[mcp][hostile]") {
    Peer peer;
    const bool running = GENERATE(false, true);
    if (running) {
        peer.open();
        peer.wait_app();
        peer.say(legacy("7", "tools/call", R"({"name":"flask_stop"})"), 0);
    } else {
        peer.served(legacy("7", "ping"));
    }
    const auto asked = Clock::now();
    SECTION("and nothing more") {
        peer->close_stdout();
    }
    SECTION("and requests that would be answered") {
        peer->close_stdout();
        for (int i = 0; i < 100; ++i) {
            peer->send(legacy(std::to_string(100 + i), "tools/list"));
        }
    }
    SECTION("with answers on their way") {
        for (int i = 0; i < 100; ++i) {
            peer->send(legacy(std::to_string(100 + i), "tools/list"));
        }
        peer->close_stdout();
    }
    check_end(peer, asked);
    CHECK(peer->error_output().empty());
}

TEST_CASE("row 44: stdout closed before the first answer", "[mcp][hostile]") {
    Peer peer;
    peer->close_stdout();
    peer->send(initialize("2025-11-25"));
    check_end(peer, peer->started());
    CHECK(peer->error_output().empty());
}

TEST_CASE("row 45: stderr closed", "[mcp][hostile]") {
    auto start = light_app({"--crash-after-ms", "300", "--crash-code", "3"});
    start.args = {"--set", "restart_backoff.base_ms=10"};
    const bool from_the_start = GENERATE(false, true);
    if (from_the_start) {
        start.closed = {2};
    }
    Peer peer(start);
    peer->close_stderr();
    peer.open();
    // Each crash is a warning, which goes to stderr as well.
    CHECK(wait_until([&] {
        const auto events = peer.sandbox().events();
        return std::count_if(events.begin(), events.end(), [](const Json& event) {
                   return text_at(event, "event") == "service.exit";
               }) >= 2;
    }));
    peer.refused("garbage", kNoId, kParseError);
    peer.served(legacy("1", "tools/call", R"({"name":"flask_status"})"));
    const auto asked = Clock::now();
    peer->close_stdin();
    check_end(peer, asked);
}
