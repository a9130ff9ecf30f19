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

    // What a call is called, and how long it may take.
    struct Call {
        std::string name;
        Duration budget = std::chrono::milliseconds(250);
    };

    // Runs the call after those before it. Returns its number. Any thread.
    std::uint64_t call(Call call, std::function<void()> work);

    // Which call is running since when: number 0 if none. What the plugin has posted, and callbacks
    // of the reactor, count as calls. Any thread.
    struct Running {
        std::uint64_t number = 0;
        TimePoint since{};
        Call call;
    };
    Running running() const;

    // Nothing is called any more: neither what waits its turn, nor timers, descriptors and posts of
    // the plugin. What is running goes on. Any thread.
    void quarantine();
    bool quarantined() const { return over_; }

    // Runs `work`, the plugin's deinit, after the calls before it; nothing that the plugin asks for
    // from now on is done. Any thread.
    void call_last(std::function<void()> work);

    // The host as the library sees it; lives as long as this object.
    const steward_host* host() const { return &host_; }

    // The thread hangs in the library: it is quarantined, and nobody waits for it; this object is
    // never freed. `log` is not called any more.
    static void abandon(std::unique_ptr<PluginThread> thread);

  private:
    struct Callbacks;
    void run_wrapped(const std::function<void()>& work, std::uint64_t number, const Call& call);
    steward_status post(void (*fn)(void*), void* ud);
    bool spend_log_token();

    std::string id_;
    std::string version_;
    std::mutex log_mutex_;
    std::function<void(int, std::string)> log_;  // guarded by log_mutex_
    std::shared_ptr<Loop> loop_;
    std::thread thread_;
    std::atomic<std::uint64_t> next_number_{1};
    mutable std::mutex mutex_;
    Running running_;                // guarded by mutex_
    bool ending_ = false;            // guarded by mutex_: nothing may be posted any more
    std::atomic<bool> over_{false};  // nothing is called any more
    std::atomic<std::int64_t> log_tokens_{0};
    std::atomic<std::int64_t> log_refilled_{0};
    std::unordered_set<int> watched_;          // the plugin's thread alone
    std::unordered_set<steward_token> armed_;  // the plugin's thread alone
    steward_host host_{};
    steward_host_reactor reactor_{};
};

}  // namespace steward::core
