#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>

#include "catch.hpp"
#include "steward/mcp/stdio_writer.hpp"

using namespace steward::mcp;
using Clock = std::chrono::steady_clock;

namespace {

struct Pipe {
    std::array<int, 2> fds{-1, -1};

    Pipe() { REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0); }
    ~Pipe() { close_reader(); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;

    [[nodiscard]] int writer() const { return fds[1]; }  // the StdioWriter closes it
    void close_reader() {
        if (fds[0] >= 0) {
            ::close(fds[0]);
            fds[0] = -1;
        }
    }
    std::string read_bytes(std::size_t count) const {
        std::string out(count, '\0');
        std::size_t done = 0;
        while (done < count) {
            const ssize_t got = ::read(fds[0], out.data() + done, count - done);
            REQUIRE(got > 0);
            done += static_cast<std::size_t>(got);
        }
        return out;
    }
};

// Something that a callback reports and a test waits for.
struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    int value = 0;
    int count = 0;

    void set(int v) {
        const std::lock_guard<std::mutex> lock(mutex);
        value = v;
        ++count;
        changed.notify_all();
    }
    bool wait() {
        std::unique_lock<std::mutex> lock(mutex);
        return changed.wait_for(lock, std::chrono::seconds(10), [&] { return count > 0; });
    }
};

Clock::time_point soon() {
    return Clock::now() + std::chrono::seconds(10);
}

StdioWriter::Options small_queue() {
    StdioWriter::Options options;
    options.high_water = 256U * 1024;
    options.low_water = 128U * 1024;
    options.hard_limit = 512U * 1024;
    return options;
}

}  // namespace

TEST_CASE("lines are written in order, each with its newline", "[mcp][writer]") {
    Pipe pipe;
    StdioWriter writer(pipe.writer(), {});
    std::string expected;
    for (int i = 0; i < 500; ++i) {
        const std::string line = "line " + std::to_string(i);
        CHECK(writer.enqueue(line));
        expected += line + "\n";
    }
    CHECK(pipe.read_bytes(expected.size()) == expected);
    CHECK(writer.flush(soon()));
    CHECK(writer.queued_bytes() == 0);
}

TEST_CASE("a reader that does not read blocks nobody and the queue stays bounded",
          "[mcp][writer]") {
    Pipe pipe;
    Signal drained;
    auto options = small_queue();
    options.on_drained = [&] { drained.set(1); };
    StdioWriter writer(pipe.writer(), options);
    const std::string line(1023, 'x');
    std::size_t accepted = 0;
    const auto begin = Clock::now();
    for (int i = 0; i < 5000; ++i) {
        accepted += writer.enqueue(line) ? 1 : 0;
        REQUIRE(writer.queued_bytes() <= options.hard_limit);
    }
    CHECK(Clock::now() - begin < std::chrono::seconds(5));
    CHECK(writer.congested());
    CHECK(accepted < 5000);
    CHECK(accepted >= 512);
    CHECK(writer.dropped_answers() == 5000 - accepted);
    CHECK_FALSE(writer.enqueue("{}", LineKind::kNotification));
    CHECK(writer.dropped_notifications() == 1);
    CHECK_FALSE(writer.flush(Clock::now() + std::chrono::milliseconds(20)));
    const std::string all = pipe.read_bytes(accepted * 1024);
    CHECK(drained.wait());
    CHECK(writer.flush(soon()));
    CHECK_FALSE(writer.congested());
    CHECK(std::count(all.begin(), all.end(), '\n') == static_cast<std::ptrdiff_t>(accepted));
    CHECK(drained.count == 1);
}

TEST_CASE("a client that is behind has caught up once all is written", "[mcp][writer]") {
    Pipe pipe;
    Signal caught_up;
    StdioWriter::Options options;
    options.behind_water = 256U * 1024;  // more than the pipe holds
    options.on_caught_up = [&] { caught_up.set(1); };
    StdioWriter writer(pipe.writer(), options);
    const std::string line(1023, 'x');
    std::size_t count = 0;
    while (!writer.is_behind()) {
        REQUIRE(writer.enqueue(line));
        REQUIRE(++count < 1000);
    }
    CHECK(count >= 256);
    CHECK_FALSE(writer.congested());
    CHECK(caught_up.count == 0);
    [[maybe_unused]] const auto half = pipe.read_bytes(count / 2 * 1024);
    CHECK(writer.is_behind());
    [[maybe_unused]] const auto rest = pipe.read_bytes((count - count / 2) * 1024);
    CHECK(caught_up.wait());
    CHECK_FALSE(writer.is_behind());
    REQUIRE(writer.enqueue(line));  // one line does not leave anybody behind
    CHECK(writer.flush(soon()));
    CHECK(caught_up.count == 1);
}

TEST_CASE("notifications are dropped before answers are", "[mcp][writer]") {
    Pipe pipe;
    const auto options = small_queue();
    StdioWriter writer(pipe.writer(), options);
    const std::string line(64U * 1024, 'x');
    for (int i = 0; i < 20; ++i) {
        writer.enqueue(line, LineKind::kNotification);
    }
    CHECK(writer.queued_bytes() <= options.high_water);
    CHECK(writer.dropped_notifications() > 0);
    CHECK(writer.enqueue("answer"));
    CHECK(writer.dropped_answers() == 0);
}

TEST_CASE("a lost reader is reported once and ends nothing", "[mcp][writer]") {
    Pipe pipe;
    Signal failed;
    StdioWriter::Options options;
    options.on_error = [&](int error) { failed.set(error); };
    StdioWriter writer(pipe.writer(), options);
    SECTION("while idle") {
        pipe.close_reader();
    }
    SECTION("while it is stuck in a write") {
        writer.enqueue(std::string(1U << 20U, 'x'));
        pipe.read_bytes(1);
        pipe.close_reader();
    }
    writer.enqueue("x");
    REQUIRE(failed.wait());
    CHECK(failed.value == EPIPE);
    CHECK(writer.failed());
    CHECK_FALSE(writer.enqueue("y"));
    CHECK_FALSE(writer.flush(soon()));
    CHECK(failed.count == 1);
}

TEST_CASE("a writer that is stuck is left behind without delay", "[mcp][writer]") {
    Pipe pipe;
    const auto begin = Clock::now();
    {
        StdioWriter writer(pipe.writer(), {});
        writer.enqueue(std::string(1U << 20U, 'x'));
        pipe.read_bytes(1);
    }
    CHECK(Clock::now() - begin < std::chrono::seconds(2));
    pipe.close_reader();  // lets the thread end
}
