// Violent ends: of steward, of the guardian, at any instant. Nothing of the tree may be left.
#include <poll.h>

#include <csignal>
#include <random>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

constexpr Milliseconds kSoon{1000};
constexpr int kRandomInstants = 30;

pid_t pid_in(const Json& status) {
    return static_cast<pid_t>(number_at(status, "pid"));
}

// The app, a child of it, and a descendant in a session of its own that ignores SIGTERM.
Arguments family() {
    return test_app({"--grandchild", "--children", "1"});
}

StewardStart in_own_session() {
    StewardStart start;
    start.own_session = true;
    return start;
}

std::string entry_of(const Json& status) {
    return "STEWARD_INSTANCE=" + text_at(status, "instance_id");
}

// A time to wait for, up to 60 ms: what is tested are the instants themselves.
void let_pass(std::mt19937& random) {
    std::uniform_int_distribution<long> microseconds(0, 60'000);
    const long us = microseconds(random);
    timespec time{0, us * 1000};
    INFO("instant " << us << " us");
    ppoll(nullptr, 0, &time, nullptr);
}

}  // namespace

TEST_CASE("kill -9 of steward leaves nothing of the tree, a daemon of the app included") {
    Bed bed({}, family());
    const Json status = bed.wait_healthy();
    REQUIRE(processes_with(entry_of(status)).size() == 3);
    const pid_t guardian = bed.steward().guardian();
    REQUIRE(guardian != 0);
    bed.steward().kill(SIGKILL);
    REQUIRE(bed.steward().wait_exit(kSoon).signal == SIGKILL);
    CHECK(bed.nothing_left(kSoon));
    CHECK(processes_with(entry_of(status)).empty());
    CHECK_FALSE(process_lives(guardian));
}

TEST_CASE("SIGKILL for steward's whole process group leaves nothing of the tree") {
    Bed bed({}, family(), in_own_session());
    const Json status = bed.wait_healthy();
    const pid_t guardian = bed.steward().guardian();
    REQUIRE(::kill(-bed.steward().pid(), SIGKILL) == 0);
    REQUIRE(bed.steward().wait_exit(kSoon).signal == SIGKILL);
    CHECK(bed.nothing_left(kSoon));
    CHECK(processes_with(entry_of(status)).empty());
    CHECK_FALSE(process_lives(guardian));
}

TEST_CASE(
    "kill -9 of the guardian: its tree is emptied, and a healthy instance has a new guardian and "
    "the same port") {
    Bed bed(quick_restarts(), family());
    for (std::int64_t generation = 1; generation <= 3; ++generation) {
        const Json before = bed.wait_healthy(generation);
        const pid_t guardian = bed.steward().guardian();
        REQUIRE(guardian != 0);
        REQUIRE(processes_with(entry_of(before)).size() == 3);
        REQUIRE(::kill(guardian, SIGKILL) == 0);
        CHECK(wait_until([&] { return processes_with(entry_of(before)).empty(); }, kSoon));
        const Json after = bed.wait_healthy(generation + 1, Milliseconds(2000));
        CHECK(bed.steward().guardian() != 0);
        CHECK(bed.steward().guardian() != guardian);
        CHECK(number_at(after, "port") == number_at(before, "port"));
        CHECK(number_at(after, "restarts") == generation);
        CHECK_THAT(text_at(after, "last_exit.cause"),
                   Catch::Contains("SIGKILL") && Catch::Contains("guardian was killed"));
        CHECK(descendants_of(bed.steward().pid()).size() == 4);
    }
    CHECK(bed.end().code == 0);
    CHECK(bed.nothing_left(kSoon));
}

TEST_CASE("kill -9 of steward at any instant of its start leaves nothing") {
    std::mt19937 random(Catch::rngSeed());
    for (int i = 0; i < kRandomInstants; ++i) {
        INFO("round " << i << ", seed " << Catch::rngSeed());
        Bed bed({}, family());
        let_pass(random);
        bed.steward().kill(SIGKILL);
        REQUIRE(bed.steward().wait_exit(kSoon).signal == SIGKILL);
        REQUIRE(bed.nothing_left(kSoon));
    }
}

TEST_CASE("kill -9 of steward at any instant of a restart leaves nothing") {
    std::mt19937 random(Catch::rngSeed());
    for (int i = 0; i < kRandomInstants / 3; ++i) {
        INFO("round " << i << ", seed " << Catch::rngSeed());
        Bed bed(quick_restarts(), family());
        REQUIRE(::kill(pid_in(bed.wait_healthy()), SIGKILL) == 0);
        let_pass(random);
        bed.steward().kill(SIGKILL);
        REQUIRE(bed.steward().wait_exit(kSoon).signal == SIGKILL);
        REQUIRE(bed.nothing_left(kSoon));
    }
}

