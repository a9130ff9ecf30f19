// The app is never held up by a file that takes nothing.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "catch.hpp"
#include "output_kit.hpp"

using namespace steward;
using test::Output;
using test::TempFolder;
using Clock = std::chrono::steady_clock;

namespace {

// Files of this process may not grow beyond so many bytes, as on a disk that is full.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit limit{bytes, old_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() { lift(); }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    void lift() {
        setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }

  private:
    rlimit old_{};
    void (*old_handler_)(int) = SIG_DFL;
};

std::string many_lines(std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) {
        out += "a line of the app, number " + std::to_string(out.size());
        // Of any length: a short one would fit where a long one did not.
        out.append(out.size() % 101, '.');
        out += '\n';
    }
    return out;
}

std::size_t count_notes(const std::vector<test::FileRecord>& records) {
    std::size_t count = 0;
    for (const auto& record : records) {
        count += record.kind == "log" ? 1 : 0;
    }
    return count;
}

}  // namespace

TEST_CASE("a full disk drops and counts lines, and a note says so when it is over", "[output]") {
    const TempFolder folder;
    core::OutputOptions options;
    options.folder = folder.path();
    options.buffer_bytes = 200000;
    Output output(options);
    auto pipes = output.open(1);
    const std::string sent = many_lines(8000000);
    FileSizeLimit limit(100000);
    const auto begin = Clock::now();
    REQUIRE(test::write_all(pipes.out.get(), sent));
    CHECK(Clock::now() - begin < std::chrono::seconds(10));
    output.flush();
    const auto full = output.output.counters();
    CHECK(full.kept_bytes < 100000);
    CHECK(full.waiting_bytes <= 200000);
    CHECK(full.waiting_bytes > 100000);
    CHECK(full.dropped_bytes == sent.size() - full.kept_bytes - full.waiting_bytes);
    // The tail does not depend on the disk.
    CHECK(output.output.tail(1).at(0).text + "\n" ==
          sent.substr(sent.rfind('\n', sent.size() - 2) + 1));

    limit.lift();
    REQUIRE(output.settles(sent.size()));
    test::write_all(pipes.out.get(), "it works again\n");
    REQUIRE(output.settles(sent.size() + 15));
    const auto counters = output.output.counters();
    const auto records = test::records_of(test::read_file(output.output.path()));
    CHECK(counters.kept_bytes == test::rebuilt(records, 1, "out").size());
    CHECK(counters.kept_bytes + counters.dropped_bytes == sent.size() + 15);
    // One more at the most: the lines may have come too fast for so small a buffer before.
    REQUIRE(count_notes(records) >= 1);
    CHECK(count_notes(records) <= 2);
    const auto& note = records[records.size() - 2];
    CHECK(note.kind == "log");
    CHECK(note.generation == 0);
    const auto because =
        note.text.find(" of the app's output were dropped here: " + output.output.path() +
                       " cannot be written: File too large");
    CHECK(because != std::string::npos);
    const auto noted = test::noted(records);
    CHECK(noted.lines == counters.dropped_lines);
    CHECK(noted.bytes == counters.dropped_bytes);
    CHECK(records.back().text == "it works again");
}

TEST_CASE("a note comes without a further line as well", "[output]") {
    const TempFolder folder;
    core::OutputOptions options;
    options.folder = folder.path();
    options.buffer_bytes = 1000;
    Output output(options);
    auto pipes = output.open(1);
    const std::string sent = many_lines(50000);
    FileSizeLimit limit(500);
    REQUIRE(test::write_all(pipes.out.get(), sent));
    output.flush();
    REQUIRE(output.output.counters().dropped_lines > 0);
    limit.lift();
    const auto end = Clock::now() + std::chrono::seconds(10);
    while (count_notes(test::records_of(test::read_file(output.output.path()))) == 0 &&
           Clock::now() < end) {
        output.flush();
    }
    CHECK(count_notes(test::records_of(test::read_file(output.output.path()))) == 1);
}

TEST_CASE("a device that is always full costs nothing but the lines", "[output]") {
    core::OutputOptions options;
    options.folder = "/dev";
    options.file_name = "full";
    Output output(options);
    const std::string sent = many_lines(20000000);
    {
        auto pipes = output.open(1);
        const auto begin = Clock::now();
        REQUIRE(test::write_all(pipes.err.get(), sent));
        CHECK(Clock::now() - begin < std::chrono::seconds(15));
    }
    output.flush();
    const auto counters = output.output.counters();
    CHECK(counters.kept_bytes == 0);
    CHECK(counters.dropped_bytes + counters.waiting_bytes == sent.size());
    CHECK(counters.waiting_bytes <= options.buffer_bytes);
    CHECK_FALSE(output.last_line(1).empty());
}

TEST_CASE("a folder that cannot be made does not keep the app from writing", "[output]") {
    core::OutputOptions options;
    options.folder = "/proc/nowhere/steward";
    options.buffer_bytes = 1000;
    Output output(options);
    const std::string sent = many_lines(3000000);
    auto pipes = output.open(1);
    REQUIRE(test::write_all(pipes.out.get(), sent));
    output.flush();
    CHECK(output.output.counters().dropped_bytes > sent.size() - 2000);
    CHECK(output.output.tail(10).size() == 10);
}

TEST_CASE("a sink that takes nothing for a while does not hold the app up", "[output]") {
    const TempFolder folder;
    core::OutputOptions options;
    options.folder = folder.path();
    REQUIRE(mkfifo((folder.path() + "/app.log").c_str(), 0600) == 0);
    const core::UniqueFd sink(
        open((folder.path() + "/app.log").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(sink);
    Output output(options);
    const std::string sent = many_lines(16000000);
    {
        auto pipes = output.open(1);
        const auto begin = Clock::now();
        REQUIRE(test::write_all(pipes.out.get(), sent));
        CHECK(Clock::now() - begin < std::chrono::seconds(15));
    }
    output.flush();
    const auto stuck = output.output.counters();
    CHECK(stuck.waiting_bytes > 1000000);
    CHECK(stuck.waiting_bytes <= options.buffer_bytes);
    CHECK(stuck.dropped_bytes > 0);

    std::string received;
    std::vector<char> buffer(65536);
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (Clock::now() < end) {
        const ssize_t got = read(sink.get(), buffer.data(), buffer.size());
        if (got > 0) {
            received.append(buffer.data(), static_cast<std::size_t>(got));
            continue;
        }
        if (output.output.counters().waiting_bytes == 0 &&
            received.find(" log ") != std::string::npos) {
            break;
        }
        output.flush();
    }
    const auto counters = output.output.counters();
    const auto records = test::records_of(received);
    CHECK(counters.kept_bytes + counters.dropped_bytes == sent.size());
    CHECK(test::rebuilt(records, 1, "out").size() == counters.kept_bytes);
    CHECK(count_notes(records) >= 1);
}
