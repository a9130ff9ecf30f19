// Many restarts under load: clients are never refused, and nothing piles up.
#include <poll.h>

#include <array>
#include <atomic>
#include <csignal>
#include <map>
#include <thread>
#include <utility>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

constexpr int kRestarts = 50;
constexpr int kClients = 3;
constexpr std::chrono::seconds kBound{60};

// Clients that open a connection for each request, about 500 times a second each, so that local
// ports do not run out.
class Load {
  public:
    explicit Load(std::uint16_t port) {
        for (auto& results : results_) {
            threads_.emplace_back([this, port, &results] {
                while (!stop_) {
                    const Answer answer = fetch(port, "/pid");
                    ++results[answer.trouble.empty() ? std::to_string(answer.status)
                                                     : answer.trouble];
                    const timespec pause{0, 2'000'000};
                    ppoll(nullptr, 0, &pause, nullptr);
                }
            });
        }
    }
    ~Load() { (void)finish(); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    // How often which end: a status, or what went wrong.
    std::map<std::string, int> finish() {
        stop_ = true;
        for (auto& thread : threads_) {
            thread.join();
        }
        threads_.clear();
        std::map<std::string, int> sum;
        for (const auto& results : results_) {
            for (const auto& [end, count] : results) {
                sum[end] += count;
            }
        }
        return sum;
    }

  private:
    std::atomic<bool> stop_{false};
    std::array<std::map<std::string, int>, kClients> results_;
    std::vector<std::thread> threads_;
};

struct Resources {
    std::size_t descriptors;
    std::size_t threads;
    bool operator==(const Resources&) const = default;
};

Resources resources_of(pid_t pid) {
    return {descriptors_of(pid).size(), threads_of(pid)};
}

// Once they have been the same for a while: a connection that is just being closed is none.
Resources settled(pid_t pid) {
    Resources last = resources_of(pid);
    const auto until = Clock::now() + kPatience;
    while (!stays(Milliseconds(200), [&] { return resources_of(pid) == last; })) {
        REQUIRE(Clock::now() < until);
        last = resources_of(pid);
    }
    return last;
}

}  // namespace

TEST_CASE(
    "fifty crashes under load: no connection is refused, the port stays, and nothing piles up") {
    Bed bed(settings({"restart_backoff.base_ms=5", "restart_backoff.cap_ms=5",
                      "restart_backoff.jitter_percent=0", "restart_backoff.max_restarts=200"}));
    // The first restart brings what is made when it is first needed.
    REQUIRE(::kill(static_cast<pid_t>(number_at(bed.wait_healthy(), "pid")), SIGKILL) == 0);
    const Json before = bed.wait_healthy(2);
    const auto port = static_cast<std::uint16_t>(number_at(before, "port"));
    const pid_t steward = bed.steward().pid();
    const pid_t guardian = bed.steward().guardian();
    const Resources of_steward = settled(steward);
    const Resources of_guardian = settled(guardian);

    const auto began = Clock::now();
    Load load(port);
    for (int i = 0; i < kRestarts; ++i) {
        const Json healthy = bed.wait_healthy(2 + i);
        REQUIRE(number_at(healthy, "port") == port);
        REQUIRE(::kill(static_cast<pid_t>(number_at(healthy, "pid")), SIGKILL) == 0);
    }
    const Json after = bed.wait_healthy(2 + kRestarts);
    const auto ends = load.finish();
    CHECK(Clock::now() - began < kBound);

    int requests = 0;
    for (const auto& [end, count] : ends) {
        UNSCOPED_INFO(end << ": " << count);
        requests += count;
    }
    CHECK(ends.count("refused") == 0);
    CHECK(ends.count("late") == 0);
    REQUIRE(ends.count("200") == 1);
    // What the dying app had accepted ends early; the rest is answered.
    CHECK(ends.at("200") >= requests - kRestarts * kClients);
    CHECK(ends.at("200") >= kRestarts);
    CHECK(number_at(after, "restarts") == 1 + kRestarts);
    CHECK(number_at(after, "port") == port);
    CHECK(bed.steward().guardian() == guardian);

    for (const auto& [pid, at_first] :
         {std::pair(steward, of_steward), std::pair(guardian, of_guardian)}) {
        const Resources now = settled(pid);
        CHECK(now.descriptors == at_first.descriptors);
        CHECK(now.threads == at_first.threads);
    }
    CHECK(bed.end().code == 0);
    CHECK(bed.nothing_left(Milliseconds(1000)));
}

}  // namespace steward::tests
