// The protocol itself: answers, refusals, no leaks, a full socket.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>

#include "fixture.hpp"

namespace steward::test {
namespace {

TEST_CASE("PING is answered with its token, quickly") {
    Guardian guardian;
    guardian.ask(kStewardGuardianPing);
    std::vector<double> microseconds;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        steward_guardian_order ping = guardian.order(kStewardGuardianPing);
        ping.token = 0x8000000000000000U + i;
        const auto begin = std::chrono::steady_clock::now();
        guardian.send(ping);
        const auto pong = guardian.expect(kStewardGuardianPong).report;
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - begin;
        microseconds.push_back(took.count());
        REQUIRE(pong.token == ping.token);
        REQUIRE(pong.seq == ping.seq);
    }
    std::sort(microseconds.begin(), microseconds.end());
    INFO("median " << microseconds[500] << " us, largest " << microseconds[999] << " us");
    CHECK(microseconds[500] < 5000);
    CHECK(microseconds[999] < 200000);
}

// A SPAWN order that would be obeyed, in parts that a test can spoil.
struct Spawn {
    explicit Spawn(Guardian& guardian)
        : request(run_app({})), order(guardian.order(kStewardGuardianSpawn)) {
        document = make_document(request);
        order.generation = 1;
        order.argc = static_cast<std::uint32_t>(request.argv.size());
        order.envc = static_cast<std::uint32_t>(request.env.size());
        order.document_size = document.size();
        memfd = make_memfd(document);
    }
    [[nodiscard]] std::vector<int> fds() const {
        return {memfd.get(), out.write.get(), STDERR_FILENO};
    }
    SpawnRequest request;
    steward_guardian_order order;
    std::string document;
    Fd memfd;
    Pipe out = make_pipe();
};

// Sends it and expects the refusal, closed descriptors and no process.
void check_rejected(Guardian& guardian, Spawn& spawn, const std::vector<int>& fds,
                    std::uint32_t reason) {
    guardian.ask(kStewardGuardianPing);
    const std::size_t before = guardian.open_fds();
    guardian.send(spawn.order, fds);
    const auto rejected = guardian.expect(kStewardGuardianRejected).report;
    CHECK(rejected.seq == spawn.order.seq);
    CHECK(rejected.detail == reason);
    guardian.ask(kStewardGuardianPing);
    CHECK(guardian.open_fds() == before);
    CHECK(guardian.children().empty());
    char byte = 0;
    spawn.out.write.reset();
    REQUIRE(wait_readable(spawn.out.read.get(), kSecond));
    CHECK(read(spawn.out.read.get(), &byte, 1) == 0);
}

void check_rejected(Guardian& guardian, Spawn& spawn, std::uint32_t reason) {
    check_rejected(guardian, spawn, spawn.fds(), reason);
}

TEST_CASE("a SPAWN order with a wrong field is refused") {
    Guardian guardian;
    Spawn spawn(guardian);
    steward_guardian_order& order = spawn.order;
    constexpr auto kMalformed = kStewardGuardianReasonMalformed;
    SECTION("unknown type") {
        order.type = 99;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("unknown flag") {
        order.flags = 2;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("no command line") {
        order.argc = 0;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("too many arguments") {
        order.argc = STEWARD_GUARDIAN_MAX_ARGS + 1;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("too large an environment") {
        order.envc = UINT32_MAX;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("LISTEN_PID outside of the environment") {
        order.listen_pid_index = 1;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("LISTEN_PID at a negative index") {
        order.listen_pid_index = -2;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("document size 0") {
        order.document_size = 0;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("document size beyond the limit") {
        order.document_size = STEWARD_GUARDIAN_MAX_DOCUMENT + 1;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("wrong size") {
        order.size = 1;
        check_rejected(guardian, spawn, kMalformed);
    }
    SECTION("other version") {
        order.version = 2;
        check_rejected(guardian, spawn, kStewardGuardianReasonVersion);
    }
    SECTION("generation 0") {
        order.generation = 0;
        check_rejected(guardian, spawn, kStewardGuardianReasonGeneration);
    }
}

TEST_CASE("a SPAWN order with a wrong document is refused") {
    Guardian guardian;
    Spawn spawn(guardian);
    constexpr auto kDocument = kStewardGuardianReasonDocument;
    SECTION("not sealed") {
        spawn.memfd = make_memfd(spawn.document, 0);
    }
    SECTION("only partly sealed") {
        spawn.memfd = make_memfd(spawn.document, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    }
    SECTION("no memfd") {
        spawn.memfd = Fd(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    }
    SECTION("longer than announced") {
        --spawn.order.document_size;
    }
    SECTION("shorter than announced") {
        ++spawn.order.document_size;
    }
    SECTION("fewer strings than announced") {
        ++spawn.order.envc;
    }
    SECTION("more strings than announced") {
        --spawn.order.envc;
    }
    SECTION("does not end with a NUL") {
        spawn.document.back() = 'x';
        spawn.memfd = make_memfd(spawn.document);
    }
    SECTION("LISTEN_PID is another entry") {
        spawn.order.listen_pid_index = 0;
    }
    check_rejected(guardian, spawn, kDocument);
}

TEST_CASE("an order with wrong descriptors is refused and they are closed") {
    Guardian guardian;
    Spawn spawn(guardian);
    constexpr auto kDescriptors = kStewardGuardianReasonDescriptors;
    const int out = spawn.out.write.get();
    std::vector<int> fds = spawn.fds();
    SECTION("none") {
        fds.clear();
    }
    SECTION("one too few") {
        fds.pop_back();
    }
    SECTION("a listener that was not announced") {
        fds.push_back(out);
    }
    SECTION("an announced listener that is missing") {
        spawn.order.flags = kStewardGuardianHasListener;
    }
    SECTION("one too many") {
        fds.insert(fds.end(), 2, out);
    }
    SECTION("two hundred") {
        fds.insert(fds.end(), 200, out);
    }
    SECTION("any with a PING") {
        spawn.order.type = kStewardGuardianPing;
        fds.insert(fds.end(), 200, out);
    }
    SECTION("one with KILL") {
        spawn.order.type = kStewardGuardianKill;
        fds = {out};
    }
    check_rejected(guardian, spawn, fds, kDescriptors);
}

TEST_CASE("a packet that is no order is refused with seq 0 and the guardian goes on") {
    Guardian guardian;
    guardian.ask(kStewardGuardianPing);
    const std::size_t before = guardian.open_fds();
    const Pipe pipe = make_pipe();
    const std::vector<char> zeros(100, '\0');
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{55}, std::size_t{57}, std::size_t{100}}) {
        CAPTURE(size);
        REQUIRE(send_order(guardian.socket(), zeros.data(), size, {pipe.write.get()}) == 0);
        CHECK(guardian.expect(kStewardGuardianRejected).report.seq == 0);
    }
    guardian.ask(kStewardGuardianPing);
    CHECK(guardian.open_fds() == before);
}

TEST_CASE("SPAWN is refused while the tree is not empty, and for a generation that has been") {
    Guardian guardian;
    start_ready(guardian, run_app({}, 5));
    Spawn spawn(guardian);
    spawn.order.generation = 6;
    guardian.send(spawn.order, spawn.fds());
    CHECK(guardian.expect(kStewardGuardianRejected).report.detail ==
          kStewardGuardianReasonNotEmpty);
    guardian.ask(kStewardGuardianKill, 5);
    guardian.expect(kStewardGuardianExited);
    guardian.expect(kStewardGuardianEmpty);
    for (const std::uint64_t generation : {4U, 5U}) {
        spawn.order.generation = generation;
        guardian.send(spawn.order, spawn.fds());
        CHECK(guardian.expect(kStewardGuardianRejected).report.detail ==
              kStewardGuardianReasonGeneration);
    }
    spawn.order.generation = 6;
    guardian.send(spawn.order, spawn.fds());
    guardian.expect(kStewardGuardianAck);
    CHECK(guardian.expect(kStewardGuardianStarted).report.generation == 6);
}

TEST_CASE("TERM and KILL for another generation are refused and harm nothing") {
    Guardian guardian;
    const Received started = start_ready(guardian, run_app({}, 2));
    for (const std::uint16_t type : {kStewardGuardianTerm, kStewardGuardianKill}) {
        for (const std::uint64_t generation : {1U, 3U}) {
            steward_guardian_order order = guardian.order(type);
            order.generation = generation;
            guardian.send(order);
            CHECK(guardian.expect(kStewardGuardianRejected).report.detail ==
                  kStewardGuardianReasonGeneration);
        }
    }
    CHECK_FALSE(wait_readable(started.fd.get(), Milliseconds(0)));
}

TEST_CASE("five hundred instances leave no zombie and no descriptor behind") {
    Guardian guardian;
    guardian.ask(kStewardGuardianPing);
    const std::size_t before = guardian.open_fds();
    for (std::uint64_t generation = 1; generation <= 500; ++generation) {
        SpawnRequest request = run_app({"--exit-code", "0"}, generation);
        if (generation % 5 == 0) {
            request.argv = {"/nonexistent/program"};
            guardian.send_spawn(request);
            guardian.expect(kStewardGuardianAck);
            guardian.expect(kStewardGuardianExecFailed);
        } else {
            guardian.start(request);
            guardian.expect(kStewardGuardianExited);
        }
        guardian.expect(kStewardGuardianEmpty);
    }
    guardian.ask(kStewardGuardianPing);
    CHECK(guardian.open_fds() == before);
    CHECK(guardian.children().empty());
}

TEST_CASE("reports are kept while the supervisor does not read, and the app stays to be reaped") {
    Guardian guardian;
    const Received started = start_ready(guardian, run_app({"--children", "2"}));
    // Until neither socket buffer takes any more, and the guardian, which sleeps although there are
    // orders, has stopped reading as well.
    std::uint64_t sent = 0;
    steward_guardian_order ping = guardian.order(kStewardGuardianPing);
    const std::uint64_t first = ping.seq;
    REQUIRE(wait_until(
        [&] {
            const std::uint64_t before = sent;
            while (send_order(guardian.socket(), &ping, sizeof ping, {}) == 0) {
                ++sent;
                ping = guardian.order(kStewardGuardianPing);
            }
            return sent == before && process_state(guardian.pid()) == 'S';
        },
        5 * kSecond));
    CHECK(sent > 100);
    signal_by_pidfd(started.fd.get(), SIGABRT);
    REQUIRE(wait_readable(started.fd.get(), kSecond));
    CHECK(process_state(started.report.pid) == 'Z');

    std::uint64_t pongs = 0;
    std::uint64_t exited = 0;
    while (pongs < sent || exited == 0) {
        const auto received = guardian.receive();
        REQUIRE(received);
        if (received->report.type == kStewardGuardianPong) {
            REQUIRE(received->report.seq == first + pongs);
            ++pongs;
        }
        if (received->report.type == kStewardGuardianExited) {
            ++exited;
            CHECK(WTERMSIG(received->report.status) == SIGABRT);
        }
    }
    CHECK(pongs == sent);
    CHECK(exited == 1);
    guardian.ask(kStewardGuardianKill);
    guardian.expect(kStewardGuardianEmpty);
}

TEST_CASE("a tree can be ended while the supervisor does not read, and the guardian with it") {
    Guardian guardian;
    const SpawnRequest request = run_app({"--ignore-term", "--grandchild"});
    start_ready(guardian, request);
    steward_guardian_order ping = guardian.order(kStewardGuardianPing);
    while (wait_until([&] { return send_order(guardian.socket(), &ping, sizeof ping, {}) == 0; },
                      Milliseconds(20))) {
        ping = guardian.order(kStewardGuardianPing);
    }
    SECTION("by a signal: the app remains a zombie until it can be reported") {
        signal_by_pidfd(guardian.pidfd(), SIGTERM);
        CHECK(wait_until([&] { return nothing_left(request); }));
        CHECK_FALSE(wait_readable(guardian.pidfd(), Milliseconds(0)));
        bool empty = false;
        while (const auto received = guardian.receive()) {
            empty = empty || received->report.type == kStewardGuardianEmpty;
        }
        CHECK(empty);
    }
    SECTION("by the end of the socket") {
        guardian.close_socket();
    }
    CHECK(guardian.wait_for_exit() == 0);
    CHECK(nothing_left(request));
}

}  // namespace
}  // namespace steward::test
