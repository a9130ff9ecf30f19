// Answering 503 on the kept socket.
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "catch.hpp"
#include "loop_thread.hpp"
#include "net.hpp"
#include "steward/core/held_port.hpp"

using namespace steward;
using core::HeldPort;
using core::PortAnswer;
using core::UniqueFd;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

const PortAnswer kAnswer{"degraded", "too many restarts", 5};

bool is_503(const test::Received& received) {
    return received.bytes.rfind("HTTP/1.1 503 ", 0) == 0 &&
           received.bytes.find("too many restarts") != std::string::npos;
}

// The port under test and the loop that it lives on.
struct Held {
    Held()
        : port(thread.run([this] { return std::make_unique<HeldPort>(thread.loop()); })),
          number(test::free_port()) {
        REQUIRE(thread.run([this] { return static_cast<bool>(port->take("127.0.0.1", number)); }));
    }
    ~Held() {
        thread.run([this] { port.reset(); });
    }
    void answer(const PortAnswer& text = kAnswer) {
        thread.run([&] { port->answer(text); });
    }
    void stop_answering() {
        thread.run([this] { port->stop_answering(); });
    }
    int listener() {
        return thread.run([this] { return port->listener(); });
    }
    UniqueFd duplicate() { return UniqueFd(fcntl(listener(), F_DUPFD_CLOEXEC, 0)); }
    // Waits on the loop's own clock.
    void let_pass(core::Duration time) {
        auto done = std::make_shared<std::promise<void>>();
        thread.run(
            [&] { thread.loop().arm(thread.loop().now() + time, [done] { done->set_value(); }); });
        done->get_future().wait();
    }

    test::LoopThread thread;
    std::unique_ptr<HeldPort> port;
    std::uint16_t number;
};

std::chrono::nanoseconds cpu_time(std::thread::native_handle_type thread) {
    clockid_t clock{};
    pthread_getcpuclockid(thread, &clock);
    timespec ts{};
    clock_gettime(clock, &ts);
    return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

}  // namespace

TEST_CASE("each request is answered 503 with state and cause", "[port]") {
    Held held;
    held.answer();
    const auto page = test::get("127.0.0.1", held.number);
    CHECK(is_503(page));
    CHECK_FALSE(page.reset);
    CHECK(page.bytes.find("<strong>degraded</strong>") != std::string::npos);
    const auto json = test::get("127.0.0.1", held.number, "GET /health HTTP/1.1\r\n\r\n");
    CHECK(
        json.bytes.find(
            "{\"status\":\"unavailable\",\"state\":\"degraded\",\"cause\":\"too many restarts\"") !=
        std::string::npos);
    const auto head = test::get("127.0.0.1", held.number, "HEAD / HTTP/1.1\r\n\r\n");
    CHECK(head.bytes.substr(head.bytes.size() - 4) == "\r\n\r\n");
    held.answer({"stopped", "stopped by request", 5});
    CHECK(test::get("127.0.0.1", held.number).bytes.find("stopped by request") !=
          std::string::npos);
}

TEST_CASE("what waits in the backlog is answered as soon as answering begins", "[port]") {
    Held held;
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(test::connect_to("127.0.0.1", held.number));
        test::send_all(clients.back().get(), "GET / HTTP/1.1\r\n\r\n");
    }
    held.answer();
    for (const auto& client : clients) {
        const auto received = test::receive_all(client.get());
        CHECK(is_503(received));
        CHECK_FALSE(received.reset);
    }
}

TEST_CASE("nothing is accepted and the socket blocks again once answering has been stopped",
          "[port]") {
    Held held;
    const auto of_the_app = held.duplicate();
    for (int i = 0; i < 50; ++i) {
        held.answer();
        REQUIRE(test::is_nonblocking(of_the_app.get()));
        REQUIRE(is_503(test::get("127.0.0.1", held.number)));
        held.stop_answering();
        REQUIRE_FALSE(test::is_nonblocking(of_the_app.get()));
        const auto client = test::connect_to("127.0.0.1", held.number);
        test::send_all(client.get(), "GET / HTTP/1.1\r\n\r\n");
        REQUIRE(test::serve_one(of_the_app.get(), "from the app"));
        REQUIRE(test::receive_all(client.get()).bytes == "from the app");
    }
}

