// What is bounded: who is served, how many, how much, for how long.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <thread>

#include "status_bench.hpp"
#include "status_socket.hpp"

using namespace steward;
using namespace steward::test;
using host::StatusSocket;

namespace {

const std::string kFollow = R"({"want":"logs","follow":true})";

std::string log_reply(const std::string& text) {
    return "{\"log\":\"" + text + "\"}";
}

}  // namespace

TEST_CASE("only the server's user and root may ask") {
    CHECK(host::may_ask(1000, 1000));
    CHECK(host::may_ask(0, 1000));
    CHECK(host::may_ask(0, 0));
    CHECK_FALSE(host::may_ask(1001, 1000));
    CHECK_FALSE(host::may_ask(1000, 0));
}

TEST_CASE("another user finds the connection closed, even when the file's rights let him in") {
    if (::geteuid() != 0) {
        WARN("needs root to become another user");
        return;
    }
    const TempFolder temp;
    Served<> server(temp.path());
    fs::permissions(temp.path(), fs::perms(0755));
    fs::permissions(temp / "status.sock", fs::perms(0666));
    bool connected = false;
    Lines answer;
    // The system call itself changes the calling thread alone; the C library would change all.
    std::thread([&] {
        if (::syscall(SYS_setresuid, 65534, 65534, 65534) == 0) {
            Peer stranger(temp.path());
            connected = stranger.connected();
            stranger.send("{\"want\":\"status\"}\n");
            answer = stranger.rest();
        }
    }).join();
    CHECK(connected);
    CHECK(answer == Lines{"<end>"});
    CHECK(Peer(temp.path(), R"({"want":"status"})").rest().size() == 2);
}

