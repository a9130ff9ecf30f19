// A host for one plugin, in a check or a test: what abi.h and reactor.h promise, on one thread, without any of
// the core.
//
// The thread that made it is [plugin]. Nothing happens behind the test's back: callbacks run inside
// run_until(), run_ready() and advance() only. Descriptors are real (poll); the clock is real, or
// virtual and moved by advance(). post() may be called from any thread, everything else from the
// one.
#pragma once

#include <steward/abi.h>
#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/reactor.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace steward::compliance {

class FakePluginHost {
  public:
    enum class Clock { kReal, kVirtual };

    explicit FakePluginHost(Clock clock);
    ~FakePluginHost();
    FakePluginHost(const FakePluginHost&) = delete;
    FakePluginHost& operator=(const FakePluginHost&) = delete;

    [[nodiscard]] const steward_host* host() const noexcept { return &host_.known; }
    [[nodiscard]] steward_ns now();
    [[nodiscard]] bool is_virtual() const noexcept { return clock_ == Clock::kVirtual; }

    // Runs callbacks until `done` is true or `limit` of real time is over; returns done(). The
    // virtual clock stands still.
    bool run_until(const std::function<bool()>& done,
                   std::chrono::milliseconds limit = std::chrono::seconds(10));
    // Runs what is due or ready now, without waiting.
    void run_ready();
    // From now on each reading moves the virtual clock, as if the plugin's own work took time.
    void advance_at_each_reading(std::chrono::nanoseconds by) noexcept {
        reading_step_ = by.count();
    }
    // Moves the virtual clock, and fires each timer on the way at its own time.
    void advance(std::chrono::nanoseconds by);

    [[nodiscard]] std::size_t watched() const noexcept { return watches_.size(); }
    [[nodiscard]] std::size_t armed() const noexcept { return timers_.size(); }
    [[nodiscard]] const std::vector<std::string>& log() const noexcept { return log_; }
    [[nodiscard]] const std::vector<int>& watched_ever() const noexcept { return watched_ever_; }
    // What the plugin did that a plugin must not do: closed a watched descriptor, called from a
    // wrong thread.
    [[nodiscard]] const std::vector<std::string>& offences() const noexcept { return offences_; }

    // How often the plugin has called each function of the host, by name.
    [[nodiscard]] std::map<std::string, std::uint64_t> calls() const;

    // From now on told of each call that the plugin makes on [plugin], when it begins.
    void observe(std::function<void(const char* what)> observer) {
        observer_ = std::move(observer);
    }
    // From now on the plugin's calls of `what` ("watch_fd", "arm", "post", "get_extension") fail
    // with `status`; STEWARD_OK ends it.
    void fail(std::string_view what, steward_status status);
    // From now on the host has no reactor.
    void hide_reactor() noexcept { reactor_hidden_ = true; }
    // From now on, as once `deinit` has begun: post() answers GONE, what was posted is dropped.
    void close();
    // Before `init`: is of the next minor version, whose structs have members more.
    void become_newer();
    // Changes what the plugin is told of the host before `init`: its minor version, its size.
    [[nodiscard]] steward_host& raw() noexcept { return host_.known; }

  private:
    struct Watch {
        std::uint32_t events = 0;
        void (*ready)(void* ud, int fd, std::uint32_t events) = nullptr;
        void* ud = nullptr;
        std::uint64_t serial = 0;
    };
    // A struct as a later minor version has it: the members of this one, and more behind them.
    template <class Struct>
    struct Grown {
        Struct known;
        std::array<unsigned char, 64> added;
    };
    struct Timer {
        steward_token token = 0;
        void (*fire)(void* ud) = nullptr;
        void* ud = nullptr;
    };

    static FakePluginHost& self(const steward_host* host) {
        return *static_cast<FakePluginHost*>(host->ctx);
    }
    static steward_status watch_fd(const steward_host* host, int fd, std::uint32_t events,
                                   void (*ready)(void* ud, int fd, std::uint32_t events), void* ud);
    static steward_status unwatch_fd(const steward_host* host, int fd);
    static steward_status arm(const steward_host* host, steward_ns at, void (*fire)(void* ud),
                              void* ud, steward_token* out);
    static steward_status disarm(const steward_host* host, steward_token timer);
    static steward_status post(const steward_host* host, void (*fn)(void* ud), void* ud);

    bool run_posted();
    bool fire_due();
    bool poll_once(int timeout_ms);
    [[nodiscard]] int wait_ms(std::chrono::steady_clock::time_point until);
    void check_thread(const char* what);
    void note_call(const char* what);
    void log_line(std::int32_t level, steward_str message);
    [[nodiscard]] steward_status failure(std::string_view what) const;

    Clock clock_;
    std::atomic<steward_ns> virtual_now_ = 1'000'000'000'000;
    steward_ns reading_step_ = 0;
    std::thread::id thread_ = std::this_thread::get_id();
    std::map<int, Watch> watches_;
    std::vector<int> watched_ever_;
    std::multimap<steward_ns, Timer> timers_;
    std::mutex posted_mutex_;
    std::deque<std::pair<void (*)(void* ud), void*>> posted_;
    int wake_fd_ = -1;
    std::uint64_t serial_ = 0;
    bool closed_ = false;  // with posted_mutex_
    mutable std::mutex calls_mutex_;
    std::map<std::string, std::uint64_t> calls_;
    std::function<void(const char* what)> observer_;
    std::vector<std::string> log_;
    std::vector<std::string> offences_;
    std::map<std::string, steward_status, std::less<>> failures_;
    bool reactor_hidden_ = false;
    Grown<steward_host_reactor> reactor_{};
    Grown<steward_host> host_{};
};

}  // namespace steward::compliance
