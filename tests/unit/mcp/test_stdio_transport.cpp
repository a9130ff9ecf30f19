#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>
#include <thread>

#include "catch.hpp"
#include "steward/mcp/stdio_transport.hpp"

using namespace steward::mcp;
using Clock = StdioTransport::Clock;

namespace {

class Descriptors {
  public:
    explicit Descriptors(bool sockets = false) {
        REQUIRE((sockets ? ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds_.data())
                         : ::pipe2(fds_.data(), O_CLOEXEC)) == 0);
    }
    ~Descriptors() {
        close(0);
        close(1);
    }
    Descriptors(const Descriptors&) = delete;
    Descriptors& operator=(const Descriptors&) = delete;

    [[nodiscard]] int reader() const { return fds_[0]; }
    [[nodiscard]] int writer() const { return fds_[1]; }
    void close(std::size_t end) {
        if (fds_.at(end) >= 0) {
            ::close(fds_.at(end));
            fds_.at(end) = -1;
        }
    }
    void write(const std::string& bytes) const {
        REQUIRE(::write(writer(), bytes.data(), bytes.size()) ==
                static_cast<ssize_t>(bytes.size()));
    }

  private:
    std::array<int, 2> fds_{-1, -1};
};

using Lines = std::vector<std::string>;

// A transport that collects lines and stops at the end of its input, or after ten seconds.
struct Loop {
    Lines lines;
    std::size_t oversize = 0;
    int eofs = 0;
    bool stop_at_eof = true;
    std::unique_ptr<StdioTransport> transport;

    explicit Loop(StdioTransport::Options options) {
        options.on_line = [this, next = options.on_line](std::string_view line) {
            lines.emplace_back(line);
            if (next) {
                next(line);
            }
        };
        options.on_oversize = [this](std::size_t) { ++oversize; };
        options.on_eof = [this] {
            ++eofs;
            if (stop_at_eof) {
                transport->stop();
            }
        };
        transport = std::make_unique<StdioTransport>(options);
        transport->arm(Clock::now() + std::chrono::seconds(10), [this] {
            FAIL_CHECK("the loop was not stopped");
            transport->stop();
        });
    }
    void run() const { transport->run(); }
};

double thread_cpu_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

TEST_CASE("lines before the end of input are delivered, the unterminated one too",
          "[mcp][transport]") {
    Descriptors input;
    input.write("one\ntwo\r\nlast");
    input.close(1);
    StdioTransport::Options options;
    options.input = input.reader();
    Loop loop(options);
    loop.run();
    CHECK(loop.lines == Lines{"one", "two", "last"});
    CHECK(loop.eofs == 1);
}

TEST_CASE("a line of 16 MiB is skipped", "[mcp][transport]") {
    Descriptors input;
    std::thread client([&] {
        const std::string chunk(1U << 20U, 'x');
        for (int i = 0; i < 16; ++i) {
            std::size_t done = 0;
            while (done < chunk.size()) {
                const ssize_t count = ::write(input.writer(), chunk.data(), chunk.size() - done);
                if (count <= 0) {
                    return;
                }
                done += static_cast<std::size_t>(count);
            }
        }
        input.write("\nnext\n");
        input.close(1);
    });
    StdioTransport::Options options;
    options.input = input.reader();
    Loop loop(options);
    loop.run();
    client.join();
    CHECK(loop.oversize == 1);
    CHECK(loop.lines == Lines{"next"});
}

TEST_CASE("tasks and timers run after the end of input, without spinning", "[mcp][transport]") {
    Descriptors input;
    input.close(1);
    StdioTransport::Options options;
    options.input = input.reader();
    Loop loop(options);
    loop.stop_at_eof = false;
    std::vector<std::string> order;
    const auto begin = Clock::now();
    loop.transport->arm(begin + std::chrono::milliseconds(150), [&] {
        order.emplace_back("late");
        loop.transport->post([&] { order.emplace_back("posted"); });
        loop.transport->stop();
    });
    loop.transport->arm(begin + std::chrono::milliseconds(50),
                        [&] { order.emplace_back("early"); });
    const auto gone = loop.transport->arm(begin, [&] { order.emplace_back("disarmed"); });
    loop.transport->disarm(gone);
    loop.transport->disarm(gone + 1000);
    loop.transport->post([&] { order.emplace_back("task"); });
    const double cpu = thread_cpu_seconds();
    loop.run();
    CHECK(thread_cpu_seconds() - cpu < 0.05);
    CHECK(Clock::now() - begin >= std::chrono::milliseconds(150));
    CHECK(order == std::vector<std::string>{"task", "early", "late", "posted"});
    CHECK(loop.eofs == 1);
}

TEST_CASE("tasks come from any thread and run in order on the loop's", "[mcp][transport]") {
    Descriptors input;
    StdioTransport::Options options;
    options.input = input.reader();
    Loop loop(options);
    std::vector<int> seen;
    const auto owner = std::this_thread::get_id();
    bool elsewhere = false;
    std::thread other([&] {
        for (int i = 0; i < 1000; ++i) {
            loop.transport->post([&, i] {
                seen.push_back(i);
                elsewhere = elsewhere || std::this_thread::get_id() != owner;
            });
        }
        loop.transport->stop();
    });
    loop.run();
    other.join();
    REQUIRE(seen.size() == 1000);
    CHECK(std::is_sorted(seen.begin(), seen.end()));
    CHECK_FALSE(elsewhere);
}

