// Taking a port: what is refused, what is taken again, and what the kept socket is like.
#include "steward/core/held_port.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "catch.hpp"
#include "net.hpp"
#include "steward/core/loop.hpp"

using namespace steward;
using core::HeldPort;
using core::UniqueFd;
using test::Ends;
using test::Option;

namespace {

constexpr int kBusyPorts = 50;

bool begins_with(const std::string& text, const std::string& head) {
    return text.rfind(head, 0) == 0;
}

// Accepts and closes so many connections, each closed by the server first, as HTTP/1.0 servers do.
void serve_and_close(int listener, std::uint16_t port, int count) {
    for (int i = 0; i < count; ++i) {
        const auto client = test::connect_to("127.0.0.1", port);
        test::send_all(client.get(), "GET / HTTP/1.0\r\n\r\n");
        REQUIRE(test::serve_one(listener, "hello"));
        REQUIRE(test::receive_all(client.get()).bytes == "hello");
    }
}

// Runs it in a child of its own; its exit code. The work may change the child's rights and
// namespaces.
int in_child(const std::function<int()>& work) {
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(work());
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("the kept socket listens with the largest backlog and is not inherited by programs",
          "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.listener() == -1);
    REQUIRE(port.take("127.0.0.1", number));
    const int fd = port.listener();
    REQUIRE(fd >= 0);
    CHECK(test::option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(test::option_of(fd, SOL_SOCKET, SO_REUSEADDR) == 1);
    CHECK(test::option_of(fd, SOL_SOCKET, SO_REUSEPORT) == 0);
    CHECK(test::has_close_on_exec(fd));
    CHECK_FALSE(test::is_nonblocking(fd));
    std::ifstream file("/proc/sys/net/core/somaxconn");
    unsigned largest = 0;
    file >> largest;
    CHECK(test::backlog_of(fd) == std::min<unsigned>(largest, SOMAXCONN));
}

TEST_CASE("a port that a stranger has bound in any way is refused, and nothing is held", "[port]") {
    const std::string address = GENERATE("127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1");
    const auto option = GENERATE(Option::kNone, Option::kReuseAddress, Option::kReusePort);
    const auto ends = GENERATE(Ends::kBound, Ends::kListening);
    const std::string host = GENERATE("127.0.0.1", "::1");
    CAPTURE(address, option, ends, host);
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    auto stranger = test::server(address, number, ends, option);
    REQUIRE(stranger);

    const bool concerns_other =
        (address == "::1") == (host == "127.0.0.1") && address != "::" && address != "0.0.0.0";
    const auto before = test::open_descriptors();
    const auto taken = port.take(host, number);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().sys_errno == EADDRINUSE);
    const std::string v4 = "127.0.0.1:" + std::to_string(number) + " is ";
    const std::string v6 = "[::1]:" + std::to_string(number) + " is ";
    const bool named_v6 = (host == "::1") != concerns_other;
    CAPTURE(taken.error().text);
    if (address != "0.0.0.0" && address != "::") {
        CHECK(begins_with(taken.error().text, named_v6 ? v6 : v4));
    }
    CHECK(port.listener() == -1);
    CHECK(test::open_descriptors() == before);
    CHECK_FALSE(port.test(host, number));
    CHECK(test::open_descriptors() == before);

    stranger.reset();
    CHECK(port.test(host, number));
    CHECK(port.take(host, number));
}

TEST_CASE("whoever uses the port is named with its pid", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    const std::string address = GENERATE("127.0.0.1", "::1");
    const auto stranger = test::server(address, number, Ends::kListening);
    const auto taken = port.take("127.0.0.1", number);
    REQUIRE_FALSE(taken);
    const std::string shown = address == "::1" ? "[::1]" : address;
    CHECK(taken.error().text == shown + ":" + std::to_string(number) + " is in use by " +
                                    test::own_name() + " (pid " + std::to_string(getpid()) + ")");
}

TEST_CASE("many refused candidates in a row do not hold the loop up", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    std::vector<UniqueFd> strangers;
    std::vector<std::uint16_t> numbers;
    for (int i = 0; i < kBusyPorts; ++i) {
        strangers.push_back(test::server("127.0.0.1", 0, Ends::kListening));
        numbers.push_back(test::port_of(strangers.back().get()));
    }
    const auto begin = std::chrono::steady_clock::now();
    for (const auto number : numbers) {
        CHECK_FALSE(port.take("127.0.0.1", number));
    }
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500));
}

