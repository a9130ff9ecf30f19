// A guardian that does not answer is killed and replaced.
#include "client_bed.hpp"

using namespace steward::test;

namespace {

void stop(pid_t pid) {
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    REQUIRE(wait_until([&] { return process_state(pid) == 'T'; }, 5s));
}

}  // namespace

TEST_CASE("an order that is not answered for 200 ms costs the guardian, and its tree is emptied") {
    ClientBed bed;
    bed.start({"--ignore-term", "--grandchild"});
    const auto guardian = bed.guardian();
    stop(guardian);
    const auto begin = std::chrono::steady_clock::now();
    bed.terminate();
    REQUIRE(bed.wait_for("exited"));
    const auto took = bed.last("exited").at - begin;
    CHECK(took >= 200ms);
    CHECK(took < 300ms);
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.last("exited").exited.code == SIGKILL);
    CHECK(bed.last("exited").exited.note == "the guardian did not answer in time and was killed");
    CHECK(bed.nothing_left());
    CHECK(process_state(guardian) == '-');

    bed.start({"--exit-code", "0"});
    CHECK(bed.guardian() != guardian);
    REQUIRE(bed.wait_for("empty", 3));
    CHECK(bed.last("exited").exited.note.empty());
}

TEST_CASE("a start that is not answered is a failed start that may be tried again") {
    ClientBed bed;
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty"));
    stop(bed.guardian());
    const auto begin = std::chrono::steady_clock::now();
    bed.spawn({});
    REQUIRE(bed.wait_for_end(3));
    CHECK(since(begin) >= 200ms);
    CHECK(since(begin) < 300ms);
    CHECK(bed.story(3) == kFailure);
    const auto failed = bed.last("spawn_failed").failed;
    CHECK(failed.retryable);
    CHECK(failed.cause ==
          "the guardian did not answer in time and was killed while the app was being started");
    CHECK(bed.nothing_left());
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty", 4));
}

TEST_CASE("a guardian that goes on in time is not replaced") {
    ClientBed bed;
    bed.start();
    const auto guardian = bed.guardian();
    stop(guardian);
    bed.terminate();
    std::this_thread::sleep_for(80ms);
    REQUIRE(::kill(guardian, SIGCONT) == 0);
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.last("exited").exited.code == SIGTERM);
    CHECK(bed.last("exited").exited.note.empty());
    CHECK(bed.guardian() == guardian);
}

TEST_CASE("a loop that was late itself does not take that for the guardian's silence") {
    ClientBed bed;
    bed.start();
    const auto guardian = bed.guardian();
    bed.loop.run([&] {
        bed.client->terminate();
        std::this_thread::sleep_for(300ms);
    });
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.last("exited").exited.code == SIGTERM);
    CHECK(bed.last("exited").exited.note.empty());
    CHECK(bed.guardian() == guardian);
}

TEST_CASE("a stopped guardian does not stay behind when the client is closed") {
    ClientBed bed;
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty"));
    const auto guardian = bed.guardian();
    stop(guardian);
    const auto took = bed.close();
    CHECK(took >= 60ms);
    CHECK(took < 100ms);
    CHECK(wait_until([&] { return process_state(guardian) == '-'; }, 2s));
}
