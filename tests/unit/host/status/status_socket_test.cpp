// The status socket: what is asked, what is answered, and what followers see.
#include "status_socket.hpp"

#include <sys/stat.h>
#include <array>

#include "status_bench.hpp"

using namespace steward;
using namespace steward::test;

TEST_CASE("the status socket answers with the status object and ends the connection") {
    const TempFolder temp;
    Served<> server(temp.path());
    CHECK(Peer(temp.path(), R"({"want":"status"})").rest() ==
          Lines{R"({"status":{"schema":1,"state":"running","healthy":true}})", "<end>"});
    // Line breaks in the source's JSON would end the line too early.
    server.status("{\n  \"schema\": 1\r\n}");
    CHECK(Peer(temp.path(), R"({"want":"status","other":[1]})").rest() ==
          Lines{R"({"status":{   "schema": 1  }})", "<end>"});
    CHECK(server.wait_for_clients(0));
}

TEST_CASE("events and log lines are the last ones asked for, oldest first") {
    const TempFolder temp;
    Served<> server(temp.path());
    for (int i = 1; i <= 250; ++i) {
        server.event("{\"n\":" + std::to_string(i) + "}");
        server.log("line " + std::to_string(i));
    }
    CHECK(Peer(temp.path(), R"({"want":"events","count":2})").rest() ==
          Lines{R"({"event":{"n":249}})", R"({"event":{"n":250}})", "<end>"});
    CHECK(Peer(temp.path(), R"({"want":"logs","count":1})").rest() ==
          Lines{R"({"log":"line 250"})", "<end>"});
    CHECK(Peer(temp.path(), R"({"want":"logs","count":0})").rest() == Lines{"<end>"});
    CHECK(Peer(temp.path(), R"({"want":"logs","count":100000})").rest().size() == 251);
    const auto lines = Peer(temp.path(), R"({"want":"logs"})").rest();
    REQUIRE(lines.size() == 201);
    CHECK(lines.front() == R"({"log":"line 51"})");
}

TEST_CASE("a log line of any bytes arrives as JSON") {
    const TempFolder temp;
    Served<> server(temp.path());
    server.log("say \"hi\" \x01 \xc3\xa4 \xff\ttab\nline");
    CHECK(Peer(temp.path(), R"({"want":"logs"})").line() ==
          "{\"log\":\"say \\\"hi\\\" \\u0001 \xc3\xa4 \xef\xbf\xbd\\ttab\\nline\"}");
}

TEST_CASE("a follower sees what was there and then each new thing, once") {
    const TempFolder temp;
    Served<> server(temp.path());
    server.log("one");
    server.event(R"({"n":1})");
    Peer logs(temp.path(), R"({"want":"logs","follow":true})");
    Peer events(temp.path(), R"({"want":"events","follow":true})");
    Peer status(temp.path(), R"({"want":"status","follow":true})");
    CHECK(logs.line() == R"({"log":"one"})");
    CHECK(status.line() == R"({"status":{"schema":1,"state":"running","healthy":true}})");
    server.event(R"({"n":2})");
    server.log("two");
    server.status(R"({"state":"stopped"})");
    server.log("three");
    CHECK(logs.line() == R"({"log":"two"})");
    CHECK(logs.line() == R"({"log":"three"})");
    CHECK(status.line() == R"({"status":{"state":"stopped"}})");

    server.close();
    CHECK(logs.rest() == Lines{"<end>"});
    // Whether its follower was served before or after it was published: each event comes exactly
    // once.
    CHECK(events.rest() == Lines{R"({"event":{"n":1}})", R"({"event":{"n":2}})", "<end>"});
    CHECK(status.rest() == Lines{"<end>"});
}

TEST_CASE(
    "no line is lost or doubled between a follower's answer and what is published meanwhile") {
    const TempFolder temp;
    Served<> server(temp.path());
    constexpr int kLines = 3000;
    std::thread writer([&] {
        for (int i = 0; i < kLines; ++i) {
            server.log(std::to_string(i));
        }
    });
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 10; ++i) {
        peers.push_back(
            std::make_unique<Peer>(temp.path(), R"({"want":"logs","follow":true,"count":100000})"));
        CHECK(peers.back()->connected());
    }
    writer.join();
    for (auto& peer : peers) {
        bool in_order = true;
        for (int i = 0; i < kLines && in_order; ++i) {
            in_order = peer->line() == "{\"log\":\"" + std::to_string(i) + "\"}";
        }
        CHECK(in_order);
    }
}

