#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "catch.hpp"
#include "steward/mcp/stdio_writer.hpp"

using namespace steward::mcp;
using Clock = std::chrono::steady_clock;

namespace {

struct Pipe {
    std::array<int, 2> fds{-1, -1};

    Pipe() { REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0); }
    // What Node gives its children instead of pipes.
    explicit Pipe(int socket_type) {
        REQUIRE(::socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, fds.data()) == 0);
    }
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
    [[nodiscard]] bool is_empty() const {
        pollfd descriptor{fds[0], POLLIN, 0};
        return ::poll(&descriptor, 1, 0) == 0;
    }
    // What there is up to the end, if that comes first. Any thread.
    std::string read_bytes(std::size_t count) const {
        std::string out(count, '\0');
        std::size_t done = 0;
        ssize_t got = 1;
        while (done < count && got > 0) {
            got = ::read(fds[0], out.data() + done, count - done);
            done += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
        }
        out.resize(done);
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
    int times() {
        const std::lock_guard<std::mutex> lock(mutex);
        return count;
    }
    bool wait() {
        std::unique_lock<std::mutex> lock(mutex);
        return changed.wait_for(lock, std::chrono::seconds(10), [&] { return count > 0; });
    }
};

Clock::time_point soon() {
    return Clock::now() + std::chrono::seconds(10);
}

constexpr std::size_t kHeld = 4096;

StdioWriter::Options held() {
    StdioWriter::Options options;
    options.held = kHeld;
    return options;
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
    CHECK(drained.times() == 1);
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
    CHECK(caught_up.times() == 0);
    [[maybe_unused]] const auto half = pipe.read_bytes(count / 2 * 1024);
    CHECK(writer.is_behind());
    [[maybe_unused]] const auto rest = pipe.read_bytes((count - count / 2) * 1024);
    CHECK(caught_up.wait());
    CHECK_FALSE(writer.is_behind());
    REQUIRE(writer.enqueue(line));  // one line does not leave anybody behind
    CHECK(writer.flush(soon()));
    CHECK(caught_up.times() == 1);
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
    CHECK(failed.times() == 1);
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

TEST_CASE("held lines wait until they are sent", "[mcp][writer]") {
    Pipe pipe;
    StdioWriter writer(pipe.writer(), held());
    std::string expected;
    const auto add = [&](std::size_t size) {
        const std::string line(size, 'x');
        CHECK(writer.enqueue(line));
        expected += line + "\n";
    };
    add(10);
    add(20);
    CHECK(writer.queued_bytes() == 32);
    CHECK(pipe.is_empty());
    SECTION("by send_held") {
        writer.send_held();
    }
    SECTION("by flush") {
        CHECK(writer.flush(soon()));
    }
    SECTION("because there are many") {
        add(kHeld);
    }
    CHECK(pipe.read_bytes(expected.size()) == expected);
    CHECK(writer.flush(soon()));
    CHECK(writer.queued_bytes() == 0);
}

TEST_CASE("lines stay in order whoever writes them", "[mcp][writer]") {
    const bool socket = GENERATE(false, true);
    Pipe pipe = socket ? Pipe(SOCK_STREAM) : Pipe();
    StdioWriter writer(pipe.writer(), held());
    constexpr int kLines = 3000;
    std::size_t bytes = 0;
    const auto line_of = [](int i) {
        const auto size = static_cast<std::size_t>(i * 7919 % 2500);
        return std::to_string(i) + std::string(i % 50 == 0 ? size * 20 : size % 700, 'x');
    };
    for (int i = 0; i < kLines; ++i) {
        bytes += line_of(i).size() + 1;
    }
    std::string got;
    std::thread reader([&] { got = pipe.read_bytes(bytes); });
    std::string expected;
    for (int i = 0; i < kLines; ++i) {
        CHECK(writer.enqueue(line_of(i)));
        expected += line_of(i) + "\n";
        if (i % 3 == 0) {
            writer.send_held();
        }
    }
    CHECK(writer.flush(soon()));
    reader.join();
    CHECK(got == expected);
}

TEST_CASE("sending held lines never waits for a reader", "[mcp][writer]") {
    const bool socket = GENERATE(false, true);
    Pipe pipe = socket ? Pipe(SOCK_STREAM) : Pipe();
    StdioWriter writer(pipe.writer(), held());
    const std::string line(999, 'x');
    std::size_t sent = 0;
    const auto begin = Clock::now();
    for (; sent < 2000; ++sent) {  // more than the pipe and the socket hold
        CHECK(writer.enqueue(line));
        writer.send_held();
    }
    CHECK(Clock::now() - begin < std::chrono::seconds(5));
    CHECK(writer.queued_bytes() > 0);
    const std::string all = pipe.read_bytes(sent * 1000);
    CHECK(std::count(all.begin(), all.end(), '\n') == static_cast<std::ptrdiff_t>(sent));
    CHECK(writer.flush(soon()));
}

TEST_CASE("a reader that is lost is noticed by sending held lines", "[mcp][writer]") {
    const bool socket = GENERATE(false, true);
    Pipe pipe = socket ? Pipe(SOCK_STREAM) : Pipe();
    Signal failed;
    auto options = held();
    options.on_error = [&](int error) { failed.set(error); };
    StdioWriter writer(pipe.writer(), options);
    writer.enqueue("x");
    writer.send_held();
    CHECK(pipe.read_bytes(2) == "x\n");
    pipe.close_reader();
    writer.enqueue("y");
    writer.send_held();
    REQUIRE(failed.wait());
    CHECK(failed.value == EPIPE);
    CHECK_FALSE(writer.enqueue("z"));
}
