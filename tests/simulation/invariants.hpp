// ServiceInvariants: watches one Service from outside, step by step, and says by name which promise
// it has broken.
//
// It keeps its own books: from the requests that were made, what the fakes were asked to do, what
// the world is really like, and the events that were published. What the machine says of itself is
// checked by MachineInvariants (tests/support).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "steward/core/service.hpp"
#include "steward/core/simulation/fake_world.hpp"

namespace steward::simulation {

// The names, as they are printed.
inline constexpr std::array<std::string_view, 15> kInvariants{
    "one-instance",   // at most one live instance
    "stop-holds",     // after an acknowledged stop nothing starts before a start is asked for
    "budget",         // no more automatic starts than the restart strategy's budget
    "wait-ends",      // every wait has an end, and it is kept
    "settled-once",   // each request is settled exactly once and as soon as the state says so
    "cause",          // every state and every event has a cause
    "healthy",        // the last probe said so, the process lives, neither stopped nor a zombie
    "busy-limit",     // an app with an excuse for not answering is not taken down before its limit
    "port-kept",      // the port changes only when the machine says so, and is the held one
    "generation",     // exactly one more for each start
    "restarts",       // counts the automatic starts, never reset
    "signals",        // only to a tree that exists
    "answered",       // somebody answers on the held port; never two at once
    "exit-complete",  // the session's end comes in time, leaves nothing unsaid, and stays
    "contract",       // the parts are used as os.hpp says
};

struct Broken {
    std::string name;  // of kInvariants, or "machine", "progress"
    std::string what;
};

class ServiceInvariants {
  public:
    // `only`: the one invariant that is watched; empty: all.
    ServiceInvariants(FakeWorld& world, const core::ServiceConfig& config, std::string only);

    // ---- what the world tells; `service` may not be touched in these
    void start_asked(const core::Service& service, bool by_client);
    std::uint64_t request(bool for_stop);  // an id for settled()
    void settled(std::uint64_t id, const core::ServiceStatus& status);
    void exit_asked();
    void finished(const std::string& left);
    void spawned(const core::SpawnRequest& request);
    void signalled(const core::Service& service);
    void published(const core::Event& event);
    void decided(const core::RestartAnswer& answer);
    void probe_asked();
    void probe_answered(const core::ProbeAnswer& answer);
    // The loop stood still, or the machine slept: waits may take this much longer.
    void disturbed(core::Duration by);

    // After each task that has run.
    void after_step(const core::Service& service);
    // After the session's end.
    void at_end(const core::Service& service);

    void broken(std::string_view name, std::string what);
    const std::optional<Broken>& result() const { return broken_; }

  private:
    using TimePoint = core::TimePoint;
    using Duration = core::Duration;
    using State = core::State;

    void require(bool holds, std::string_view name, const char* what) {
        if (!holds) {
            broken(name, what);
        }
    }
    void check_wait(const core::MachineState& machine);
    std::optional<Duration> limit_of(const core::MachineState& machine) const;
    void check_requests(const core::MachineState& machine);
    void check_health(const core::ServiceStatus& status);
    void check_port(const core::ServiceStatus& status);
    void check_counts(const core::ServiceStatus& status);
    void check_exit();
    void count_answer(const core::ProbeAnswer& answer);
    void forget_row();
    bool excused(const core::ProbeAnswer& answer) const;
    TimePoint now() const { return world_.scheduler.now(); }

    FakeWorld& world_;
    const core::ServiceConfig config_;
    const std::string only_;
    std::optional<Broken> broken_;

    struct Request {
        bool for_stop = false;
        int calls = 0;
    };
    std::map<std::uint64_t, Request> requests_;
    std::uint64_t last_request_ = 0;
    bool stop_acknowledged_ = false;
    std::uint64_t start_requests_ = 0;  // counted, to see whether one came after a stop
    std::map<std::uint64_t, std::uint64_t> starts_before_stop_;

    bool exit_asked_ = false;
    int finished_ = 0;
    TimePoint exit_by_{};

    // The wait in progress.
    State state_ = State::kStopped;
    std::uint64_t state_epoch_ = 0;
    bool exiting_ = false;
    TimePoint entered_{};
    Duration disturbance_{};
    Duration disturbance_at_entry_{};
    Duration last_delay_{};
    TimePoint probe_activity_{};
    Duration disturbance_at_probe_{};

    // Health, as the answers that were given say.
    bool last_probe_healthy_ = false;
    bool port_foreign_ = false;
    // The row of failed probes, as the world was.
    TimePoint looked_at_{};  // the app is known to have been looked at then
    bool look_readable_ = false;
    std::optional<TimePoint> failing_since_;
    int unexcused_ = 0;
    bool row_uncertain_ = false;  // a failure of it may have been void

    // Counts, as the events say.
    std::uint64_t starts_ = 0;
    std::uint64_t automatic_ = 0;
    std::uint64_t last_restarts_ = 0;
    std::uint64_t last_spawned_ = 0;
    std::uint64_t budget_used_ = 0;
    std::optional<TimePoint> files_start_;  // the last
    std::optional<TimePoint> well_since_;
    Duration well_for_{};

    std::uint16_t port_ = 0;
    bool port_event_ = false;  // published since the last step
};

}  // namespace steward::simulation
