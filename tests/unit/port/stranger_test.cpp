// Whose socket answers on the port.
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "catch.hpp"
#include "net.hpp"
#include "steward/core/held_port.hpp"
#include "steward/core/loop.hpp"

using namespace steward;
using core::HeldPort;
using core::UniqueFd;
using test::Ends;
using test::Option;

namespace {

// A guardian, and below it an app that listens; both end when this object does.
class Tree {
  public:
    Tree(const std::string& address, std::uint16_t port, Option option = Option::kNone) {
        int go_on[2];
        int ready[2];
        REQUIRE(pipe(go_on) == 0);
        REQUIRE(pipe(ready) == 0);
        guardian_ = fork();
        if (guardian_ == 0) {
            close(go_on[1]);
            const pid_t app = fork();
            if (app == 0) {
                const auto listener = test::server(address, port, Ends::kListening, option);
                const char answer = listener ? 'y' : 'n';
                (void)!write(ready[1], &answer, 1);
                char byte = 0;
                (void)!read(go_on[0], &byte, 1);
                _exit(0);
            }
            waitpid(app, nullptr, 0);
            _exit(0);
        }
        close(go_on[0]);
        close(ready[1]);
        go_on_ = UniqueFd(go_on[1]);
        const UniqueFd reports(ready[0]);
        char answer = 0;
        REQUIRE(read(reports.get(), &answer, 1) == 1);
        REQUIRE(answer == 'y');
    }
    ~Tree() {
        go_on_.reset();
        waitpid(guardian_, nullptr, 0);
    }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    pid_t guardian() const { return guardian_; }

  private:
    pid_t guardian_ = -1;
    UniqueFd go_on_;
};

std::string this_process() {
    return "pid " + std::to_string(getpid()) + " (" + test::own_name() + ")";
}

}  // namespace

TEST_CASE("a listener below the guardian is ours", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    const std::string address = GENERATE("127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1");
    REQUIRE(port.test("127.0.0.1", number));
    const Tree tree(address, number);
    CHECK(port.stranger_on(number, tree.guardian()) == "");
}

TEST_CASE("a listener of another process is named", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.test("127.0.0.1", number));
    const Tree tree("::1", number);
    const auto stranger = test::server("127.0.0.1", number, Ends::kListening);
    // The app listens, but not where the supervisor asks.
    CHECK(port.stranger_on(number, tree.guardian()) == this_process());
    CHECK(port.stranger_on(number, 0) == this_process());
}

TEST_CASE("an impostor who shares the port with the app is named", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.test("127.0.0.1", number));
    const Tree tree("127.0.0.1", number, Option::kReusePort);
    REQUIRE(port.stranger_on(number, tree.guardian()) == "");
    SECTION("on the same address") {
        const auto stranger =
            test::server("127.0.0.1", number, Ends::kListening, Option::kReusePort);
        REQUIRE(stranger);
        CHECK(port.stranger_on(number, tree.guardian()) == this_process());
    }
    SECTION("on all addresses, where the app's own goes first") {
        const auto stranger = test::server("0.0.0.0", number, Ends::kListening, Option::kReusePort);
        REQUIRE(stranger);
        CHECK(port.stranger_on(number, tree.guardian()) == "");
    }
}

TEST_CASE("nobody who listens is not ours either", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.test("127.0.0.1", number));
    CHECK(port.stranger_on(number, 1) == "another process");
}

TEST_CASE("the kept socket itself is no stranger", "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.take("127.0.0.1", number));
    CHECK(port.stranger_on(number, 0) == "");
}

// ---- who does not take the held socket

TEST_CASE("connections that nobody accepts are told of, with where the app listens instead",
          "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    REQUIRE(port.take("127.0.0.1", number));
    const auto other = test::free_port();
    const Tree tree("127.0.0.1", other);
    CHECK(port.not_accepted(tree.guardian()) == "");
    auto client = test::connect_to("127.0.0.1", number);
    REQUIRE(client);
    client.reset();  // A probe that has given up waits on.
    const std::string nobody = "nobody accepts connections on the socket that was handed over";
    CHECK(port.not_accepted(tree.guardian()) ==
          nobody + ", the app listens on 127.0.0.1:" + std::to_string(other));
    CHECK(port.not_accepted(0) == nobody);
    const UniqueFd accepted(accept4(port.listener(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(accepted);
    CHECK(port.not_accepted(tree.guardian()) == "");
    // It is busy with that one, whoever waits.
    const auto second = test::connect_to("127.0.0.1", number);
    REQUIRE(second);
    CHECK(port.not_accepted(tree.guardian()) == "");
}

TEST_CASE("a held socket that the app has made shareable is told of, and who shares it named",
          "[port]") {
    core::Loop loop;
    HeldPort port(loop);
    const auto number = test::free_port();
    CHECK_FALSE(port.shareable());
    REQUIRE(port.take("127.0.0.1", number));
    CHECK_FALSE(port.shareable());
    const int on = 1;
    REQUIRE(setsockopt(port.listener(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    CHECK(port.shareable());
    CHECK(port.stranger_on(number, 0) == "");
    const auto stranger = test::server("127.0.0.1", number, Ends::kListening, Option::kReusePort);
    REQUIRE(stranger);
    CHECK(port.stranger_on(number, 0) == this_process());
    REQUIRE(port.listener() >= 0);
    CHECK(port.shareable());
}
