// What is told, and what is left, when the guardian is killed.
#include <sys/resource.h>
#include <sys/wait.h>

#include <random>

#include "client_bed.hpp"

using namespace steward::test;
namespace core = steward::core;

TEST_CASE("a killed guardian: the app's end is told with a note and its tree is emptied") {
    ClientBed bed;
    bed.start({"--ignore-term", "--grandchild", "--children", "3"});
    REQUIRE(wait_until([&] { return processes_with_env(bed.nonce).size() >= 5; }, 10s));
    const auto guardian = bed.guardian();
    REQUIRE(::kill(guardian, SIGKILL) == 0);
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    const auto exited = bed.last("exited").exited;
    CHECK(exited.signaled);
    CHECK(exited.code == SIGKILL);
    CHECK(exited.note == "the guardian was killed");
    CHECK(bed.nothing_left());
    CHECK(process_state(guardian) == '-');
    CHECK(bed.guardian() == 0);

    // The next start has a new guardian.
    const auto known = bed.told().size();
    bed.start();
    CHECK(bed.guardian() > 0);
    CHECK(bed.guardian() != guardian);
    bed.terminate();
    REQUIRE(bed.wait_for("empty", known));
    CHECK(bed.story(known) == kLife);
    CHECK(bed.last("exited").exited.note.empty());
}

TEST_CASE("a guardian that is killed after the app's end still leads to an empty tree") {
    ClientBed bed;
    bed.start({"--grandchild", "--crash-after-ms", "50", "--crash-code", "5"});
    REQUIRE(bed.wait_for("exited"));
    REQUIRE(::kill(bed.guardian(), SIGKILL) == 0);
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.last("exited").exited.code == 5);
    CHECK(bed.nothing_left());
}

TEST_CASE("a guardian that is killed while it has no tree is replaced without a word") {
    ClientBed bed;
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty"));
    const auto guardian = bed.guardian();
    REQUIRE(::kill(guardian, SIGKILL) == 0);
    REQUIRE(wait_until([&] { return bed.guardian() == 0; }, 5s));
    CHECK(bed.told().size() == 3);
    CHECK(process_state(guardian) == '-');
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty", 3));
}

TEST_CASE("a start right after an unnoticed death ends in one way and the next one works") {
    ClientBed bed;
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty"));
    auto request = std::make_shared<core::SpawnRequest>(bed.request({STEWARD_TEST_APP}));
    bed.loop.run([&] {
        ::kill(bed.client->guardian_pid(), SIGKILL);
        (void)wait_until([&] { return process_state(bed.client->guardian_pid()) == 'Z'; }, 5s);
        bed.client->spawn(std::move(*request));
    });
    REQUIRE(bed.wait_for_end(3));
    CHECK(bed.story(3) == kFailure);
    CHECK(bed.last("spawn_failed").failed.retryable);
    REQUIRE(wait_until([&] { return bed.guardian() == 0; }, 5s));
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty", 4));
    CHECK(bed.story(4) == kLife);
}

TEST_CASE("a guardian that is killed at any instant of a start leads to one clear end") {
    std::mt19937 random(20261122);
    ClientBed bed;
    int lives = 0;
    int failures = 0;
    for (int i = 0; i < 120; ++i) {
        // Every other time the guardian is there already, else it is killed while it comes up.
        if (i % 2 == 0 && bed.guardian() == 0) {
            const auto known = bed.told().size();
            bed.spawn({"--exit-code", "0"});
            REQUIRE(bed.wait_for("empty", known));
        }
        const auto known = bed.told().size();
        bed.spawn({"--ignore-term", "--grandchild", "--children", "2"});
        const auto guardian = bed.guardian();
        std::this_thread::sleep_for(
            std::chrono::microseconds(std::uniform_int_distribution<int>(0, 4000)(random)));
        if (guardian != 0) {
            REQUIRE(::kill(guardian, SIGKILL) == 0);
        }
        REQUIRE(bed.wait_for_end(known));
        // Nothing comes after the end.
        REQUIRE(wait_until([&] { return bed.guardian() == 0; }, 5s));
        const auto story = bed.story(known);
        CAPTURE(i, story);
        const bool lived = story == kLife;
        REQUIRE((lived || story == kFailure));
        lived ? ++lives : ++failures;
        if (!lived) {
            CHECK(bed.last("spawn_failed").failed.retryable);
        }
        REQUIRE(bed.nothing_left());
    }
    INFO(lives << " lives, " << failures << " failed starts");
    CHECK(lives + failures == 120);
}