TEST_CASE("a request has at most 4096 bytes") {
    const TempFolder temp;
    Served<> server(temp.path());
    const std::string request = R"({"want":"status"})";
    const std::string longest =
        request + std::string(StatusSocket::kMaxRequestBytes - request.size(), ' ');
    CHECK(Peer(temp.path(), longest).line().starts_with("{\"status\":"));
    const Lines refused{R"({"error":"the request is longer than 4096 bytes"})", "<end>"};
    CHECK(Peer(temp.path(), longest + " ").rest() == refused);
    SECTION("and is not waited for when it goes on and on") {
        Peer endless(temp.path());
        CHECK(endless.send(std::string(10'000, 'x')));
        CHECK(endless.rest() == refused);
    }
}

TEST_CASE("thirty-two are served at once, one more is told so") {
    const TempFolder temp;
    Served<> server(temp.path());
    std::vector<std::unique_ptr<Peer>> peers;
    for (std::size_t i = 0; i < StatusSocket::kMaxClients; ++i) {
        peers.push_back(std::make_unique<Peer>(temp.path(), kFollow));
        REQUIRE(peers.back()->connected());
    }
    REQUIRE(server.wait_for_clients(StatusSocket::kMaxClients));
    const Lines refused{
        R"({"error":"too many connections (at most 32); end one of them and try again"})", "<end>"};
    CHECK(Peer(temp.path()).rest() == refused);
    CHECK(server.clients() == StatusSocket::kMaxClients);
    server.log("for all");
    for (auto& peer : peers) {
        CHECK(peer->line() == log_reply("for all"));
    }
    peers.pop_back();
    CHECK(server.wait_for_clients(StatusSocket::kMaxClients - 1));
    CHECK(Peer(temp.path(), R"({"want":"status"})").rest().size() == 2);
}

TEST_CASE("an answer has at most 512 KiB, the newest lines") {
    const TempFolder temp;
    Served<> server(temp.path());
    const std::string filler(1000, 'x');
    server.on_loop([&] {
        for (int i = 0; i < 2000; ++i) {
            server.lines.push_back(filler + std::to_string(i));
        }
    });
    const auto lines = Peer(temp.path(), R"({"want":"logs","count":100000})").rest();
    std::size_t bytes = 0;
    for (const auto& line : lines) {
        bytes += line == "<end>" ? 0 : line.size() + 1;
    }
    CHECK(bytes <= StatusSocket::kMaxAnswerBytes);
    CHECK(bytes > StatusSocket::kMaxAnswerBytes - 2000);
    REQUIRE(lines.size() > 2);
    CHECK(lines.back() == "<end>");
    CHECK(lines[lines.size() - 2] == log_reply(filler + "1999"));
}

TEST_CASE("a slow follower is dropped with a note, the others miss nothing") {
    const TempFolder temp;
    Served<> server(temp.path());
    Peer slow(temp.path(), kFollow);
    std::vector<std::unique_ptr<Peer>> fast;
    for (int i = 0; i < 10; ++i) {
        fast.push_back(std::make_unique<Peer>(temp.path(), kFollow));
    }
    REQUIRE(server.wait_for_clients(11));
    server.log("first");
    CHECK(slow.line() == log_reply("first"));
    for (auto& peer : fast) {
        CHECK(peer->line() == log_reply("first"));
    }

    // Much more than the server keeps and the kernel holds for one connection together.
    const std::string filler(30'000, 'x');
    constexpr int kLines = 100;
    int wrong = 0;
    for (int i = 0; i < kLines; ++i) {
        server.log(filler + std::to_string(i));
        for (auto& peer : fast) {
            wrong += peer->line() != log_reply(filler + std::to_string(i));
        }
    }
    CHECK(wrong == 0);

    auto seen = slow.rest();
    REQUIRE(seen.size() >= 3);
    CHECK(seen.back() == "<end>");
    seen.pop_back();
    const std::string note = seen.back();
    seen.pop_back();
    for (std::size_t i = 0; i < seen.size(); ++i) {
        wrong += seen[i] != log_reply(filler + std::to_string(i));
    }
    CHECK(wrong == 0);
    const std::string head = "{\"error\":\"too slow: ";
    REQUIRE(note.starts_with(head));
    CHECK(note.ends_with(" lines were not read in time; ask again\"}"));
    // All that was published until then was either delivered or counted.
    const std::size_t lost = std::stoul(note.substr(head.size()));
    CHECK(lost * filler.size() > StatusSocket::kMaxWaitingBytes - 3 * filler.size());
    CHECK(seen.size() + lost <= kLines);
    CHECK(seen.size() + lost > StatusSocket::kMaxWaitingBytes / filler.size());
    CHECK(server.wait_for_clients(10));
}

TEST_CASE("a line too long for any follower ends his connection with the note") {
    const TempFolder temp;
    Served<> server(temp.path());
    Peer peer(temp.path(), kFollow);
    REQUIRE(server.wait_for_clients(1));
    server.log("before");
    CHECK(peer.line() == log_reply("before"));
    server.log(std::string(StatusSocket::kMaxWaitingBytes, 'x'));
    CHECK(peer.rest() ==
          Lines{R"({"error":"too slow: 1 lines were not read in time; ask again"})", "<end>"});
}

TEST_CASE("who does not ask, or does not read his answer, is not waited for") {
    const TempFolder temp;
    Served<HandTimers> server(temp.path());
    server.on_loop([&] { server.lines.assign(500, std::string(1000, 'x')); });

    Peer silent(temp.path());
    Peer unfinished(temp.path());
    CHECK(unfinished.send("{\"want\":"));
    Peer unread(temp.path(), R"({"want":"logs","count":500})");
    Peer follower(temp.path(), R"({"want":"status","follow":true})");
    CHECK(follower.line().starts_with("{\"status\":"));
    REQUIRE(server.wait_for_clients(4));
    // The follower, who has his answer, has all the time of the world.
    REQUIRE(server.scheduler().wait_for_timers(3));
    const auto longest = server.on_loop([&] { return server.scheduler().fire(); });
    CHECK(longest <= StatusSocket::kPatience);
    CHECK(longest > StatusSocket::kPatience - 100ms);

    CHECK(server.clients() == 1);
    CHECK(silent.rest() == Lines{"<end>"});
    CHECK(unfinished.rest() == Lines{"<end>"});
    CHECK(unread.rest().size() < 500);
    server.status(R"({"n":2})");
    CHECK(follower.line() == R"({"status":{"n":2}})");
}

TEST_CASE("a dropped follower who does not even read the note is not waited for") {
    const TempFolder temp;
    Served<HandTimers> server(temp.path());
    Peer slow(temp.path(), kFollow);
    REQUIRE(server.wait_for_clients(1));
    REQUIRE(server.scheduler().wait_for_timers(0));
    const std::string line(100'000, 'x');
    for (int i = 0; i < 30; ++i) {
        server.log(line);
    }
    REQUIRE(server.scheduler().wait_for_timers(1));
    CHECK(server.clients() == 1);
    server.on_loop([&] { return server.scheduler().fire(); });
    CHECK(server.clients() == 0);
}

TEST_CASE("out of descriptors, the server pauses and serves again later") {
    const TempFolder temp;
    Served<HandTimers> server(temp.path());
    Peer peer(temp.path());
    REQUIRE(server.wait_for_clients(1));
    peer.close();
    REQUIRE(server.wait_for_clients(0));
    REQUIRE(server.scheduler().wait_for_timers(0));

    const auto address = host::StatusAddress::of(temp.path());
    REQUIRE(address);
    const core::UniqueFd waiting(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const bool connected = ::connect(waiting.get(), address->get(), sizeof address->address) == 0;
    const bool paused = server.scheduler().wait_for_timers(1);
    const auto clients = server.clients();
    ::setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE(connected);
    REQUIRE(paused);
    CHECK(clients == 0);

    const auto pause = server.on_loop([&] { return server.scheduler().fire(); });
    CHECK(pause <= 1s);
    CHECK(pause > 900ms);
    CHECK(server.wait_for_clients(1));
    CHECK(Peer(temp.path(), R"({"want":"status"})").rest().size() == 2);
}
