// Rows 33 to 36: too deep, too long, too many, too fast.
#include <thread>

#include "peer.hpp"

using namespace steward::tests;

namespace {

constexpr std::size_t kMiB = 1024 * 1024;
// What steward may take beyond its usual memory for whatever a client sends.
constexpr long kRoomKib = 48 * 1024;
#ifndef STEWARD_SANITIZED
// The whole of row 35 takes a tenth of it; with the square of the members it would be minutes.
constexpr double kQuadraticMs = 10'000;
#endif

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::string members(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        out += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":" + std::to_string(i);
    }
    return out;
}

}  // namespace

TEST_CASE("row 33: a hundred thousand levels", "[mcp][hostile]") {
    Peer peer;
    constexpr int kLevels = 100'000;
    for (const std::string& text :
         {repeated("[", kLevels), repeated(R"({"a":)", kLevels), repeated(R"([{"a":)", kLevels),
          repeated("[", kLevels) + repeated("]", kLevels),
          legacy("1", "ping", R"({"a":)" + repeated("[", kLevels)),
          modern("1", "tools/call",
                 R"("name":"flask_status","arguments":)" + repeated(R"({"a":)", kLevels) + "1" +
                     repeated("}", kLevels))}) {
        peer.refused(text, kNoId, kInvalidRequest);
    }
    peer.served(legacy("1", "ping", R"({"a":)" + repeated("[", 500) + repeated("]", 500) + "}"));
}

TEST_CASE("row 34: 16 MiB", "[mcp][hostile]") {
    Peer peer;
    peer.served(legacy("1", "ping"));
    const long before = peer.peak_kib();
    const std::string bytes(16 * kMiB, 'x');
    SECTION("in a line") {
        peer.refused(bytes, kNoId, kInvalidRequest);
        peer.refused(legacy("\"" + bytes + "\"", "ping"), kNoId, kInvalidRequest);
    }
    SECTION("without a line break") {
        // Told before the line is over, once.
        peer->send_raw(bytes);
        REQUIRE(wait_until([&] {
            peer->pump();
            return !peer->lines().empty() && peer->lines().size() > 2;
        }));
        peer->send_raw(bytes);
        const auto answers = peer.say("", 1);
        REQUIRE(answers.size() == 1);
        CHECK(number_at(parse_json(answers.front()), "error.code") == kInvalidRequest);
        CHECK_FALSE(parse_json(answers.front())->has("id"));
    }
    SECTION("in blank lines") {
        peer.ignored(std::string(16 * kMiB, '\n'));
    }
#ifndef STEWARD_SANITIZED
    CHECK(peer.peak_kib() - before < kRoomKib);
#endif
}

TEST_CASE("row 35: a hundred thousand members, and numbers without end", "[mcp][hostile]") {
    Peer peer;
    peer.open();
    const auto many = members(100'000);
    const auto start = Clock::now();
    peer.served(R"({"jsonrpc":"2.0","id":1,"method":"ping",)" + many + "}");
    peer.served(legacy("1", "tools/list", "{" + many + "}"));
    peer.served(legacy("1", "tools/list", R"({"_meta":{)" + many + "}}"));
    peer.served(R"({"jsonrpc":"2.0","id":1,"method":"ping")" + repeated(R"(,"a":1)", 100'000) +
                "}");
    const auto result = peer.served(
        legacy("1", "tools/call", R"({"name":"flask_status","arguments":{)" + many + "}}"));
    CHECK(at(result, "isError").convert<bool>());
    CHECK(text_at(result, "content.0.text").size() < 1000);
#ifndef STEWARD_SANITIZED
    CHECK(ms_since(start) < kQuadraticMs);
#endif
    peer.refused("[" + repeated("1,", 300'000) + "1]", kNoId, kInvalidRequest);
    for (const std::string& number :
         {std::string("1e999"), std::string("-1e999"), std::string("1e9999999999999999999"),
          std::string(400, '9')}) {
        peer.refused(legacy("1", "ping", R"({"a":)" + number + "}"), kNoId, kInvalidRequest);
    }
    peer.served(legacy("1", "ping", R"({"a":1e-999,"b":0.)" + std::string(100'000, '3') + "}"));
}

TEST_CASE("row 36: a thousand pings at once", "[mcp][hostile]") {
    Peer peer;
    std::string lines;
    for (int i = 0; i < 1000; ++i) {
        lines += legacy(std::to_string(i), "ping") + "\n";
    }
    const auto answers = peer.say_raw(lines, 1000);
    REQUIRE(answers.size() == 1000);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        CHECK(number_at(parse_json(answers[i]), "id") == static_cast<std::int64_t>(i));
    }
}

TEST_CASE("row 36: a client that does not read", "[mcp][hostile]") {
    auto start = light_app();
    start.args = {"--set", "restart_backoff.base_ms=10"};
    Peer peer(start);
    peer.open();
    const pid_t app = peer.wait_app();
    const long before = peer.peak_kib();
    // Answers of 10 MiB and more, while the test does not read.
    constexpr int kRequests = 1000;
    std::string lines;
    for (int i = 0; i < kRequests; ++i) {
        lines += legacy(std::to_string(i), "tools/list") + "\n";
    }
    std::thread writer([&] { peer->send_raw(lines); });
    // The supervisor goes on: the app comes back.
    ::kill(app, SIGKILL);
    const bool back = wait_until([&] {
        const auto events = peer.sandbox().events();
        return std::count_if(events.begin(), events.end(), [](const Json& event) {
                   return text_at(event, "event") == "service.healthy";
               }) == 2;
    });
    const long peak = peer.peak_kib();
    const auto seen = peer->lines().size();
    const bool answered = wait_until([&] {
        peer->pump();
        return peer->lines().size() >= seen + kRequests;
    });
    if (!answered) {
        peer->kill(SIGKILL);  // or the writer would wait for ever
    }
    writer.join();
    CHECK(back);
    REQUIRE(answered);
#ifndef STEWARD_SANITIZED
    CHECK(peak - before < kRoomKib);
#endif
    std::set<std::int64_t> ids;
    for (std::size_t i = seen; i < peer->lines().size(); ++i) {
        ids.insert(number_at(parse_json(peer->lines()[i]), "id"));
    }
    CHECK(ids.size() == kRequests);
    CHECK(peer.say("", kRequests).size() == kRequests);
}