TEST_CASE("the supervisor's own children survive the sweep") {
    ClientBed bed;
    core::ProcessSpec spec;
    spec.file = "/bin/sleep";
    spec.argv = {"sleep", "60"};
    spec.descriptors = {{-1, 0}, {-1, 1}, {-1, 2}};
    auto helper = core::spawn(spec);
    REQUIRE(helper);
    for (int i = 0; i < 5; ++i) {
        const auto known = bed.told().size();
        bed.start({"--grandchild"});
        REQUIRE(::kill(bed.guardian(), SIGKILL) == 0);
        REQUIRE(bed.wait_for("empty", known));
    }
    CHECK(process_state(helper->pid) == 'S');
    int status = 0;
    CHECK_FALSE(core::reap(*helper, &status));
    REQUIRE(::kill(helper->pid, SIGKILL) == 0);
    REQUIRE(wait_readable(helper->pidfd.get(), 5s));
    CHECK(core::reap(*helper, &status));
    CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("two clients: the death of one guardian does not touch the other's tree") {
    ClientBed one;
    ClientBed two;
    one.start({"--grandchild"});
    const auto pid = two.start({"--grandchild"});
    for (int i = 0; i < 3; ++i) {
        const auto known = one.told().size();
        REQUIRE(::kill(one.guardian(), SIGKILL) == 0);
        REQUIRE(one.wait_for("empty", i == 0 ? 0 : known));
        one.start({"--grandchild"});
    }
    CHECK(process_state(pid) != '-');
    CHECK(two.story() == Story{"started"});
    two.kill();
    REQUIRE(two.wait_for("empty"));
    one.kill();
    REQUIRE(wait_until([&] { return one.nothing_left(); }, 5s));
}

TEST_CASE("what the guardian said before it died is heard, also behind an unread order") {
    ClientBed bed;
    const auto pid = bed.start({"--crash-after-ms", "50", "--crash-code", "7"});
    bool reported = false;
    bool died = false;
    bed.loop.run([&] {
        const auto guardian = bed.client->guardian_pid();
        // Reaped: the reports lie in the socket, unread, for this is the loop's thread.
        reported = wait_until([&] { return process_state(pid) == '-'; }, 5s);
        std::this_thread::sleep_for(20ms);
        ::kill(guardian, SIGSTOP);
        (void)wait_until([&] { return process_state(guardian) == 'T'; }, 5s);
        // An order that is never read makes the socket answer ECONNRESET first.
        bed.client->terminate();
        ::kill(guardian, SIGKILL);
        died = wait_until([&] { return process_state(guardian) == 'Z'; }, 5s);
    });
    REQUIRE(reported);
    REQUIRE(died);
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK_FALSE(bed.last("exited").exited.signaled);
    CHECK(bed.last("exited").exited.code == 7);
    CHECK(bed.last("exited").exited.note.empty());
}

TEST_CASE("a started app stays started when there was no room for its descriptor") {
    ClientBed bed;
    auto request = std::make_shared<core::SpawnRequest>(bed.request({STEWARD_TEST_APP}));
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    bed.loop.run([&] {
        bed.client->spawn(std::move(*request));
        *request = {};
        const int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
        ::close(lowest);
        rlimit tight = before;
        tight.rlim_cur = static_cast<rlim_t>(lowest);
        setrlimit(RLIMIT_NOFILE, &tight);
    });
    const bool started = bed.wait_for("started");
    setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE(started);
    REQUIRE(::kill(bed.guardian(), SIGKILL) == 0);
    REQUIRE(bed.wait_for_end(0));
    REQUIRE(wait_until([&] { return bed.guardian() == 0; }, 5s));
    CHECK(bed.story() == kLife);
    CHECK(bed.nothing_left());
}

TEST_CASE("a tree that cannot be listed is not taken for an empty one") {
    ClientBed bed;
    bed.start({"--ignore-term", "--grandchild", "--children", "3"});
    REQUIRE(wait_until([&] { return processes_with_env(bed.nonce).size() >= 5; }, 10s));
    const auto guardian = bed.guardian();
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    bed.loop.run([&] {
        const int lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
        ::close(lowest);
        rlimit tight = before;
        tight.rlim_cur = static_cast<rlim_t>(lowest);
        setrlimit(RLIMIT_NOFILE, &tight);
    });
    ::kill(guardian, SIGKILL);
    // Several rounds of the sweep have been made after this.
    const bool gone = wait_until([&] { return bed.guardian() == 0; }, 5s);
    const bool told = bed.wait_for("empty", 0, 50ms);
    setrlimit(RLIMIT_NOFILE, &before);
    CHECK(gone);
    CHECK_FALSE(told);
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.nothing_left());
}
