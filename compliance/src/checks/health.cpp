// Health: what a probe says, and when.
#include <algorithm>
#include <array>
#include <list>
#include <memory>

#include <Poco/Net/NetException.h>

#include "gate.hpp"
#include "health_rules.hpp"
#include "manner.hpp"
#include "strategies.hpp"
#include "targets.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

// Each plugin with its defaults, and the way it goes about its probes, on the virtual clock.
template <class F>
void for_each_strategy(Trial& trial, F&& f) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        f(session, instance, manner_of(session, instance));
    }
}

std::string ms_text(std::chrono::nanoseconds duration) {
    return std::to_string(duration.count() / 1'000'000) + " ms";
}

// ---- health-deadline

// Started, and the target has done all it will do: the rest is a matter of the clock.
void watch_deadline(Session& session, const Instance& instance, const std::string& name,
                    std::uint16_t port, std::chrono::nanoseconds limit, bool must_time_out,
                    const std::function<bool()>& at_rest) {
    constexpr auto kMargin = 100ms;
    constexpr auto kNotice = 500ms;
    FakePluginHost& host = session.host();
    Prober prober(host, instance);
    const std::string what = name + ", deadline after " + ms_text(limit);
    const steward_ns deadline = host.now() + limit.count();
    const steward_status status = prober.start(1, kLoopback, port, limit);
    require(status == STEWARD_OK, what + ": start gives status " + std::to_string(status) + " (" +
                                      prober.error() + "), expected STEWARD_OK");
    const auto ended = [&] { return !prober.of(1).empty(); };
    prober.wait_for_target(1, at_rest);
    host.advance(limit);
    if (!host.run_until(ended, 0ms)) {
        host.advance(kMargin);
        require(host.run_until(ended, kNotice),
                what + ": done had not come " + ms_text(kMargin) + " after it");
    }
    const HealthReport report = prober.of(1).front();
    require(report.at <= deadline + std::chrono::nanoseconds(kMargin).count(),
            what + ": done came " + ms_text(std::chrono::nanoseconds(report.at - deadline)) +
                " after it");
    require(report.status != STEWARD_E_TIMEOUT || report.verdict == STEWARD_UNHEALTHY,
            what + ": " + to_text(report) + "; expected UNHEALTHY with STEWARD_E_TIMEOUT");
    require(!must_time_out || report.verdict == STEWARD_UNHEALTHY,
            what + ": " + to_text(report) + "; expected UNHEALTHY");
    host.advance(limit);
    require(prober.of(1).size() == 1, what + ": done came once more after it");
}

void health_deadline(Trial& trial) {
    constexpr std::array<std::chrono::nanoseconds, 4> kLimits{1ms, 100ms, 7s, 60s};
    for_each_strategy(trial, [&](Session& session, const Instance& instance, const Manner& manner) {
        const UnattendedPort unattended;
        const SilentPort silent;
        for (const auto limit : kLimits) {
            watch_deadline(session, instance, "a port that connects and never answers",
                           unattended.port(), limit, manner.speaks_http, [] { return true; });
            if (silent.silent()) {
                watch_deadline(session, instance, "a port that does not even refuse", silent.port(),
                               limit, manner.connects, [] { return true; });
            }
            ScriptedHttpServer server(script::stall_after("HTTP/1.1 200 OK\r\nContent-Ty"));
            const bool holds = manner.speaks_http;
            watch_deadline(session, instance, "headers that stop", server.port(), limit, holds,
                           [&] { return !holds || server.wait_holding(1, 0ms); });
        }
    });
}

// ---- health-unknown-vs-unhealthy

struct Fault {
    std::string name;
    std::string address = kLoopback;
    std::uint16_t port = 0;
    std::chrono::nanoseconds limit = 2s;
    // A strategy that does without what is missing may still come to a verdict of its own.
    bool may_succeed = false;
};