TEST_CASE("asking for the listener ends answering", "[port]") {
    Held held;
    held.answer();
    const auto of_the_app = held.duplicate();
    CHECK_FALSE(test::is_nonblocking(of_the_app.get()));
    const auto client = test::connect_to("127.0.0.1", held.number);
    test::send_all(client.get(), "GET / HTTP/1.1\r\n\r\n");
    REQUIRE(test::serve_one(of_the_app.get(), "from the app"));
    CHECK(test::receive_all(client.get()).bytes == "from the app");
}

TEST_CASE("a connection that was accepted is answered after answering has been stopped", "[port]") {
    Held held;
    held.answer();
    const auto client = test::connect_to("127.0.0.1", held.number);
    test::send_all(client.get(), "GET / HT");
    // A second one that is answered tells that the first one has been accepted.
    REQUIRE(is_503(test::get("127.0.0.1", held.number)));
    held.stop_answering();
    test::send_all(client.get(), "TP/1.1\r\n\r\n");
    CHECK(is_503(test::receive_all(client.get())));
}

TEST_CASE("no connection is refused or lost while the acceptors change", "[port]") {
    Held held;
    const auto of_the_app = held.duplicate();
    std::atomic<bool> stop{false};
    std::atomic<int> refused{0};
    std::atomic<int> from_app{0};
    std::atomic<int> from_supervisor{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back([&] {
            while (!stop) {
                const auto received = test::get("127.0.0.1", held.number);
                if (received.bytes == "from the app") {
                    ++from_app;
                } else if (is_503(received) && !received.reset) {
                    ++from_supervisor;
                } else {
                    ++refused;
                }
            }
        });
    }
    for (int round = 0; round < 20; ++round) {
        const int wanted = from_supervisor + 10;
        held.answer();
        while (from_supervisor < wanted && refused == 0) {
            std::this_thread::yield();
        }
        held.stop_answering();
        for (int i = 0; i < 10; ++i) {
            REQUIRE(test::serve_one(of_the_app.get(), "from the app"));
        }
    }
    stop = true;
    held.answer();
    for (auto& client : clients) {
        client.join();
    }
    CHECK(refused == 0);
    CHECK(from_app == 200);
    CHECK(from_supervisor >= 200);
}

TEST_CASE("slow, silent and half-closed clients are answered or cut, each in its time", "[port]") {
    Held held;
    held.answer();
    const auto begin = Clock::now();
    const auto silent = test::connect_to("127.0.0.1", held.number);
    const auto slow = test::connect_to("127.0.0.1", held.number);
    test::send_all(slow.get(), "GET / HTTP/1.1\r\nHost: ");
    const auto half = test::connect_to("127.0.0.1", held.number);
    test::send_all(half.get(), "GET / HTTP/1.1\r\n\r\n");
    shutdown(half.get(), SHUT_WR);
    const auto cut_short = test::connect_to("127.0.0.1", held.number);
    test::send_all(cut_short.get(), "GET / HTTP/1.1\r\n");
    shutdown(cut_short.get(), SHUT_WR);

    CHECK(is_503(test::receive_all(half.get())));
    CHECK(is_503(test::receive_all(cut_short.get())));
    CHECK(is_503(test::get("127.0.0.1", held.number)));
    CHECK(Clock::now() - begin < 1500ms);
    const auto slow_answer = test::receive_all(slow.get());
    CHECK(is_503(slow_answer));
    CHECK_FALSE(slow_answer.reset);
    const auto nothing = test::receive_all(silent.get());
    CHECK(nothing.bytes.empty());
    CHECK_FALSE(nothing.reset);
    const auto spent = Clock::now() - begin;
    CHECK(spent > 1900ms);
    CHECK(spent < 3500ms);
}

