// The account: every byte that the app wrote is kept, dropped or waiting.
#include <sys/stat.h>

#include <filesystem>
#include <mutex>
#include <random>

#include "catch.hpp"
#include "output_kit.hpp"

using namespace steward;
using test::Held;
using test::Output;
using test::TempFolder;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

// What the output said of its troubles.
class Troubles {
  public:
    std::function<void(core::OutputTrouble)> hear() {
        return [this](const core::OutputTrouble& trouble) {
            const std::lock_guard lock(mutex_);
            heard_.push_back(trouble);
        };
    }
    std::vector<core::OutputTrouble> heard() const {
        const std::lock_guard lock(mutex_);
        return heard_;
    }
    bool come(std::size_t count) const {
        const auto end = Clock::now() + 10s;
        while (heard().size() < count) {
            if (Clock::now() > end) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<core::OutputTrouble> heard_;
};

bool adds_up(const core::OutputCounters& c) {
    return c.read_bytes == c.kept_bytes + c.dropped_bytes + c.waiting_bytes &&
           c.expired_bytes <= c.kept_bytes;
}

// Bytes of any kind, with a line end now and then: none at all for a while, or many in a row.
std::string some_bytes(std::minstd_rand& random) {
    const std::size_t most = std::size_t{1} << (random() % 19U);
    std::string out(1 + random() % most, '\0');
    const auto ends = random() % 200;
    for (char& c : out) {
        const auto value = static_cast<char>(random() >> 8U);
        // A backslash would look like the beginning of an escape.
        c = ends != 0 && random() % ends == 0 ? '\n' : value == '\\' ? '/' : value;
    }
    return out;
}

std::string lines_of_100(std::size_t bytes) {
    std::string out;
    for (std::size_t i = 0; out.size() < bytes; ++i) {
        std::string line = "line " + std::to_string(i) + " ";
        line.resize(99, '.');
        out += line + "\n";
    }
    return out;
}

}  // namespace

TEST_CASE("bytes of any kind and number add up, whatever the sink does", "[output]") {
    const auto seed = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
    CAPTURE(seed);
    std::minstd_rand random(seed);
    const TempFolder folder;
    core::OutputOptions options;
    options.folder = folder.path();
    options.buffer_bytes = 300000 + random() % 500000;
    options.max_file_bytes = 20000 + random() % 2000000;
    options.files = 10000;
    Output output(options);
    std::uint64_t sent = 0;
    {
        auto pipes = output.open(1);
        std::unique_ptr<Held> stuck;
        for (int i = 0; i < 300; ++i) {
            if (random() % 20 == 0) {
                stuck = stuck ? nullptr : std::make_unique<Held>(output.log_thread);
            }
            const auto bytes = some_bytes(random);
            REQUIRE(test::write_all((random() % 2 == 0 ? pipes.out : pipes.err).get(), bytes));
            sent += bytes.size();
            REQUIRE(adds_up(output.output.counters()));
        }
    }
    REQUIRE(output.settles(sent));
    output.flush();
    output.flush();  // The note of the last gap is asked for by the first.
    const auto counters = output.output.counters();
    CHECK(counters.read_bytes == sent);
    CHECK(adds_up(counters));
    const auto records = test::records_of(test::all_files(output.output.path()));
    CHECK(test::rebuilt(records, 1, "out").size() + test::rebuilt(records, 1, "err").size() ==
          counters.kept_bytes);
    CHECK(test::noted(records).bytes == counters.dropped_bytes);
    CHECK(test::noted(records).lines == counters.dropped_lines);
}

TEST_CASE("a write that never returns does not stop the reading", "[output]") {
    const TempFolder folder;
    Troubles troubles;
    core::OutputOptions options;
    options.folder = folder.path();
    options.max_file_bytes = 1000000;
    options.files = 1000;
    options.on_trouble = troubles.hear();
    Output output(options);
    auto pipes = output.open(1);
    const std::string sent = lines_of_100(64000000);
    Held stuck(output.log_thread);
    // No write waits longer than it takes to be scheduled, on a busy machine.
    auto longest = Clock::duration::zero();
    for (std::size_t at = 0; at < sent.size(); at += 65536) {
        const auto begin = Clock::now();
        REQUIRE(test::write_all(pipes.out.get(), sent.substr(at, 65536)));
        longest = std::max(longest, Clock::now() - begin);
    }
    CHECK(longest < 1s);
    REQUIRE(output.reads(sent.size()));
    const auto full = output.output.counters();
    CHECK(adds_up(full));
    CHECK(full.kept_bytes == 0);
    CHECK(full.waiting_bytes > options.buffer_bytes / 2);
    CHECK(full.waiting_bytes <= options.buffer_bytes);
    CHECK(output.output.tail(1).at(0).sequence == sent.size() / 100);
    CHECK(output.output.tail(1).at(0).text + "\n" == sent.substr(sent.size() - 100));
    // The tail is full and has no gap.
    const auto tail = output.output.tail(SIZE_MAX);
    CHECK(tail.size() > 1000);
    CHECK(tail.front().sequence == sent.size() / 100 - tail.size() + 1);
    CHECK(tail.front().text + "\n" == sent.substr((tail.front().sequence - 1) * 100, 100));
    REQUIRE(troubles.come(1));

    stuck.release();
    REQUIRE(output.settles(sent.size()));
    REQUIRE(troubles.come(2));
    const auto counters = output.output.counters();
    const auto records = test::records_of(test::all_files(output.output.path()));
    CHECK(test::rebuilt(records, 1, "out").size() == counters.kept_bytes);
    CHECK(test::noted(records).bytes == counters.dropped_bytes);
    const auto heard = troubles.heard();
    REQUIRE(heard.size() == 2);
    CHECK_FALSE(heard[0].over);
    CHECK(heard[0].cause.rfind("the app's output cannot be kept in full: ", 0) == 0);
    CHECK(heard[1].over);
    CHECK(heard[1].bytes == counters.dropped_bytes);
    CHECK(heard[1].lines == counters.dropped_lines);
}

TEST_CASE("a full disk is told once, however much is lost", "[output]") {
    Troubles troubles;
    core::OutputOptions options;
    options.folder = "/dev";
    options.file_name = "full";
    options.buffer_bytes = 100000;
    options.on_trouble = troubles.hear();
    Output output(options);
    auto pipes = output.open(1);
    REQUIRE(test::write_all(pipes.out.get(), "the disk is full\n"));
    REQUIRE(troubles.come(1));
    const std::string sent = lines_of_100(10000000);
    REQUIRE(test::write_all(pipes.out.get(), sent));
    REQUIRE(output.reads(sent.size() + 17));
    CHECK(adds_up(output.output.counters()));
    CHECK(output.output.counters().dropped_bytes > 9000000);
    output.flush();
    REQUIRE(troubles.heard().size() == 1);
    CHECK(troubles.heard()[0].cause ==
          "the app's output cannot be kept in full: /dev/full cannot be written: No space left on "
          "device");
}

TEST_CASE("a file that cannot be made is told, and used once it can", "[output]") {
    const TempFolder folder;
    Troubles troubles;
    core::OutputOptions options;
    options.folder = folder.path();
    options.on_trouble = troubles.hear();
    REQUIRE(mkdir((folder.path() + "/app.log").c_str(), 0700) == 0);
    Output output(options);
    auto pipes = output.open(1);
    test::write_all(pipes.out.get(), "waits\n");
    REQUIRE(troubles.come(1));
    CHECK(troubles.heard()[0].cause.find("app.log cannot be opened: Is a directory") !=
          std::string::npos);
    CHECK(output.output.counters().waiting_bytes == 6);
    REQUIRE(rmdir((folder.path() + "/app.log").c_str()) == 0);
    REQUIRE(output.settles(6));
    CHECK(output.output.counters().kept_bytes == 6);
    REQUIRE(troubles.come(2));
    CHECK(troubles.heard()[1].over);
    CHECK(troubles.heard()[1].bytes == 0);
}

TEST_CASE("what rotation has removed is counted as expired", "[output]") {
    const TempFolder folder;
    core::OutputOptions options;
    options.folder = folder.path();
    options.max_file_bytes = 50000;
    options.files = GENERATE(1U, 2U, 3U);
    Output output(options);
    const std::string sent = lines_of_100(1000000);
    {
        auto pipes = output.open(1);
        REQUIRE(test::write_all(pipes.out.get(), sent));
    }
    REQUIRE(output.settles(sent.size()));
    const auto counters = output.output.counters();
    CHECK(adds_up(counters));
    CHECK(counters.kept_bytes == sent.size());
    const auto records = test::records_of(test::all_files(output.output.path()));
    CHECK(test::rebuilt(records, 1, "out").size() == counters.kept_bytes - counters.expired_bytes);
}