void try_fault(Session& session, const Instance& instance, const Manner& manner, const Fault& fault,
               bool famine = false) {
    constexpr steward_token kProbe = 9;
    Prober prober(session.host(), instance);
    steward_status started = STEWARD_OK;
    {
        std::optional<DescriptorFamine> none_left;
        if (famine) {
            none_left.emplace();
        }
        started = prober.start(kProbe, fault.address, fault.port, fault.limit);
        if (started == STEWARD_OK) {
            (void)prober.settle(kProbe, std::max<std::chrono::nanoseconds>(fault.limit, 100ms),
                                fault.may_succeed ? 10'000ms : 10ms);
        }
    }
    session.host().run_ready();
    const auto& reports = prober.of(kProbe);
    if (started != STEWARD_OK) {
        require(reports.empty(), fault.name + ": start gives status " + std::to_string(started) +
                                     ", and done came all the same");
        return;
    }
    require(reports.size() == 1,
            fault.name + ": done came " + std::to_string(reports.size()) + " times, expected once");
    const HealthReport& report = reports.front();
    require_form(fault.name, report);
    const bool fine =
        report.verdict == STEWARD_UNKNOWN ||
        (report.verdict == STEWARD_HEALTHY && (fault.may_succeed || !manner.connects));
    require(fine, fault.name + ": " + to_text(report) +
                      "; expected UNKNOWN: it is not the service's fault");
}

void health_unknown_vs_unhealthy(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        auto instance = session.create(*plugin);
        const Manner manner = manner_of(session, instance);
        ScriptedHttpServer good(manner.good());
        const std::uint16_t port = good.port();
        const UnattendedPort unattended;
        // An instance for each: what one fault leaves behind is not for this check.
        const auto try_on_new = [&](const Fault& fault, bool famine = false) {
            instance.destroy();
            instance = session.create(*plugin);
            try_fault(session, instance, manner, fault, famine);
        };
        try_on_new({"no descriptor is left", kLoopback, unattended.port()}, /*famine=*/true);
        for (const char* const call : {"watch_fd", "arm"}) {
            instance.destroy();
            instance = session.create(*plugin);
            host.fail(call, STEWARD_E_NOMEM);
            try_fault(session, instance, manner,
                      {std::string("the host refuses ") + call, kLoopback, port, 2s,
                       /*may_succeed=*/true});
            host.fail(call, STEWARD_OK);
        }
        try_on_new({"the service has no port", kLoopback, 0});
        for (const char* const address : {"not an address", "", "127.0.0.256", "127.0.0.1:80",
                                          "fe80::1%no_such_if", "/run/app.sock"}) {
            try_on_new({std::string("the address is \"") + address + '"', address, port});
        }
        try_on_new({"the deadline has passed before the start", kLoopback, port, -1ms});
        // And then everything is as before.
        instance.destroy();
    }
}

// ---- health-no-crosstalk

struct Same {
    std::int32_t verdict;
    std::int32_t code;
    std::string instance_id;

    bool operator==(const Same&) const = default;
    explicit Same(const HealthReport& report)
        : verdict(report.verdict), code(report.code), instance_id(report.instance_id) {}
};

void health_no_crosstalk(Trial& trial) {
    constexpr std::size_t kProbes = 64;
    constexpr auto kLimit = 5s;
    for_each_strategy(trial, [&](Session& session, const Instance& instance, const Manner& manner) {
        std::list<ScriptedHttpServer> servers;
        for (int i = 0; i < 4; ++i) {
            servers.emplace_back(script::respond(200, healthy_body("app-" + std::to_string(i))));
        }
        for (const int status : {404, 500, 503}) {
            servers.emplace_back(script::respond(status, manner.body));
        }
        const ClosedPort refused;
        std::vector<std::uint16_t> ports{refused.port()};
        for (const auto& server : servers) {
            ports.push_back(server.port());
        }
        const auto grace = manner.speaks_http ? 5000ms : 100ms;
        Prober prober(session.host(), instance);
        steward_token token = 1;
        const auto start = [&](std::uint16_t port) {
            require(prober.start(token, kLoopback, port, kLimit) == STEWARD_OK,
                    "a probe of a port on " + std::string(kLoopback) +
                        " does not start: " + prober.error());
            return token++;
        };
        std::vector<HealthReport> alone;
        for (const std::uint16_t port : ports) {
            const steward_token probe = start(port);
            require(prober.settle(probe, kLimit, grace), "done did not come by the deadline");
            alone.push_back(prober.of(probe).front());
        }
        const std::size_t before = prober.count();
        std::vector<std::pair<steward_token, std::size_t>> probes;
        for (std::size_t i = 0; i < kProbes; ++i) {
            const std::size_t target = trial.random().below(ports.size());
            probes.emplace_back(start(ports[target]), target);
        }
        (void)prober.wait(before + kProbes, grace);
        session.host().advance(kLimit);
        (void)prober.wait(before + kProbes, 1s);
        for (const auto& [probe, target] : probes) {
            const auto& reports = prober.of(probe);
            const std::string what = "of " + std::to_string(kProbes) +
                                     " probes at once, the one of port " +
                                     std::to_string(ports[target]);
            require(reports.size() == 1,
                    what + " has " + std::to_string(reports.size()) + " reports, expected one");
            require(Same(reports.front()) == Same(alone[target]),
                    what + ": " + to_text(reports.front()) + ", instance \"" +
                        reports.front().instance_id + "\"; alone it was " + to_text(alone[target]) +
                        ", instance \"" + alone[target].instance_id + '"');
        }
    });
}

