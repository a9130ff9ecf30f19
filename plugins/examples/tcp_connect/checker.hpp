// The probes in flight: one connection each, non-blocking, driven by the host's reactor.
//
// [plugin] throughout. A Probe lives from start until its `done`. It has one descriptor and one
// timer at most, and gives both back before it calls `done`, which may start and cancel probes as
// it likes.
#pragma once

#include <memory>
#include <steward/sdk/health.hpp>
#include <steward/sdk/host.hpp>
#include <unordered_map>

#include "script.hpp"

namespace examples::tcp_connect {

class Probe;

class Checker {
  public:
    // Throws sdk::Failure UNSUPPORTED if the host has no reactor.
    Checker(sdk::Host host, Script script);
    // Completes what is in flight with CANCELLED.
    ~Checker();
    Checker(const Checker&) = delete;
    Checker& operator=(const Checker&) = delete;

    // Begins a probe; `done` comes later, once, by the deadline. Throws, and then it never comes:
    // INVALID for a probe that is in flight already, GONE while the destructor runs, what the
    // reactor said, std::bad_alloc.
    void start(const sdk::HealthRequest& request, sdk::HealthDone done);

    // Completes the probe with UNKNOWN and CANCELLED, from inside. Ignored if there is none.
    void cancel(steward_token probe) noexcept;

  private:
    friend class Probe;

    // Takes the probe out, closes it and calls its done; it does not exist any more afterwards.
    void finish(steward_token probe, Outcome outcome) noexcept;

    sdk::Host host_;
    sdk::Reactor reactor_;
    Script script_;
    std::unordered_map<steward_token, std::unique_ptr<Probe>> probes_;
    bool closing_ = false;
};

}  // namespace examples::tcp_connect
