// Time that does not pass as a supervisor expects: it is stopped itself, the machine sleeps, the
// wall clock is set. No false restart, no burst.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "bed.hpp"
#include "catch.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

using namespace std::chrono_literals;

// Probes so close together that a pause of seconds would cost the app its life many times over.
Arguments eager_probes() {
    return {"--health-interval", "100ms", "--health-timeout", "100ms", "--health-failures", "2"};
}

// What STEWARD_TEST_CLOCK names, see tests/support/preload/shifted_clock.c.
class ClockFile {
  public:
    explicit ClockFile(const std::string& path) : path_(path) {
        const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(fd >= 0);
        REQUIRE(ftruncate(fd, kSize) == 0);
        at_ = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        REQUIRE(at_ != MAP_FAILED);
    }
    ~ClockFile() { munmap(at_, kSize); }
    ClockFile(const ClockFile&) = delete;
    ClockFile& operator=(const ClockFile&) = delete;

    [[nodiscard]] std::vector<std::string> environment() const {
        return {"LD_PRELOAD=" STEWARD_SHIFTED_CLOCK, "STEWARD_TEST_CLOCK=" + path_};
    }
    void set_wall(std::chrono::nanoseconds shift) { shifts()[0] = shift.count(); }
    void sleep_for(std::chrono::nanoseconds more) { shifts()[1] += more.count(); }

  private:
    static constexpr std::size_t kSize = 2 * sizeof(std::int64_t);
    [[nodiscard]] std::atomic<std::int64_t>* shifts() const {
        return static_cast<std::atomic<std::int64_t>*>(at_);
    }

    std::string path_;
    void* at_ = nullptr;
};

constexpr auto kYear = std::chrono::hours(24 * 365);

std::string year_of(const Json& event) {
    return text_at(event, "ts").substr(0, 4);
}

// A bed whose steward has clocks that can be moved; its app has the true ones.
struct ClockBed {
    Sandbox files;
    ClockFile clock{files.file("clock")};
    Bed bed;
    explicit ClockBed(const Arguments& args, const Arguments& app = test_app())
        : bed(args, app, [this] {
              StewardStart start;
              start.env = clock.environment();
              return start;
          }()) {}
};

}  // namespace

TEST_CASE("a supervisor that was stopped for long takes down nothing", "[time]") {
    Bed bed(eager_probes());
    const Json before = bed.wait_healthy();
    const auto app = static_cast<pid_t>(number_at(before, "pid"));
    const bool app_too = GENERATE(false, true);  // a whole session that is stopped, as in a suspend
    CAPTURE(app_too);
    bed.steward().kill(SIGSTOP);
    if (app_too) {
        REQUIRE(::kill(app, SIGSTOP) == 0);
    }
    // What is modelled is a long stop; --health-failures probes would fit in many times.
    std::this_thread::sleep_for(3s);
    bed.steward().kill(SIGCONT);
    if (app_too) {
        // The supervisor goes on first, and may ask the app before it does.
        std::this_thread::sleep_for(50ms);
        REQUIRE(::kill(app, SIGCONT) == 0);
    }
    CHECK(stays(2s, [&] { return process_lives(app); }));
    const Json after = bed.wait_healthy();
    CHECK(number_at(after, "generation") == 1);
    CHECK(number_at(after, "restarts") == 0);
    CHECK(number_at(after, "pid") == app);
    CHECK(bed.events("service.unhealthy").empty());
}

TEST_CASE("an app that died while the supervisor was stopped is restarted once", "[time]") {
    Bed bed(eager_probes() + quick_restarts());
    const Json before = bed.wait_healthy();
    bed.steward().kill(SIGSTOP);
    REQUIRE(::kill(static_cast<pid_t>(number_at(before, "pid")), SIGKILL) == 0);
    std::this_thread::sleep_for(3s);
    bed.steward().kill(SIGCONT);
    const Json after = bed.wait_healthy(2);
    CHECK(stays(1s, [&] { return process_lives(static_cast<pid_t>(number_at(after, "pid"))); }));
    CHECK(number_at(bed.status(), "generation") == 2);
    CHECK(number_at(bed.status(), "restarts") == 1);
    CHECK(bed.events("service.exit").size() == 1);
}

TEST_CASE("a wall clock that is set a year forward or back restarts nothing", "[time]") {
    ClockBed clocks(eager_probes() + quick_restarts());
    Bed& bed = clocks.bed;
    const Json before = bed.wait_healthy();
    const auto app = static_cast<pid_t>(number_at(before, "pid"));
    for (const auto shift : {kYear, -kYear, 0 * kYear}) {
        clocks.clock.set_wall(shift);
        CHECK(stays(700ms, [&] { return process_lives(app); }));
        const Json now = bed.status();
        CHECK(text_at(now, "healthy") == "true");
        CHECK(number_at(now, "generation") == 1);
        CHECK(std::stod(text_at(now, "uptime")) > 0);
        CHECK(std::stod(text_at(now, "uptime")) < 60);
    }
    // The jump was seen: what is told from now on bears the new date, and the wait before a restart
    // is no year.
    clocks.clock.set_wall(kYear);
    REQUIRE(::kill(app, SIGKILL) == 0);
    const Json again = bed.wait_healthy(2);
    CHECK(number_at(again, "restarts") == 1);
    const Json exited = bed.wait_event("service.exit");
    CHECK(std::stoi(year_of(exited)) > std::stoi(year_of(bed.wait_event("service.start"))));
}

TEST_CASE("a restart that waits is not hurried or held up by a wall clock that is set", "[time]") {
    const auto shift = GENERATE(kYear, -kYear);
    ClockBed clocks(settings({"restart_backoff.base_ms=700", "restart_backoff.jitter_percent=0"}));
    Bed& bed = clocks.bed;
    const Json before = bed.wait_healthy();
    // From the kill: the wait begins before its event can be read from the log.
    const auto begin = Clock::now();
    REQUIRE(::kill(static_cast<pid_t>(number_at(before, "pid")), SIGKILL) == 0);
    bed.wait_event("service.restart_scheduled");
    clocks.clock.set_wall(shift);
    bed.wait_event("service.start",
                   [](const Json& event) { return number_at(event, "generation") == 2; });
    const auto took = Clock::now() - begin;
    CHECK(took > 600ms);
    CHECK(took < 5s);
}

TEST_CASE("probes that failed while the machine slept count nothing", "[time]") {
    ClockBed clocks(
        {"--health-interval", "100ms", "--health-timeout", "2s", "--health-failures", "1"});
    Bed& bed = clocks.bed;
    const Json before = bed.wait_healthy();
    const auto app = static_cast<pid_t>(number_at(before, "pid"));
    // The app is stopped, so the next probe, 100 ms later at most, fails 2 s after its start; the
    // machine has slept meanwhile. Then the app goes on, before the probe that is asked at once has
    // failed. Each step has a second and more to spare.
    REQUIRE(::kill(app, SIGSTOP) == 0);
    std::this_thread::sleep_for(700ms);
    clocks.clock.sleep_for(1h);
    std::this_thread::sleep_for(2300ms);
    REQUIRE(::kill(app, SIGCONT) == 0);
    CHECK(stays(1s, [&] { return process_lives(app); }));
    CHECK(number_at(bed.status(), "generation") == 1);
    CHECK(bed.events("service.unhealthy").empty());
}

}  // namespace steward::tests