// ---- health-latency

void health_latency(Trial& trial) {
    constexpr std::array<std::chrono::nanoseconds, 3> kDelays{20ms, 300ms, 1500ms};
    constexpr auto kLimit = 10s;
    constexpr double kTolerance = 0.2;
    constexpr auto kSlack = std::chrono::nanoseconds(1ms);
    for_each_strategy(trial, [&](Session& session, const Instance& instance, const Manner& manner) {
        FakePluginHost& host = session.host();
        for (const auto delay : kDelays) {
            Gate gate;
            ScriptedHttpServer server([opened = gate.opened(), &manner](std::size_t) {
                opened.wait();
                return manner.good();
            });
            const Gate::Opener opener(gate);
            Prober prober(host, instance);
            const steward_ns begun = host.now();
            require(prober.start(1, kLoopback, server.port(), kLimit) == STEWARD_OK,
                    "a probe of a server that answers does not start: " + prober.error());
            host.run_ready();
            host.advance(delay);
            gate.open();
            require(prober.settle(1, kLimit, manner.speaks_http ? 5000ms : 50ms),
                    "done did not come by the deadline");
            const HealthReport& report = prober.of(1).front();
            const auto took = std::chrono::nanoseconds(report.at - begun);
            const auto off = report.latency > took ? report.latency - took : took - report.latency;
            require(off <= kSlack + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        took * kTolerance),
                    "an answer after " + ms_text(took) + " on the host's clock has the latency " +
                        ms_text(report.latency) + "; expected at most 20 % off");
        }
    });
}

// ---- health-ipv6-unix-names

// Answered as on 127.0.0.1, or refused as unsupported.
void try_ipv6(Session& session, const Instance& instance, const Manner& manner) {
    std::unique_ptr<ScriptedHttpServer> server;
    try {
        server = std::make_unique<ScriptedHttpServer>(manner.good(), Family::kIpv6);
    } catch (const Poco::Exception&) {
        return;  // This machine has no IPv6.
    }
    Prober prober(session.host(), instance);
    const steward_status started = prober.start(1, "::1", server->port(), 2s);
    if (started != STEWARD_OK) {
        require(started == STEWARD_E_UNSUPPORTED,
                "a server on ::1: start gives status " + std::to_string(started) + " (" +
                    prober.error() + "), expected STEWARD_OK or STEWARD_E_UNSUPPORTED");
        return;
    }
    require(prober.settle(1, 2s, manner.speaks_http ? 5000ms : 50ms),
            "a server on ::1: done did not come by the deadline");
    const HealthReport& report = prober.of(1).front();
    const bool unsupported =
        report.verdict == STEWARD_UNKNOWN && report.status == STEWARD_E_UNSUPPORTED;
    require(unsupported || !manner.content || report.verdict == STEWARD_HEALTHY,
            "a server on ::1 that answers as a healthy one does: " + to_text(report) +
                "; expected HEALTHY, or UNKNOWN with STEWARD_E_UNSUPPORTED");
}

