// PluginThread: the host-owned thread of one plugin library. All calls into the library are made on
// it, one at a time, and it is the `steward_host` that the library sees (clock, log, entropy, post,
// reactor).
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>

#include "steward/abi.h"
#include "steward/core/loop.hpp"
#include "steward/reactor.h"

namespace steward::core {

class PluginThread {
  public:
    // `log(level, line)` is called on any thread, one call at a time.
    PluginThread(std::string id, std::string host_version,
                 std::function<void(int, std::string)> log);
    // Joins the thread; a thread that does not come back must be abandoned instead.
    ~PluginThread();
    PluginThread(const PluginThread&) = delete;
    PluginThread& operator=(const PluginThread&) = delete;

    // Runs the call after those before it. Returns its number, larger for each call. Any thread.
    std::uint64_t call(std::function<void()> work);

    // Which call is running since when: {0, 0} if none. Callbacks of the reactor count as calls.
    // Any thread.
    struct Running {
        std::uint64_t number = 0;
        std::int64_t since_ns = 0;
    };
    Running running() const;

    // The host as the library sees it; lives as long as this object.
    const steward_host* host() const { return &host_; }

    // The thread hangs in the library: nothing is posted to it any more, and nobody waits for it;
    // this object is never freed. `log` is not called any more.
    static void abandon(std::unique_ptr<PluginThread> thread);

  private:
    struct Callbacks;
    void enter(std::uint64_t number);
    void leave();
    void run_wrapped(const std::function<void()>& work, std::uint64_t number);
    bool spend_log_token();

    std::string id_;
    std::string version_;
    std::mutex log_mutex_;
    std::function<void(int, std::string)> log_;  // guarded by log_mutex_
    std::shared_ptr<Loop> loop_;
    std::thread thread_;
    std::atomic<std::uint64_t> next_number_{1};
    std::atomic<std::uint64_t> running_number_{0};
    std::atomic<std::int64_t> running_since_{0};
    std::atomic<bool> ending_{false};
    std::atomic<std::int64_t> log_tokens_{0};
    std::atomic<std::int64_t> log_refilled_{0};
    std::unordered_set<int> watched_;          // the plugin's thread alone
    std::unordered_set<steward_token> armed_;  // the plugin's thread alone
    steward_host host_{};
    steward_host_reactor reactor_{};
};

}  // namespace steward::core