TEST_CASE("the loss of the reader of stdout is seen while nothing is written", "[mcp][transport]") {
    for (const bool sockets : {false, true}) {
        Descriptors input;
        Descriptors output(sockets);
        StdioTransport::Options options;
        options.input = input.reader();
        options.output = output.writer();
        int closed = 0;
        StdioTransport* transport = nullptr;
        options.on_output_closed = [&] {
            ++closed;
            transport->arm(Clock::now() + std::chrono::milliseconds(50),
                           [&] { transport->stop(); });
        };
        Loop loop(options);
        transport = loop.transport.get();
        loop.transport->post([&] { output.close(0); });
        const double cpu = thread_cpu_seconds();
        loop.run();
        CHECK(closed == 1);
        CHECK(thread_cpu_seconds() - cpu < 0.03);
    }
}

TEST_CASE("while paused no line is delivered, and waking goes on where it stopped",
          "[mcp][transport]") {
    Descriptors input;
    std::atomic<bool> paused{false};
    StdioTransport::Options options;
    options.input = input.reader();
    options.paused = [&] { return paused.load(); };
    options.on_line = [&](std::string_view line) { paused = line == "two"; };
    Loop loop(options);
    input.write("one\ntwo\nthree\n");
    std::size_t while_paused = 0;
    const double cpu = thread_cpu_seconds();
    loop.transport->arm(Clock::now() + std::chrono::milliseconds(100), [&] {
        while_paused = loop.lines.size();
        CHECK(thread_cpu_seconds() - cpu < 0.03);
        paused = false;
        loop.transport->wake();
        input.close(1);
    });
    loop.run();
    CHECK(while_paused == 2);
    CHECK(loop.lines == Lines{"one", "two", "three"});
}

TEST_CASE("a client that hangs up is noticed while paused", "[mcp][transport]") {
    for (const bool sockets : {false, true}) {
        Descriptors input(sockets);
        StdioTransport::Options options;
        options.input = input.reader();
        options.paused = [] { return true; };
        Loop loop(options);
        input.write("one\ntwo\n");
        loop.transport->arm(Clock::now() + std::chrono::milliseconds(20), [&] {
            CHECK(loop.lines.empty());
            input.close(1);
        });
        loop.run();
        CHECK(loop.eofs == 1);
        CHECK(loop.lines == Lines{"one", "two"});
    }
}

TEST_CASE("a closed descriptor is the end of input", "[mcp][transport]") {
    Descriptors input;
    StdioTransport::Options options;
    options.input = input.reader();
    Loop loop(options);  // first, or its own descriptor takes the number
    input.close(0);
    loop.run();
    CHECK(loop.eofs == 1);
}

TEST_CASE("what a callback throws is reported and the loop goes on", "[mcp][transport]") {
    Descriptors input;
    input.write("throw\nnext\n");
    input.close(1);
    std::vector<std::string> troubles;
    StdioTransport::Options options;
    options.input = input.reader();
    options.on_line = [](std::string_view line) {
        if (line == "throw") {
            throw std::runtime_error("line");
        }
    };
    options.on_trouble = [&](std::string_view what) { troubles.emplace_back(what); };
    Loop loop(options);
    loop.transport->post([] { throw std::runtime_error("task"); });
    loop.run();
    CHECK(loop.lines == Lines{"throw", "next"});
    CHECK(troubles == std::vector<std::string>{"task", "line"});
}

TEST_CASE("bytes are told of before their line is complete", "[mcp][transport]") {
    Descriptors input;
    input.write("half a li");
    StdioTransport::Options options;
    options.input = input.reader();
    Lines lines_when_told;
    int told = 0;
    Loop* loop_there = nullptr;
    options.on_bytes = [&] {
        if (++told == 1) {
            lines_when_told = loop_there->lines;
            input.write("ne\n");
            input.close(1);
        }
    };
    Loop loop(options);
    loop_there = &loop;
    loop.run();
    CHECK(told == 2);
    CHECK(lines_when_told.empty());
    CHECK(loop.lines == Lines{"half a line"});
}

TEST_CASE("it tells that it is idle after the lines and tasks of each round, the last one too",
          "[mcp][transport]") {
    Descriptors input;
    input.write("one\ntwo\n");
    input.close(1);
    Lines seen;
    StdioTransport::Options options;
    options.input = input.reader();
    options.on_line = [&](std::string_view line) { seen.emplace_back(line); };
    options.on_idle = [&] {
        if (!seen.empty() && seen.back() != "idle") {
            seen.emplace_back("idle");
        }
    };
    Loop loop(options);
    loop.stop_at_eof = false;
    loop.transport->arm(Clock::now(), [&] {
        loop.transport->post([&] {
            seen.emplace_back("last task");
            loop.transport->stop();
        });
    });
    SECTION("when a task stops it") {}
    SECTION("when it was stopped before") {
        loop.transport->post([&] { seen.emplace_back("task"); });
        loop.transport->stop();
    }
    loop.run();
    REQUIRE_FALSE(seen.empty());
    CHECK(seen.back() == "idle");
}