TEST_CASE(
    "kill -9 of the guardian at any instant of a start: one healthy instance follows, and no other "
    "process") {
    std::mt19937 random(Catch::rngSeed());
    for (int i = 0; i < kRandomInstants; ++i) {
        INFO("round " << i << ", seed " << Catch::rngSeed());
        Bed bed(quick_restarts(), family());
        pid_t guardian = 0;
        REQUIRE(wait_until([&] { return (guardian = bed.steward().guardian()) != 0; }));
        let_pass(random);
        REQUIRE(::kill(guardian, SIGKILL) == 0);
        const Json status = bed.wait_healthy(2);
        CHECK(bed.steward().guardian() != guardian);
        // Steward, the guardian and the three of the app, and all of them below steward.
        REQUIRE(wait_until([&] { return processes_with(entry_of(status)).size() == 3; }, kSoon));
        CHECK(wait_until([&] { return bed.steward().left().size() == 4; }, kSoon));
        CHECK(descendants_of(bed.steward().pid()).size() == 4);
        bed.steward().kill(SIGKILL);
        bed.steward().wait_exit(kSoon);
        REQUIRE(bed.nothing_left(kSoon));
    }
}

TEST_CASE("a guardian that stands still is found at the next order, killed and replaced") {
    Bed bed(quick_restarts() + Arguments{"--health-interval", "100ms", "--health-timeout", "500ms",
                                         "--health-failures", "1"},
            family());
    const Json before = bed.wait_healthy();
    const pid_t guardian = bed.steward().guardian();
    const auto end = pidfd_of(guardian);
    REQUIRE(::kill(guardian, SIGSTOP) == 0);
    REQUIRE(wait_until([guardian] { return state_of(guardian) == 'T'; }, kSoon));
    const auto port = static_cast<std::uint16_t>(number_at(before, "port"));
    REQUIRE(fetch(port, "/unhealthy").status == 200);

    // The order is SIGTERM for the unhealthy app; 200 ms later the guardian is given up.
    const Json unhealthy = bed.wait_event("service.unhealthy", {}, Milliseconds(2000));
    CHECK(ends_within(end, Milliseconds(500)));
    const Json exit = bed.wait_event("service.exit");
    CHECK_THAT(text_at(exit, "cause"), Catch::Contains("guardian did not answer"));
    CHECK(milliseconds_of(exit) - milliseconds_of(unhealthy) >= 199);
    CHECK(milliseconds_of(exit) - milliseconds_of(unhealthy) < 500);
    const Json after = bed.wait_healthy(2, Milliseconds(2000));
    CHECK(bed.steward().guardian() != guardian);
    CHECK(processes_with(entry_of(before)).empty());
    CHECK(number_at(after, "port") == port);
}

TEST_CASE("a session ends in time and leaves nothing though the guardian stands still") {
    Bed bed({}, family());
    bed.wait_healthy();
    const pid_t guardian = bed.steward().guardian();
    REQUIRE(::kill(guardian, SIGSTOP) == 0);
    REQUIRE(wait_until([guardian] { return state_of(guardian) == 'T'; }, kSoon));
    CHECK(bed.end(kSoon).code == 0);
    CHECK(bed.nothing_left(Milliseconds(100)));
}

TEST_CASE(
    "kill -9 of the guardian of an MCP server is answered likewise, and the client is not "
    "disturbed") {
    Sandbox sandbox;
    StewardStart start;
    start.args = quick_restarts();
    start.app = family();
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto healthy = [](std::int64_t generation) {
        return [generation](const Json& status) {
            return at(status, "healthy").convert<bool>() &&
                   number_at(status, "generation") >= generation;
        };
    };
    const Json before = steward.wait_status(healthy(1));
    const pid_t guardian = steward.guardian();
    REQUIRE(::kill(guardian, SIGKILL) == 0);
    const Json after = steward.wait_status(healthy(2), Milliseconds(3000));
    CHECK(wait_until([&] { return processes_with(entry_of(before)).empty(); }, kSoon));
    CHECK(steward.guardian() != guardian);
    CHECK(number_at(after, "port") == number_at(before, "port"));
    CHECK(steward.impure_lines().empty());
    steward.kill(SIGKILL);
    CHECK(steward.wait_exit(kSoon).signal == SIGKILL);
    CHECK(wait_until([&] { return steward.left().empty(); }, kSoon));
}

}  // namespace steward::tests
