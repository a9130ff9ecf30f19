// The probes in flight: one GET each, on a fresh non-blocking connection, driven by the host's
// reactor.
//
// [plugin] throughout. A Probe lives from start until its `done`; it holds one descriptor and one
// timer at most, and both are given back before `done` is called, which therefore may start and
// cancel probes as it likes.
#pragma once

#include <memory>
#include <steward/sdk/health.hpp>
#include <steward/sdk/host.hpp>
#include <unordered_map>

#include "verdict.hpp"

namespace steward::health_http {

class Probe;

class Prober {
  public:
    // Throws sdk::Failure UNSUPPORTED if the host has no reactor.
    Prober(sdk::Host host, Question question);
    // Completes what is in flight with CANCELLED.
    ~Prober();
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    // Begins a probe; `done` comes later, once, by the deadline. Throws sdk::Failure or
    // std::bad_alloc, and then it never comes: INVALID for a probe that is in flight already, GONE
    // while the destructor runs, what the reactor said.
    void start(const sdk::HealthRequest& request, sdk::HealthDone done);

    // Completes the probe with UNKNOWN and CANCELLED, from inside. Ignored if there is none.
    void cancel(steward_token probe) noexcept;

  private:
    friend class Probe;

    // Takes the probe out, closes it and calls its done. The probe does not exist any more
    // afterwards.
    void finish(steward_token probe, Outcome outcome) noexcept;
    void finish_without_memory(steward_token probe) noexcept;

    sdk::Host host_;
    sdk::Reactor reactor_;
    Question question_;
    std::unordered_map<steward_token, std::unique_ptr<Probe>> probes_;
    bool closing_ = false;
};

}  // namespace steward::health_http