TEST_CASE("the port is taken again after a hundred requests left connections in TIME_WAIT",
          "[port]") {
    core::Loop loop;
    const auto number = test::free_port();
    const std::string host = GENERATE("127.0.0.1", "0.0.0.0");
    {
        HeldPort first(loop);
        REQUIRE(first.take(host, number));
        serve_and_close(first.listener(), number, 100);
    }
    REQUIRE(test::reaches(number, TCP_TIME_WAIT, 100));

    HeldPort second(loop);
    CHECK(second.test(host, number));
    REQUIRE(second.take(host, number));
    // What was needed to get it back has not opened a door for others.
    for (const auto* address : {"127.0.0.1", "0.0.0.0", "::1", "::"}) {
        for (const auto option : {Option::kNone, Option::kReuseAddress, Option::kReusePort}) {
            CAPTURE(address, option);
            CHECK_FALSE(test::server(address, number, Ends::kBound, option));
        }
    }
    const auto client = test::connect_to("127.0.0.1", number);
    CHECK(client);
}

TEST_CASE("the port is taken again while idle clients of the last session hang on to it",
          "[port]") {
    core::Loop loop;
    const auto number = test::free_port();
    std::vector<UniqueFd> clients;
    {
        HeldPort first(loop);
        REQUIRE(first.take("127.0.0.1", number));
        std::vector<UniqueFd> accepted;
        for (int i = 0; i < 5; ++i) {
            clients.push_back(test::connect_to("127.0.0.1", number));
            accepted.emplace_back(accept4(first.listener(), nullptr, nullptr, SOCK_CLOEXEC));
            REQUIRE(accepted.back());
        }
        // Two more wait in the backlog and are reset.
        clients.push_back(test::connect_to("127.0.0.1", number));
        clients.push_back(test::connect_to("127.0.0.1", number));
    }
    REQUIRE(test::reaches(number, TCP_FIN_WAIT2, 5));
    HeldPort second(loop);
    CHECK(second.test("127.0.0.1", number));
    CHECK(second.take("127.0.0.1", number));
}

TEST_CASE("a connection that a process still holds keeps the port from being taken", "[port]") {
    core::Loop loop;
    const auto number = test::free_port();
    UniqueFd client;
    UniqueFd accepted;
    {
        HeldPort first(loop);
        REQUIRE(first.take("127.0.0.1", number));
        client = test::connect_to("127.0.0.1", number);
        accepted.reset(accept4(first.listener(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    HeldPort second(loop);
    SECTION("open") {}
    SECTION("half-closed: the state of a closing connection, but with an owner") {
        shutdown(accepted.get(), SHUT_WR);
        REQUIRE(test::reaches(number, TCP_FIN_WAIT2, 1));
    }
    const auto taken = second.take("127.0.0.1", number);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().text.find("(pid " + std::to_string(getpid()) + ")") != std::string::npos);
    accepted.reset();
    CHECK(second.take("127.0.0.1", number));
}

TEST_CASE("closing connections of a server that did not share its address are called what they are",
          "[port]") {
    core::Loop loop;
    const auto number = test::free_port();
    {
        const auto other = test::server("127.0.0.1", number, Ends::kListening, Option::kNone);
        serve_and_close(other.get(), number, 1);
    }
    REQUIRE(test::reaches(number, TCP_TIME_WAIT, 1));
    HeldPort port(loop);
    const auto taken = port.take("127.0.0.1", number);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().text ==
          "127.0.0.1:" + std::to_string(number) +
              " is in use by connections of an earlier server that are still closing");
}

TEST_CASE("the other family's loopback address is held and refuses at once", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    const bool v4 = GENERATE(true, false);
    const std::string host = v4 ? "127.0.0.1" : "::1";
    const std::string other = v4 ? "::1" : "127.0.0.1";
    REQUIRE(port.take(host, number));
    for (const auto option : {Option::kNone, Option::kReuseAddress, Option::kReusePort}) {
        CHECK_FALSE(test::server(other, number, Ends::kBound, option));
    }
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(test::connect_to(other, number));
    CHECK(errno == ECONNREFUSED);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(500));
    CHECK(test::connect_to(host, number));
}

TEST_CASE(
    "the other family's address cannot be stolen, even when it was freed by closing connections "
    "only",
    "[port]") {
    core::Loop loop;
    const auto number = test::free_port();
    {
        HeldPort first(loop);
        REQUIRE(first.take("::1", number));
        const auto client = test::connect_to("::1", number);
        test::send_all(client.get(), "GET / HTTP/1.0\r\n\r\n");
        REQUIRE(test::serve_one(first.listener(), "x"));
        REQUIRE(test::receive_all(client.get()).bytes == "x");
    }
    REQUIRE(test::reaches(number, TCP_TIME_WAIT, 1));
    HeldPort second(loop);
    REQUIRE(second.take("127.0.0.1", number));
    for (const auto option : {Option::kNone, Option::kReuseAddress, Option::kReusePort}) {
        CHECK_FALSE(test::server("::1", number, Ends::kBound, option));
    }
}

TEST_CASE("the host :: takes both families with one socket", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.take("::", number));
    CHECK(test::connect_to("127.0.0.1", number));
    CHECK(test::connect_to("::1", number));
}

