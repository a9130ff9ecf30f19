// A guardian that does not answer is killed and replaced.
#include "client_bed.hpp"
#include "tracer.hpp"

using namespace steward::test;
using steward::tests::Tracer;

namespace {

// For a machine that has other work to do.
constexpr auto kLeeway = 600ms;

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
    CHECK(took < 200ms + kLeeway);
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

TEST_CASE("a guardian that has said that the tree is empty is not ordered to end it") {
    ClientBed bed;
    const auto app = bed.start();
    const auto guardian = bed.guardian();
    // Would not answer an order, and be replaced for that.
    bed.on_exited = [&] {
        ::kill(guardian, SIGSTOP);
        wait_until([&] { return process_state(guardian) == 'T'; }, 5s);
        bed.client->kill();
    };
    // With the loop busy, so that both reports are there when it reads the first.
    bed.loop.run([&] {
        ::kill(app, SIGKILL);
        wait_until([&] { return ::kill(app, 0) != 0 && process_state(guardian) == 'S'; }, 5s);
    });
    REQUIRE(bed.wait_for("empty"));
    bed.loop.run([&] { bed.on_exited = nullptr; });
    std::this_thread::sleep_for(300ms);  // More than the time for an answer.
    REQUIRE(process_state(guardian) == 'T');
    REQUIRE(::kill(guardian, SIGCONT) == 0);
    bed.start({"--exit-code", "0"});
    CHECK(bed.guardian() == guardian);
    REQUIRE(bed.wait_for("empty", 3));
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
    CHECK(since(begin) < 200ms + kLeeway);
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
    CHECK(took < 60ms + kLeeway);
    CHECK(wait_until([&] { return process_state(guardian) == '-'; }, 2s));
}

TEST_CASE("a guardian that is stopped when the app ends is noticed, and its tree is emptied") {
    ClientBed bed;
    const auto app = bed.start({"--grandchild"});
    const auto guardian = bed.guardian();
    stop(guardian);
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(::kill(app, SIGKILL) == 0);
    REQUIRE(bed.wait_for("empty"));
    // 200 ms for the guardian to say so by itself, 200 ms to answer.
    CHECK(since(begin) >= 400ms);
    CHECK(since(begin) < 400ms + kLeeway);
    CHECK(bed.story() == kLife);
    CHECK(bed.last("exited").exited.signaled);
    CHECK(bed.last("exited").exited.code == SIGKILL);
    CHECK(bed.last("exited").exited.note == "the guardian did not answer in time and was killed");
    CHECK(bed.nothing_left());
    CHECK(process_state(guardian) == '-');
}

TEST_CASE("an idle guardian that has been stopped is continued, and the app notices nothing") {
    ClientBed bed;
    const auto app = bed.start();
    const auto guardian = bed.guardian();
    stop(guardian);
    const auto begin = std::chrono::steady_clock::now();
    bed.check();
    REQUIRE(wait_until([&] { return process_state(guardian) != 'T'; }, 5s));
    CHECK(since(begin) >= 2000ms);
    CHECK(since(begin) < 2000ms + kLeeway);
    // It works again: the stop is its own.
    CHECK(process_state(app) != '-');
    bed.terminate();
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.last("exited").exited.code == SIGTERM);
    CHECK(bed.last("exited").exited.note.empty());
    CHECK(bed.guardian() == guardian);
}

TEST_CASE("an order does not wait for a ping's patience") {
    ClientBed bed;
    bed.start({"--ignore-term"});
    stop(bed.guardian());
    bed.check();
    const auto begin = std::chrono::steady_clock::now();
    bed.terminate();
    REQUIRE(bed.wait_for("empty"));
    CHECK(since(begin) >= 200ms);
    CHECK(since(begin) < 2000ms);  // a ping's patience
    CHECK(bed.nothing_left());
}

TEST_CASE("several pings put nothing off") {
    ClientBed bed;
    const auto app = bed.start({"--ignore-term"});
    stop(bed.guardian());
    const auto begin = std::chrono::steady_clock::now();
    SECTION("not the end of the patience") {
        while (since(begin) < 1500ms) {
            bed.check();
            std::this_thread::sleep_for(20ms);
        }
        REQUIRE(wait_until([&] { return process_state(bed.guardian()) != 'T'; }, 5s));
        CHECK(since(begin) >= 2000ms);
        CHECK(since(begin) < 2700ms);
        bed.kill();
    }
    SECTION("not an order") {
        bed.check();
        std::this_thread::sleep_for(300ms);
        bed.check();
        bed.terminate();
    }
    SECTION("not the app's end") {
        bed.check();
        bed.check();
        REQUIRE(::kill(app, SIGKILL) == 0);
    }
    REQUIRE(bed.wait_for("empty"));
    CHECK(since(begin) < 3300ms);
    CHECK(bed.nothing_left());
    // Each but the first within the 2 s of a ping.
    if (bed.last("exited").exited.note.empty()) {
        CHECK(since(begin) >= 2000ms);
    } else {
        CHECK(since(begin) < 1500ms);
    }
}

TEST_CASE("a guardian that cannot be continued is replaced, and the app ends with it") {
    ClientBed bed;
    bed.start();
    const auto guardian = bed.guardian();
    const Tracer tracer(guardian, Tracer::Hold::kStopped);
    const auto begin = std::chrono::steady_clock::now();
    bed.check();
    REQUIRE(bed.wait_for("empty"));
    CHECK(since(begin) >= 2200ms);
    CHECK(since(begin) < 2200ms + kLeeway);
    CHECK(bed.last("exited").exited.note == "the guardian did not answer in time and was killed");
    CHECK(bed.nothing_left());
}

TEST_CASE("an app that a debugger holds after its end is not there and not gone, and says so") {
    ClientBed bed;
    const auto app = bed.start();
    const auto guardian = bed.guardian();
    {
        const Tracer tracer(app);
        bed.kill();
        REQUIRE(wait_until([&] { return process_state(app) == 'Z'; }, 5s));
        // The guardian works and cannot reap it; nobody takes that for a wedged guardian.
        CHECK_FALSE(bed.wait_for("exited", 0, 600ms));
        const std::string left = bed.loop.run([&] { return bed.client->describe_tree(); });
        CHECK_THAT(left, Catch::StartsWith(std::to_string(app) + " ("));
        CHECK_THAT(left, Catch::Contains("state Z"));
        CHECK_THAT(left, Catch::Contains(", traced by ") && Catch::Contains(" (guardian_client)"));
        CHECK(bed.guardian() == guardian);
    }
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.last("exited").exited.code == SIGKILL);
    CHECK(bed.last("exited").exited.note.empty());
    CHECK(bed.nothing_left());
}
