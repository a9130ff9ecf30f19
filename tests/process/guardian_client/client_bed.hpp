// A GuardianClient on a loop of its own, and a record of what it told.
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "guardian_driver.hpp"
#include "loop_thread.hpp"
#include "steward/core/guardian_client.hpp"

namespace steward::test {

using namespace std::chrono_literals;

struct Told {
    std::string what;  // "started", "spawn_failed", "exited", "empty"
    std::int32_t pid = 0;
    core::SpawnFailed failed{};
    core::Exited exited{};
    std::chrono::steady_clock::time_point at{};
};

inline std::chrono::milliseconds since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
}

inline bool no_orphans() {
    const auto orphans = core::inherited_children();
    return orphans && orphans->empty();
}

inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* const folder = opendir("/proc/self/fd");
    while (readdir(folder) != nullptr) {
        ++count;
    }
    closedir(folder);
    return count;
}

class ClientBed {
  public:
    explicit ClientBed(const std::string& guardian = STEWARD_TEST_GUARDIAN) {
        REQUIRE(core::become_subreaper());
        loop.run([&] {
            client = std::make_unique<core::GuardianClient>(loop.loop(), guardian);
            core::GuardianEvents events;
            events.started = [this](std::int32_t pid) {
                Told told;
                told.what = "started";
                told.pid = pid;
                tell(std::move(told));
            };
            events.spawn_failed = [this](core::SpawnFailed failed) {
                Told told;
                told.what = "spawn_failed";
                told.failed = std::move(failed);
                tell(std::move(told));
            };
            events.exited = [this](core::Exited exited) {
                Told told;
                told.what = "exited";
                told.exited = std::move(exited);
                tell(std::move(told));
                if (on_exited) {
                    on_exited();
                }
            };
            events.empty = [this] {
                Told told;
                told.what = "empty";
                tell(std::move(told));
            };
            client->listen(std::move(events));
        });
    }
    // Lets the guardian go; a test that stopped it has killed it before.
    ~ClientBed() {
        (void)close();
        loop.run([this] { client.reset(); });
        CHECK(no_orphans());
    }
    ClientBed(const ClientBed&) = delete;
    ClientBed& operator=(const ClientBed&) = delete;

    // How long the client took to let its guardian go.
    std::chrono::milliseconds close() {
        const auto gone = std::make_shared<std::promise<void>>();
        auto future = gone->get_future();
        const auto begin = std::chrono::steady_clock::now();
        loop.run([&] { client->close([gone] { gone->set_value(); }); });
        CHECK(future.wait_for(10s) == std::future_status::ready);
        return since(begin);
    }

    // A request for the next generation; its processes are known by `nonce`.
    core::SpawnRequest request(std::vector<std::string> argv) {
        core::SpawnRequest made;
        made.generation = ++generation_;
        made.argv = std::move(argv);
        nonce = "STEWARD_INSTANCE=" + std::to_string(getpid()) + "-client-" +
                std::to_string(++nonces());
        made.environment = {{"STEWARD_INSTANCE", nonce.substr(nonce.find('=') + 1)}};
        made.out.reset(open("/dev/null", O_WRONLY | O_CLOEXEC));
        made.err.reset(open("/dev/null", O_WRONLY | O_CLOEXEC));
        return made;
    }
    void spawn(std::vector<std::string> options) {
        options.insert(options.begin(), STEWARD_TEST_APP);
        spawn_request(request(std::move(options)));
    }
    void spawn_request(core::SpawnRequest made) {
        auto shared = std::make_shared<core::SpawnRequest>(std::move(made));
        loop.run([&] { client->spawn(std::move(*shared)); });
    }
    // Starts the app and waits until it runs; returns its pid.
    std::int32_t start(std::vector<std::string> options = {}) {
        const auto known = told().size();
        spawn(std::move(options));
        REQUIRE(wait_for("started", known));
        return last("started").pid;
    }

    void terminate() {
        loop.run([this] { client->terminate(); });
    }
    void kill() {
        loop.run([this] { client->kill(); });
    }
    void check() {
        loop.run([this] { client->check(); });
    }
    std::int32_t guardian() {
        return loop.run([this] { return client->guardian_pid(); });
    }

    std::vector<Told> told() {
        const std::lock_guard lock(mutex_);
        return told_;
    }
    std::vector<std::string> story(std::size_t from = 0) {
        std::vector<std::string> words;
        for (const auto& entry : told()) {
            words.push_back(entry.what);
        }
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(from));
        return words;
    }
    Told last(const std::string& what) {
        const auto all = told();
        const auto found = std::find_if(all.rbegin(), all.rend(),
                                        [&](const Told& entry) { return entry.what == what; });
        return found == all.rend() ? Told{} : *found;
    }
    // Waits until `what` is told after the first `from` entries.
    bool wait_for(const std::string& what, std::size_t from = 0,
                  std::chrono::milliseconds limit = 10s) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [&] {
            return std::any_of(told_.begin() + static_cast<std::ptrdiff_t>(from), told_.end(),
                               [&](const Told& entry) { return entry.what == what; });
        });
    }
    // Waits until the generation has ended one way or the other.
    bool wait_for_end(std::size_t from, std::chrono::milliseconds limit = 10s) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [&] {
            return std::any_of(
                told_.begin() + static_cast<std::ptrdiff_t>(from), told_.end(),
                [](const Told& e) { return e.what == "empty" || e.what == "spawn_failed"; });
        });
    }

    // No process of the last request is left, zombies included.
    bool nothing_left() const { return processes_with_env(nonce).empty() && no_orphans(); }

    LoopThread loop;
    std::unique_ptr<core::GuardianClient> client;
    std::string nonce;
    // Called on the loop when an exit is told.
    std::function<void()> on_exited;

  private:
    static int& nonces() {
        static int count = 0;
        return count;
    }
    void tell(Told entry) {
        entry.at = std::chrono::steady_clock::now();
        const std::lock_guard lock(mutex_);
        told_.push_back(std::move(entry));
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Told> told_;
    std::uint64_t generation_ = 0;
};

using Story = std::vector<std::string>;
inline const Story kLife{"started", "exited", "empty"};
inline const Story kFailure{"spawn_failed"};

}  // namespace steward::test