TEST_CASE("a request that is none is refused with its reason") {
    const TempFolder temp;
    Served<> server(temp.path());
    const auto [request, reason] = GENERATE(table<std::string, std::string>({
        {"hello",
         "the request is not a JSON object; send one line such as {\\\"want\\\":\\\"status\\\"}"},
        {"",
         "the request is not a JSON object; send one line such as {\\\"want\\\":\\\"status\\\"}"},
        {"[1]",
         "the request is not a JSON object; send one line such as {\\\"want\\\":\\\"status\\\"}"},
        {"{\"want\":\"status\"",
         "the request is not a JSON object; send one line such as {\\\"want\\\":\\\"status\\\"}"},
        {std::string(4000, '['),
         "the request is not a JSON object; send one line such as {\\\"want\\\":\\\"status\\\"}"},
        {std::string("{\"want\":\"\xff\"}"),
         "the request is not a JSON object; send one line such as {\\\"want\\\":\\\"status\\\"}"},
        {"{}", "want: must be \\\"status\\\", \\\"events\\\" or \\\"logs\\\" (got no text)"},
        {R"({"want":7})",
         "want: must be \\\"status\\\", \\\"events\\\" or \\\"logs\\\" (got no text)"},
        {R"({"want":"stop"})",
         "want: must be \\\"status\\\", \\\"events\\\" or \\\"logs\\\" (got \\\"stop\\\")"},
        {R"({"want":"status","follow":1})", "follow: must be true or false"},
        {R"({"want":"status","follow":"true"})", "follow: must be true or false"},
        {R"({"want":"logs","count":-1})", "count: must be a whole number from 0 to 100000"},
        {R"({"want":"logs","count":100001})", "count: must be a whole number from 0 to 100000"},
        {R"({"want":"logs","count":1.5})", "count: must be a whole number from 0 to 100000"},
        {R"({"want":"logs","count":1e99})", "count: must be a whole number from 0 to 100000"},
        {R"({"want":"logs","count":"9"})", "count: must be a whole number from 0 to 100000"},
    }));
    INFO(request);
    CHECK(Peer(temp.path(), request).rest() == Lines{"{\"error\":\"" + reason + "\"}", "<end>"});
    CHECK(Peer(temp.path(), R"({"want":"status"})").rest().size() == 2);
}

