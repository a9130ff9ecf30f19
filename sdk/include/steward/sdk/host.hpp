// steward/sdk/host.hpp - what the host offers, as thin C++ objects.
//
// Host and Reactor are two words wide and copied freely; they are valid until the library's
// `deinit` returns. Thread classes as in abi.h: Host's functions [any], Reactor's [plugin].
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "../abi.h"
#include "../reactor.h"
#include "guard.hpp"

namespace steward::sdk {

using Duration = std::chrono::nanoseconds;

// The host's monotonic clock, the only one that a plugin reads; it has no now() of its own,
// Host::now() asks the host.
struct HostClock {
    using rep = Duration::rep;
    using period = Duration::period;
    using duration = Duration;
    using time_point = std::chrono::time_point<HostClock>;
    static constexpr bool is_steady = true;
};
using TimePoint = HostClock::time_point;

[[nodiscard]] constexpr TimePoint time_point(steward_ns at) noexcept {
    return TimePoint(Duration(at));
}
[[nodiscard]] constexpr steward_ns nanoseconds(TimePoint at) noexcept {
    return at.time_since_epoch().count();
}

// Descriptors and timers on the plugin's own thread. Callbacks are noexcept member functions of T;
// the object must stay where it is until unwatch() or disarm():
//     void on_ready(int fd, std::uint32_t events) noexcept;
//     void on_time_out() noexcept;
//     ...
//     reactor.watch<&Probe::on_ready>(fd, STEWARD_READABLE, this);
//     timer_ = reactor.arm<&Probe::on_time_out>(deadline, this);
class Reactor {
  public:
    Reactor(const steward_host* host, const steward_host_reactor* reactor) noexcept
        : host_(host), reactor_(reactor) {}

    // Calls the member each time `fd` is ready, until unwatch. Again for the same fd: replaces.
    // Throws Failure.
    template <auto Member, class T>
    void watch(int fd, std::uint32_t events, T* object) const {
        static_assert(std::is_nothrow_invocable_v<decltype(Member), T*, int, std::uint32_t>,
                      "a reactor callback must be noexcept: nothing may unwind into the host");
        check(reactor_->watch_fd(
                  host_, fd, events,
                  [](void* ud, int ready_fd, std::uint32_t ready_events) {
                      (static_cast<T*>(ud)->*Member)(ready_fd, ready_events);
                  },
                  object),
              "the host cannot watch the descriptor");
    }

    // Ends it; must come before close(fd). Harmless if it was not watched.
    void unwatch(int fd) const noexcept { (void)reactor_->unwatch_fd(host_, fd); }

    // Calls the member once at `at` or soon after. Returns the timer, never 0. Throws Failure.
    template <auto Member, class T>
    [[nodiscard]] steward_token arm(TimePoint at, T* object) const {
        static_assert(std::is_nothrow_invocable_v<decltype(Member), T*>,
                      "a reactor callback must be noexcept: nothing may unwind into the host");
        steward_token timer = 0;
        check(reactor_->arm(
                  host_, nanoseconds(at), [](void* ud) { (static_cast<T*>(ud)->*Member)(); },
                  object, &timer),
              "the host cannot arm a timer");
        return timer;
    }

    // Ends it; harmless for 0 and for a timer that has fired.
    void disarm(steward_token timer) const noexcept {
        if (timer != 0) {
            (void)reactor_->disarm(host_, timer);
        }
    }

  private:
    static void check(steward_status status, const char* text) {
        if (status != STEWARD_OK) {
            throw Failure(status, text);
        }
    }

    const steward_host* host_;
    const steward_host_reactor* reactor_;
};

class Host {
  public:
    // `host` must have been checked with usable().
    explicit Host(const steward_host* host) noexcept : host_(host) {}

    // Is this a host of version 1.0 or later, with all that 1.0 promises?
    [[nodiscard]] static bool usable(const steward_host* host) noexcept {
        return host != nullptr && host->abi_major == STEWARD_ABI_MAJOR &&
               STEWARD_HAS(host, get_extension);
    }

    [[nodiscard]] TimePoint now() const noexcept { return time_point(host_->now(host_)); }

    // Strategies that are pure take their entropy from the question instead.
    [[nodiscard]] std::uint64_t entropy() const noexcept { return host_->entropy(host_); }

    // One line, at most 4 KiB; the level is STEWARD_LOG_*.
    void log(std::int32_t level, std::string_view message) const noexcept {
        host_->log(host_, level, str(message));
    }

    // Calls the noexcept member on [plugin], after what was posted before. GONE once deinit has
    // begun: it is not called.
    template <auto Member, class T>
    steward_status post(T* object) const noexcept {
        static_assert(std::is_nothrow_invocable_v<decltype(Member), T*>,
                      "a posted function must be noexcept: nothing may unwind into the host");
        return host_->post(
            host_, [](void* ud) { (static_cast<T*>(ud)->*Member)(); }, object);
    }

    [[nodiscard]] bool on_plugin_thread() const noexcept {
        return host_->on_plugin_thread(host_) != 0;
    }

    // Throws Failure UNSUPPORTED if the host has no reactor.
    [[nodiscard]] Reactor reactor() const {
        const auto* found = static_cast<const steward_host_reactor*>(
            host_->get_extension(host_, STEWARD_HOST_EXT_REACTOR));
        if (found == nullptr || !STEWARD_HAS(found, disarm)) {
            throw Failure(STEWARD_E_UNSUPPORTED,
                          "the host does not offer " STEWARD_HOST_EXT_REACTOR);
        }
        return {host_, found};
    }

    [[nodiscard]] const steward_host* raw() const noexcept { return host_; }

  private:
    const steward_host* host_;
};

}  // namespace steward::sdk