void try_name(Session& session, const Instance& instance, const Manner& manner,
              const std::string& address) {
    const ClosedPort refused;
    Prober prober(session.host(), instance);
    const std::string what = "the address \"" + address + '"';
    watch_reset();
    const steward_status started = prober.start(1, address, refused.port(), 2s);
    if (started == STEWARD_OK) {
        require(prober.settle(1, 2s, 10ms), what + ": done did not come by the deadline");
        const HealthReport& report = prober.of(1).front();
        require(!manner.connects || report.verdict == STEWARD_UNKNOWN,
                what + ", which is not a literal one: " + to_text(report) +
                    "; expected a start that is refused, or UNKNOWN");
    }
    require(watch_count(WATCHED_LOOKUP) == 0,
            what + ": the plugin calls " + watch_name(WATCHED_LOOKUP) +
                ", which may ask a name server and blocks; the host gives literal addresses");
}

void health_ipv6_unix_names(Trial& trial) {
    for_each_strategy(trial, [&](Session& session, const Instance& instance, const Manner& manner) {
        try_ipv6(session, instance, manner);
        for (const char* const name :
             {"localhost", "app.invalid", "unix:/run/app.sock", "/run/app.sock", "[::1]"}) {
            try_name(session, instance, manner, name);
        }
        // With a scope: whatever comes of it, it comes once.
        Prober prober(session.host(), instance);
        const ClosedPort refused;
        if (prober.start(1, "::1%lo", refused.port(), 2s) == STEWARD_OK) {
            require(prober.settle(1, 2s, 10ms),
                    "the address \"::1%lo\": done did not come by the deadline");
        }
    });
}

constexpr std::array kChecks{
    Check{62, "health-verdicts", Level::kMust, STEWARD_IFACE_HEALTH,
          "whatever the port does, each probe ends in one report with a verdict that is true: a "
          "service that refuses, stops or talks nonsense is never HEALTHY, one that answered is "
          "never UNKNOWN",
          "a wrong HEALTHY keeps a dead service up, a wrong UNHEALTHY restarts one that is well, "
          "and a probe without a report is a service that nobody looks at any more",
          "bound what is read, take the end of the stream and every error as an answer, and say "
          "UNKNOWN only if nothing was asked",
          60s, &health_verdicts},
    Check{63, "health-deadline", Level::kMust, STEWARD_IFACE_HEALTH,
          "done comes by the deadline, with UNHEALTHY if that was what ended the probe",
          "the time until a dead service is restarted is counted in probes: one that is late "
          "makes each of them longer",
          "arm one timer for request.deadline at the start, and let nothing else wait", 20s,
          &health_deadline},
    Check{64, "health-unknown-vs-unhealthy", Level::kMust, STEWARD_IFACE_HEALTH,
          "a probe that could not be made is refused by start or reported as UNKNOWN, never as "
          "UNHEALTHY",
          "a supervisor that is short of descriptors would restart every service it has, one "
          "after the other",
          "tell errors of socket(), of the host and of the request from those that the target "
          "makes",
          20s, &health_unknown_vs_unhealthy},
    Check{65, "health-no-crosstalk", Level::kMust, STEWARD_IFACE_HEALTH,
          "64 probes at once are each reported as they are alone",
          "state that is shared between probes restarts the wrong service",
          "keep all that belongs to a probe in one object of its own", 20s, &health_no_crosstalk},
    Check{66, "health-latency", Level::kShould, STEWARD_IFACE_HEALTH,
          "the latency is the time from the start to the report on the host's clock, at most 20 % "
          "off",
          "people read it to see a service grow slow", "subtract two readings of host->now()", 20s,
          &health_latency},
    Check{67, "health-ipv6-unix-names", Level::kShould, STEWARD_IFACE_HEALTH,
          "::1 is probed or UNSUPPORTED; what is no literal address is not probed and not looked "
          "up",
          "a name server that is slow blocks the plugin's thread, and with it all its probes",
          "parse addresses with inet_pton()", 20s, &health_ipv6_unix_names},
};

}  // namespace

const std::span<const Check> kHealthChecks{kChecks};

}  // namespace steward::compliance