TEST_CASE("a request may come in pieces, or end with the requester's side of the connection") {
    const TempFolder temp;
    Served<> server(temp.path());
    const std::string answer = R"({"status":{"schema":1,"state":"running","healthy":true}})";
    SECTION("byte by byte") {
        Peer peer(temp.path());
        for (const char c : std::string("{\"want\":\"status\"}\n")) {
            CHECK((c != '\n' || server.wait_for_clients(1)));
            CHECK(peer.send(std::string(1, c)));
        }
        CHECK(peer.rest() == Lines{answer, "<end>"});
    }
    SECTION("with the end of the line missing") {
        Peer peer(temp.path());
        CHECK(peer.send(R"({"want":"status"})"));
        peer.half_close();
        CHECK(peer.rest() == Lines{answer, "<end>"});
    }
    SECTION("the end of the requester's side comes with the request") {
        Peer peer(temp.path(), R"({"want":"status"})");
        peer.half_close();
        CHECK(peer.rest() == Lines{answer, "<end>"});
    }
    SECTION("nothing at all") {
        Peer peer(temp.path());
        peer.half_close();
        CHECK(peer.rest() == Lines{"<end>"});
    }
    SECTION("what comes after the request is ignored") {
        Peer peer(temp.path(), "{\"want\":\"status\",\"follow\":true}\nmore\n{\"want\":\"logs\"}");
        CHECK(peer.line() == answer);
        CHECK(peer.send(std::string(100'000, 'x')));
        server.status(R"({"n":2})");
        CHECK(peer.line() == R"({"status":{"n":2}})");
    }
    CHECK(server.wait_for_clients(0));
}

TEST_CASE("a follower who goes away is forgotten") {
    const TempFolder temp;
    Served<> server(temp.path());
    Peer gone(temp.path(), R"({"want":"status","follow":true})");
    Peer half(temp.path(), R"({"want":"status","follow":true})");
    Peer stays(temp.path(), R"({"want":"status","follow":true})");
    for (auto* const peer : {&gone, &half, &stays}) {
        CHECK(peer->line().starts_with("{\"status\":"));
    }
    CHECK(server.clients() == 3);
    gone.close();
    CHECK(server.wait_for_clients(2));
    half.half_close();
    CHECK(half.rest() == Lines{"<end>"});
    CHECK(server.wait_for_clients(1));
    server.status(R"({"n":2})");
    CHECK(stays.line() == R"({"status":{"n":2}})");
}

TEST_CASE("it is known what somebody follows") {
    const TempFolder temp;
    Served<> server(temp.path());
    const auto followed = [&server] {
        return server.on_loop([&] {
            const auto& socket = server.socket();
            return std::array{socket.has_status_followers(), socket.has_event_followers(),
                              socket.has_log_followers()};
        });
    };
    Peer asks(temp.path(), R"({"want":"status"})");
    CHECK(asks.line().starts_with("{\"status\":"));
    CHECK(followed() == std::array{false, false, false});
    server.event(R"({"n":1})");
    Peer events(temp.path(), R"({"want":"events","follow":true})");
    CHECK(events.line() == R"({"event":{"n":1}})");
    CHECK(followed() == std::array{false, true, false});
    Peer status(temp.path(), R"({"want":"status","follow":true})");
    CHECK(status.line().starts_with("{\"status\":"));
    server.log("a line");
    Peer logs(temp.path(), R"({"want":"logs","follow":true})");
    CHECK(logs.line() == R"({"log":"a line"})");
    CHECK(followed() == std::array{true, true, true});
    events.close();
    status.close();
    CHECK(server.wait_for_clients(1));
    CHECK(followed() == std::array{false, false, true});
}

TEST_CASE("a source that fails costs an answer, not the server") {
    const TempFolder temp;
    Served<> server(temp.path());
    server.on_loop([&] { server.broken = true; });
    for (const char* want : {"status", "events", "logs"}) {
        CHECK(Peer(temp.path(), std::string(R"({"want":")") + want + "\"}").rest() ==
              Lines{R"({"error":"the server cannot answer this at the moment; try again"})",
                    "<end>"});
    }
    server.on_loop([&] { server.broken = false; });
    CHECK(Peer(temp.path(), R"({"want":"status"})").rest().size() == 2);
}

TEST_CASE("the socket is private whatever the umask, replaces an old one, and goes with close()") {
    const TempFolder temp;
    write_file(temp / "status.sock", "what a killed server left");
    const mode_t before = ::umask(GENERATE(0U, 022U, 0777U));
    {
        Served<> server(temp.path());
        ::umask(before);
        struct stat info {};
        REQUIRE(::lstat((temp / "status.sock").c_str(), &info) == 0);
        CHECK(S_ISSOCK(info.st_mode));
        CHECK((info.st_mode & 07777) == 0600);
        server.close();
        CHECK_FALSE(fs::exists(temp / "status.sock"));
        server.close();
        // It can be opened again.
        CHECK(server.on_loop([&] { return server.reopen(temp.path()); }));
        CHECK(Peer(temp.path(), R"({"want":"status"})").rest().size() == 2);
    }
    CHECK_FALSE(fs::exists(temp / "status.sock"));
}

TEST_CASE("the path of the folder may be longer than a socket address") {
    const TempFolder temp;
    std::string folder = temp.path();
    while (folder.size() < 1000) {
        folder += "/" + std::string(100, 'x');
    }
    fs::create_directories(folder);
    Served<> server(folder);
    CHECK(fs::is_socket(folder + "/status.sock"));
    CHECK(Peer(folder, R"({"want":"status"})").rest().size() == 2);
}

TEST_CASE("a socket that cannot be made says why and leaves nothing") {
    const TempFolder temp;
    SECTION("no such folder") {
        Served<> server(temp / "none", /*must_open=*/false);
        CHECK(server.error() == temp / "none" + ": No such file or directory");
    }
    SECTION("a folder in its place") {
        fs::create_directories(temp / "status.sock/full");
        Served<> server(temp.path(), /*must_open=*/false);
        CHECK(server.error() ==
              temp / "status.sock" + ": the status socket cannot be made: Address already in use");
        CHECK(fs::is_directory(temp / "status.sock/full"));
    }
}
