// A machine that gives less and less: descriptors, memory, processes, the state folder, /proc. The
// service is worse, says why, and is well again when the machine is; the supervisor never ends.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// The soft limit of a process that runs, put back at the end.
class Limit {
  public:
    Limit(pid_t pid, __rlimit_resource what, rlim_t value) : pid_(pid), what_(what) {
        REQUIRE(prlimit(pid_, what_, nullptr, &before_) == 0);
        const rlimit now{value, before_.rlim_max};
        REQUIRE(prlimit(pid_, what_, &now, nullptr) == 0);
    }
    ~Limit() { prlimit(pid_, what_, &before_, nullptr); }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;

  private:
    pid_t pid_;
    __rlimit_resource what_;
    rlimit before_{};
};

// What it has open it keeps; no new one can have a number as low as that.
constexpr rlim_t kNoneFree = 3;

// The bytes of address space that a process has.
rlim_t address_space_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    rlim_t pages = 0;
    file >> pages;
    return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

pid_t app_of(const Json& status) {
    return static_cast<pid_t>(number_at(status, "pid"));
}

// The last event of a restart that names this cause.
bool says(const Json& event, const std::string& part) {
    return text_at(event, "cause").find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("without a free descriptor a crash waits until there are some", "[hostile]") {
    Bed bed(settings({"restart_backoff.base_ms=50", "restart_backoff.cap_ms=50"}) +
            Arguments{"--degraded-retry", "100ms"});
    const Json before = bed.wait_healthy();
    const pid_t steward = bed.steward().pid();
    {
        const Limit limit(steward, RLIMIT_NOFILE, kNoneFree);
        REQUIRE(::kill(app_of(before), SIGKILL) == 0);
        // The log is open: it still tells.
        const Json event = bed.wait_event("service.restart_scheduled", [](const Json& e) {
            return says(e, "Too many open files");
        });
        CHECK(number_at(event, "generation") >= 2);
        CHECK(bed.steward().lives());
        // Those who connect wait or are answered; nobody is refused.
        CHECK(connect_to(static_cast<std::uint16_t>(number_at(before, "port"))));
    }
    const Json after = bed.wait_healthy(2);
    CHECK(number_at(after, "port") == number_at(before, "port"));
    CHECK(bed.end().code == 0);
    CHECK(bed.nothing_left(1s));
}

TEST_CASE("without a free descriptor the session ends in its second all the same", "[hostile]") {
    Bed bed({});
    const pid_t steward = bed.steward().pid();
    bed.wait_healthy();
    const Limit limit(steward, RLIMIT_NOFILE, kNoneFree);
    const auto begin = Clock::now();
    const auto end = bed.end();
    CHECK(end.code == 0);
    CHECK(end.at - begin < 1s);
    CHECK(bed.nothing_left(1s));
}

TEST_CASE("probes that cannot be made for want of descriptors are not held against the app",
          "[hostile]") {
    Bed bed({"--health-interval", "100ms", "--health-timeout", "100ms", "--health-failures", "2"});
    const Json before = bed.wait_healthy();
    const pid_t steward = bed.steward().pid();
    {
        const Limit limit(steward, RLIMIT_NOFILE, kNoneFree);
        CHECK(stays(1500ms, [&] { return process_lives(app_of(before)); }));
    }
    const Json after = bed.wait_healthy();
    CHECK(number_at(after, "generation") == 1);
    CHECK(bed.events("service.unhealthy").empty());
}

TEST_CASE("a supervisor that gets no more memory goes on", "[hostile]") {
    Bed bed(settings({"restart_backoff.base_ms=50", "restart_backoff.cap_ms=50"}) +
            Arguments{"--health-interval", "100ms", "--degraded-retry", "100ms"});
    const Json before = bed.wait_healthy();
    const pid_t steward = bed.steward().pid();
    {
        // What it has mapped it keeps; nothing more.
        const Limit limit(steward, RLIMIT_AS, address_space_of(steward));
        REQUIRE(::kill(app_of(before), SIGKILL) == 0);
        CHECK(stays(1500ms, [&] { return bed.steward().lives(); }));
        // Requests for a status of every kind, and a flood that wants buffers.
        for (int i = 0; i < 50; ++i) {
            (void)run_steward(bed.sandbox(), {"status", "--json"});
        }
        CHECK(bed.steward().lives());
    }
    const Json after = bed.wait_healthy(2);
    CHECK(number_at(after, "port") == number_at(before, "port"));
    CHECK(bed.end().code == 0);
    CHECK(bed.nothing_left(1s));
}

TEST_CASE("requests that the memory does not suffice for are refused, and the server goes on",
          "[hostile]") {
    const Sandbox sandbox;
    StewardStart start;
    start.app = test_app();
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    const std::string large(4 << 20, 'x');
    {
        const Limit limit(steward.pid(), RLIMIT_AS, address_space_of(steward.pid()));
        for (int i = 0; i < 8; ++i) {
            steward.request_tool("search_prompts", R"({"query":")" + large + R"("})");
        }
        CHECK(stays(500ms, [&] {
            steward.pump();
            return steward.lives();
        }));
    }
    CHECK(text_at(steward.status(), "state") == "running");
    CHECK(steward.impure_lines().empty());
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
}

TEST_CASE("a state folder that becomes read-only costs the log, nothing else", "[hostile]") {
    if (geteuid() == 0) {
        WARN("root may write where nobody may; shown with a folder that is gone instead");
    }
    Bed bed(quick_restarts());
    const Json before = bed.wait_healthy();
    if (geteuid() == 0) {
        fs::remove_all(bed.sandbox().state());
        std::ofstream(bed.sandbox().state()) << "no folder";
    } else {
        for (const auto& entry : fs::recursive_directory_iterator(bed.sandbox().state())) {
            if (entry.is_directory()) {
                fs::permissions(entry.path(), fs::perms(0500));
            }
        }
    }
    const auto port = static_cast<std::uint16_t>(number_at(before, "port"));
    REQUIRE(::kill(app_of(before), SIGKILL) == 0);
    // The held socket tells: the next instance answers.
    const auto answer = http_get(port, "/pid");
    CHECK(answer.status == 200);
    CHECK(answer.body != std::to_string(app_of(before)));
    CHECK(bed.steward().lives());
    CHECK(bed.end().code == 0);
    CHECK(bed.nothing_left(1s));
}

}  // namespace steward::tests