TEST_CASE("trying a port holds nothing and leaves nothing behind", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    const auto before = test::open_descriptors();
    REQUIRE(port.test("127.0.0.1", number));
    REQUIRE(port.test("127.0.0.1", number));
    CHECK(test::open_descriptors() == before);
    CHECK(port.listener() == -1);
    const auto rows = core::socket_rows(number, core::SocketStates::kAll);
    REQUIRE(rows);
    CHECK(rows->empty());
    CHECK(test::server("127.0.0.1", number, Ends::kListening));
    CHECK(test::server("::1", number, Ends::kListening));
}

TEST_CASE("taking another port lets the first one go", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto first = test::free_port();
    REQUIRE(port.take("127.0.0.1", first));
    const auto second = test::free_port();
    REQUIRE(port.take("127.0.0.1", second));
    CHECK(test::server("127.0.0.1", first, Ends::kListening));
    CHECK_FALSE(test::server("127.0.0.1", second, Ends::kListening));
    REQUIRE_FALSE(port.take("nowhere", second));
    CHECK(port.listener() == -1);
}

TEST_CASE("a host or port that cannot be bound is refused in words", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto text = [&port](const std::string& host, std::uint16_t number) {
        const auto taken = port.take(host, number);
        REQUIRE_FALSE(taken);
        return taken.error().text;
    };
    CHECK(text("localhost", 5000) ==
          "the host must be a literal address such as 127.0.0.1 or ::1 (got 'localhost')");
    CHECK(text("", 5000) == "the host must be a literal address such as 127.0.0.1 or ::1 (got '')");
    CHECK(text("[::1]", 5000) ==
          "the host must be a literal address such as 127.0.0.1 or ::1 (got '[::1]')");
    CHECK(text("127.0.0.1", 0) == "0 is not a port that can be kept; give one from 1 to 65535");
    CHECK(text("192.0.2.1", 5000) ==
          "192.0.2.1:5000 cannot be bound: this machine has no address 192.0.2.1");
}

TEST_CASE("a privileged port is refused with the reason", "[port]") {
    const int code = in_child([] {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
            return 2;
        }
        core::Loop loop;
        HeldPort port(loop);
        const auto taken = port.take("127.0.0.1", 1);
        const std::string expected =
            "127.0.0.1:1 may not be bound by this user: permission denied; use a port from 1024 on";
        return !taken && taken.error().sys_errno == EACCES && taken.error().text == expected ? 0
                                                                                             : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("a machine without IPv6 does without its loopback address", "[port]") {
    const int code = in_child([] {
        if (unshare(CLONE_NEWNET) != 0) {
            return 77;
        }
        std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << 1;
        const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        request.ifr_name[0] = 'l';
        request.ifr_name[1] = 'o';
        request.ifr_flags = IFF_UP;
        if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) {
            return 77;
        }
        if (test::server("::1", 5000, Ends::kBound)) {
            return 77;
        }
        core::Loop loop;
        HeldPort port(loop);
        return port.take("127.0.0.1", 5000) && test::connect_to("127.0.0.1", 5000) ? 0 : 1;
    });
    if (code == 77) {
        WARN("not tested: network namespaces are not available here");
        return;
    }
    CHECK(code == 0);
}

TEST_CASE("the socket is blocking and listens again whatever an app has done to it", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.take("127.0.0.1", number));
    const UniqueFd of_the_app(fcntl(port.listener(), F_DUPFD_CLOEXEC, 0));
    fcntl(of_the_app.get(), F_SETFL, O_NONBLOCK);
    REQUIRE(test::is_nonblocking(of_the_app.get()));
    CHECK(port.listener() >= 0);
    CHECK_FALSE(test::is_nonblocking(of_the_app.get()));

    shutdown(of_the_app.get(), SHUT_RDWR);
    REQUIRE(test::option_of(of_the_app.get(), SOL_SOCKET, SO_ACCEPTCONN) == 0);
    REQUIRE_FALSE(test::connect_to("127.0.0.1", number));
    const int fd = port.listener();
    REQUIRE(fd >= 0);
    CHECK(test::option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(test::connect_to("127.0.0.1", number));
}

TEST_CASE("requests made while nobody accepts are answered later", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.take("127.0.0.1", number));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(test::connect_to("127.0.0.1", number));
        REQUIRE(clients.back());
        test::send_all(clients.back().get(), "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n");
    }
    const UniqueFd of_the_app(fcntl(port.listener(), F_DUPFD_CLOEXEC, 0));
    for (const auto& client : clients) {
        REQUIRE(test::serve_one(of_the_app.get(), "late"));
        CHECK(test::receive_all(client.get()).bytes == "late");
    }
}