TEST_CASE("a head that never ends is answered after 8 KiB", "[port]") {
    Held held;
    held.answer();
    const auto begin = Clock::now();
    const auto received = test::get("127.0.0.1", held.number,
                                    "GET / HTTP/1.1\r\nCookie: " + std::string(100000, 'x'));
    CHECK(is_503(received));
    CHECK_FALSE(received.reset);
    CHECK(Clock::now() - begin < 1500ms);
}

TEST_CASE("a client in the middle of a large body gets the answer and no reset", "[port]") {
    Held held;
    held.answer();
    const auto client = test::connect_to("127.0.0.1", held.number);
    test::send_all(client.get(), "POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n");
    test::send_all(client.get(), std::string(10000000, 'x'));
    shutdown(client.get(), SHUT_WR);
    const auto received = test::receive_all(client.get());
    CHECK(is_503(received));
    CHECK_FALSE(received.reset);
}

TEST_CASE("a flood of silent clients neither takes more than its places nor holds up the loop",
          "[port]") {
    Held held;
    std::vector<UniqueFd> flood;
    for (int i = 0; i < 100; ++i) {
        flood.push_back(test::connect_to("127.0.0.1", held.number));
        REQUIRE(flood.back());
    }
    const auto before = test::open_descriptors();
    const auto begin = Clock::now();
    held.answer();
    const auto real = test::connect_to("127.0.0.1", held.number);
    test::send_all(real.get(), "GET / HTTP/1.1\r\n\r\n");
    std::size_t most = 0;
    for (int i = 0; i < 50; ++i) {
        const auto asked = Clock::now();
        most = std::max(most, held.thread.run([] { return test::open_descriptors(); }));
        CHECK(Clock::now() - asked < 500ms);
    }
    CHECK(most <= before + 64 + 1);
    CHECK(most > before + 1);
    CHECK(is_503(test::receive_all(real.get())));
    CHECK(Clock::now() - begin < 5s);
}

TEST_CASE("without descriptors accepting pauses, does not spin, and goes on", "[port]") {
    Held held;
    const auto client = test::connect_to("127.0.0.1", held.number);
    test::send_all(client.get(), "GET / HTTP/1.1\r\n\r\n");
    rlimit old{};
    getrlimit(RLIMIT_NOFILE, &old);
    const rlimit none{3, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    held.answer();
    const auto before = cpu_time(held.thread.handle());
    held.let_pass(500ms);
    const auto spent = cpu_time(held.thread.handle()) - before;
    setrlimit(RLIMIT_NOFILE, &old);
    CHECK(spent < 50ms);
    CHECK(is_503(test::receive_all(client.get())));
    // Stopping during a pause leaves no timer that accepts later.
    setrlimit(RLIMIT_NOFILE, &none);
    held.stop_answering();
    setrlimit(RLIMIT_NOFILE, &old);
    const auto of_the_app = held.duplicate();
    const auto next = test::connect_to("127.0.0.1", held.number);
    test::send_all(next.get(), "GET / HTTP/1.1\r\n\r\n");
    held.let_pass(150ms);
    REQUIRE(test::serve_one(of_the_app.get(), "from the app"));
    CHECK(test::receive_all(next.get()).bytes == "from the app");
}

TEST_CASE("answering without a port does nothing", "[port]") {
    test::LoopThread thread;
    thread.run([&thread] {
        HeldPort port(thread.loop());
        port.answer(kAnswer);
        port.stop_answering();
        port.close(kAnswer);
        CHECK(port.listener() == -1);
    });
}

TEST_CASE("an answer is sent on a socket that an app has shut down as well", "[port]") {
    Held held;
    const auto of_the_app = held.duplicate();
    held.answer();
    REQUIRE(is_503(test::get("127.0.0.1", held.number)));
    shutdown(of_the_app.get(), SHUT_RDWR);
    // The loop sees the hang-up and listens again.
    const auto end = Clock::now() + 5s;
    while (test::option_of(of_the_app.get(), SOL_SOCKET, SO_ACCEPTCONN) == 0 &&
           Clock::now() < end) {
        std::this_thread::yield();
    }
    CHECK(is_503(test::get("127.0.0.1", held.number)));
}
