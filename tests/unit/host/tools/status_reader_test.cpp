#include "status_reader.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <deque>
#include <tuple>

#include "catch.hpp"

using namespace steward;
using host::StatusReader;
using Clock = StatusReader::Clock;

namespace {

// Both threads, run by hand.
struct Bed {
    std::uint64_t version = 1;
    core::ServiceStatus status;
    Clock::time_point now = Clock::now();
    int taken = 0;
    std::deque<std::function<void()>> loop;
    std::deque<std::function<void()>> mcp;
    std::vector<std::string> answers;
    std::shared_ptr<StatusReader> reader;

    Bed() {
        status.state = core::State::kRunning;
        status.healthy = true;
        status.pid = getpid();
        status.uptime_s = 10;
        status.cause = R"(said ","uptime":1)";
        StatusReader::Source source;
        source.version = [this] { return version; };
        source.take = [this] {
            ++taken;
            return StatusReader::Taken{version, status, "/log"};
        };
        source.to_loop = [this](std::function<void()> task) { loop.push_back(std::move(task)); };
        source.to_mcp = [this](std::function<void()> task) { mcp.push_back(std::move(task)); };
        source.now = [this] { return now; };
        reader = std::make_shared<StatusReader>(std::move(source));
    }

    void ask() {
        reader->ask([this](const std::string& json) { answers.push_back(json); });
    }
    static void run_one(std::deque<std::function<void()>>& tasks) {
        REQUIRE_FALSE(tasks.empty());
        const auto task = std::move(tasks.front());
        tasks.pop_front();
        task();
    }
    // Asks and lets the loop answer if it is asked; returns what was said.
    std::string answer() {
        const auto before = answers.size();
        ask();
        while (!loop.empty()) {
            run_one(loop);
        }
        while (!mcp.empty()) {
            run_one(mcp);
        }
        REQUIRE(answers.size() == before + 1);
        return answers.back();
    }
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a status that is known is told again with its uptime", "[status_reader]") {
    Bed bed;
    const auto first = bed.answer();
    CHECK(holds(first, R"(,"uptime":10,)"));
    CHECK(holds(first, R"("cause":"said \",\"uptime\":1")"));
    bed.now += std::chrono::milliseconds(250);
    auto second = bed.answer();
    CHECK(bed.taken == 1);
    CHECK(holds(second, R"(,"uptime":10.25,)"));
    second.replace(second.find("10.25"), 5, "10");
    CHECK(second == first);
}

TEST_CASE("the loop is asked again after a step, and from time to time", "[status_reader]") {
    Bed bed;
    std::ignore = bed.answer();
    SECTION("a step") {
        ++bed.version;
        bed.status.cause = "another";
    }
    SECTION("a second") {
        bed.now += std::chrono::milliseconds(1001);
        bed.status.cause = "another";
    }
    CHECK(holds(bed.answer(), "another"));
    CHECK(bed.taken == 2);
    std::ignore = bed.answer();
    CHECK(bed.taken == 2);
}

TEST_CASE("a status that changes by itself is not kept", "[status_reader]") {
    Bed bed;
    SECTION("unhealthy") {
        bed.status.healthy = false;
    }
    SECTION("it waits for the next start") {
        bed.status.next_restart_ms = 100;
    }
    SECTION("no process") {
        bed.status.pid = 0;
        CHECK(holds(bed.answer(), R"("uptime":null,)"));
        bed.taken = 0;
    }
    std::ignore = bed.answer();
    std::ignore = bed.answer();
    CHECK(bed.taken == 2);
}

TEST_CASE("a process that does not run any more is noticed at once", "[status_reader]") {
    Bed bed;
    const pid_t child = fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    bed.status.pid = child;
    std::ignore = bed.answer();
    std::ignore = bed.answer();
    CHECK(bed.taken == 1);
    int how = 0;
    kill(child, SIGSTOP);
    REQUIRE(waitpid(child, &how, WUNTRACED) == child);
    std::ignore = bed.answer();
    CHECK(bed.taken == 2);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, &how, 0) == child);
    std::ignore = bed.answer();
    CHECK(bed.taken == 3);
}

TEST_CASE("who asks while the loop is asked gets the same answer, who asks later a newer one",
          "[status_reader]") {
    Bed bed;
    bed.status.healthy = false;  // nothing is kept
    bed.ask();
    bed.ask();
    REQUIRE(bed.loop.size() == 1);
    Bed::run_one(bed.loop);
    bed.status.cause = "newer";
    bed.ask();  // the loop has said already what it knew
    REQUIRE(bed.loop.size() == 1);
    Bed::run_one(bed.mcp);
    CHECK(bed.answers.size() == 2);
    CHECK_FALSE(holds(bed.answers.back(), "newer"));
    Bed::run_one(bed.loop);
    Bed::run_one(bed.mcp);
    REQUIRE(bed.answers.size() == 3);
    CHECK(holds(bed.answers.back(), "newer"));
    CHECK(bed.taken == 2);
}
