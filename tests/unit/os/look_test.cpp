// OsLinux::look() at real processes: what they use, whether they stand still, who holds them, and
// how many connections wait.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <vector>

#include "catch.hpp"
#include "steward/core/loop.hpp"
#include "steward/core/os_linux.hpp"
#include "steward/core/unique_fd.hpp"

using namespace std::chrono_literals;
using steward::core::AppLook;
using steward::core::Condition;
using steward::core::Duration;
using steward::core::Loop;
using steward::core::OsLinux;
using steward::core::UniqueFd;

namespace {

// A process that does as told until it is killed.
class Child {
  public:
    explicit Child(const std::function<void()>& deed) : pid_(fork()) {
        if (pid_ == 0) {
            deed();
            for (;;) {
                pause();
            }
        }
        REQUIRE(pid_ > 0);
    }
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    // Killed and not yet waited for.
    void end() const {
        ::kill(pid_, SIGKILL);
        siginfo_t info{};
        REQUIRE(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0);
    }
    void reap() {
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    pid_t pid_;
};

void spin() {
    while (getppid() != 0) {
    }
}

AppLook look(OsLinux& os, Loop& loop, pid_t pid, std::uint16_t port = 0) {
    auto look = os.look({pid, getpid(), "127.0.0.1", port});
    look.at = loop.now();
    return look;
}

// Looks until the condition is that one, at most 5 s.
steward::core::Evidence becomes(OsLinux& os, Loop& loop, pid_t pid, Condition condition) {
    const auto before = look(os, loop, pid);
    auto evidence = weigh(before, look(os, loop, pid));
    const auto end = loop.now() + 5s;
    while (evidence.condition != condition && loop.now() < end) {
        usleep(10'000);
        evidence = weigh(before, look(os, loop, pid));
    }
    return evidence;
}

}  // namespace

TEST_CASE("what an app uses is seen, and what its children use", "[look]") {
    Loop loop;
    OsLinux os(loop);
    {
        const Child idle([] {});
        const auto before = look(os, loop, idle.pid());
        REQUIRE(before.unreadable == "");
        CHECK(before.processes.count(idle.pid()) == 1);
        CHECK(becomes(os, loop, idle.pid(), Condition::kHung).condition == Condition::kHung);
        const Child busy(spin);  // A sibling: of the same tree.
        CHECK(becomes(os, loop, idle.pid(), Condition::kBusy).text.find("busy: used ") == 0);
    }
    const Child busy(spin);
    CHECK(becomes(os, loop, busy.pid(), Condition::kBusy).condition == Condition::kBusy);
}

TEST_CASE("stopped, ended and gone processes are seen as such", "[look]") {
    Loop loop;
    OsLinux os(loop);
    Child child([] {});
    ::kill(child.pid(), SIGSTOP);
    CHECK(becomes(os, loop, child.pid(), Condition::kStopped).condition == Condition::kStopped);
    ::kill(child.pid(), SIGCONT);
    CHECK(becomes(os, loop, child.pid(), Condition::kHung).condition == Condition::kHung);
    const auto before = look(os, loop, child.pid());
    const auto pid = child.pid();
    child.end();
    CHECK(weigh(before, look(os, loop, pid)).text == "dead: its process is a zombie");
    child.reap();
    CHECK(weigh(before, look(os, loop, pid)).text == "dead: its process is gone");
}

TEST_CASE("of a large tree so much is looked at, and that there is more is said", "[look]") {
    Loop loop;
    OsLinux os(loop);
    const Child app([] {});
    std::vector<std::unique_ptr<Child>> others;
    for (int i = 0; i < 254; ++i) {
        others.push_back(std::make_unique<Child>([] {}));
    }
    const auto whole = look(os, loop, app.pid());
    CHECK_FALSE(whole.truncated);
    CHECK(whole.processes.size() == 256);  // With this one, the root.
    for (int i = 0; i < 20; ++i) {
        others.push_back(std::make_unique<Child>([] {}));
    }
    const auto part = look(os, loop, app.pid());
    CHECK(part.truncated);
    CHECK(part.processes.size() <= 258);
    CHECK(part.processes.count(app.pid()) == 1);
}

TEST_CASE("connections that wait to be accepted are counted", "[look]") {
    Loop loop;
    OsLinux os(loop);
    const UniqueFd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    socklen_t size = sizeof name;
    REQUIRE(bind(server.get(), address, size) == 0);
    getsockname(server.get(), address, &size);
    const auto port = ntohs(name.sin_port);
    CHECK_FALSE(look(os, loop, getpid(), port).queued);
    REQUIRE(listen(server.get(), 8) == 0);
    CHECK(look(os, loop, getpid(), port).queued == 0U);
    const UniqueFd first(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const UniqueFd second(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(connect(first.get(), address, size) == 0);
    REQUIRE(connect(second.get(), address, size) == 0);
    CHECK(look(os, loop, getpid(), port).queued == 2U);
    const UniqueFd accepted(accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    CHECK(look(os, loop, getpid(), port).queued == 1U);
}
