// The end of the kept socket.
#include <fcntl.h>
#include <sys/socket.h>

#include "catch.hpp"
#include "loop_thread.hpp"
#include "net.hpp"
#include "steward/core/held_port.hpp"

using namespace steward;
using core::HeldPort;
using core::PortAnswer;
using core::UniqueFd;
using Clock = std::chrono::steady_clock;

namespace {

const PortAnswer kEnd{"stopped", "the session has ended", 5};

bool is_end(const test::Received& received) {
    return received.bytes.rfind("HTTP/1.1 503 ", 0) == 0 && !received.reset &&
           received.bytes.find("the session has ended") != std::string::npos;
}

}  // namespace

TEST_CASE("closing answers everything that waits, within milliseconds, and gives the port back",
          "[port]") {
    test::LoopThread thread;
    auto port = std::make_unique<HeldPort>(thread.loop());
    const auto number = test::free_port();
    REQUIRE(thread.run([&] { return static_cast<bool>(port->take("127.0.0.1", number)); }));
    const auto before = test::open_descriptors();
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(test::connect_to("127.0.0.1", number));
        REQUIRE(clients.back());
        if (i >= 5) {
            test::send_all(clients.back().get(),
                           "GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n");
        }
    }
    const auto begin = Clock::now();
    thread.run([&] { port->close(kEnd); });
    CHECK(Clock::now() - begin < std::chrono::seconds(1));
    CHECK(thread.run([&] { return port->listener(); }) == -1);
    CHECK_FALSE(test::connect_to("127.0.0.1", number));
    // Those who had not asked yet ask now.
    for (int i = 0; i < 5; ++i) {
        test::send_all(clients[static_cast<std::size_t>(i)].get(), "GET / HTTP/1.1\r\n\r\n");
    }
    for (const auto& client : clients) {
        CHECK(is_end(test::receive_all(client.get())));
    }
    clients.clear();
    thread.run([&] { port.reset(); });
    CHECK(test::open_descriptors() == before - 3);
    thread.run([&] {
        HeldPort next(thread.loop());
        CHECK(next.take("127.0.0.1", number));
    });
}

TEST_CASE("closing answers connections whose request is still being read", "[port]") {
    test::LoopThread thread;
    auto port = std::make_unique<HeldPort>(thread.loop());
    const auto number = test::free_port();
    REQUIRE(thread.run([&] { return static_cast<bool>(port->take("127.0.0.1", number)); }));
    thread.run([&] { port->answer({"degraded", "not yet the end", 5}); });
    const auto client = test::connect_to("127.0.0.1", number);
    test::send_all(client.get(), "GET / HTTP/1.1\r\nHost");
    REQUIRE(test::get("127.0.0.1", number).bytes.find("not yet the end") != std::string::npos);
    thread.run([&] { port->close(kEnd); });
    CHECK(is_end(test::receive_all(client.get())));
    thread.run([&] { port.reset(); });
}

TEST_CASE("a full backlog does not make closing long", "[port]") {
    test::LoopThread thread;
    auto port = std::make_unique<HeldPort>(thread.loop());
    const auto number = test::free_port();
    REQUIRE(thread.run([&] { return static_cast<bool>(port->take("127.0.0.1", number)); }));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 3000; ++i) {
        clients.push_back(test::connect_to("127.0.0.1", number));
        REQUIRE(clients.back());
    }
    const auto begin = Clock::now();
    thread.run([&] { port->close(kEnd); });
    CHECK(Clock::now() - begin < std::chrono::seconds(1));
    thread.run([&] { port.reset(); });
}
