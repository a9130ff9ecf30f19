// ServiceBed: a Service on the fakes, on virtual time.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "steward/core/service.hpp"
#include "steward/core/simulation/fake_world.hpp"
#include "steward/restart.h"

namespace steward::tests {

using namespace simulation;

inline core::ServiceConfig app_config() {
    core::ServiceConfig config;
    config.name = "promptbin";
    config.argv = {"python3", "app.py", "--host",      "{host}",
                   "--port",  "{port}", "--listen-fd", "{fd}"};
    config.environment = {{"PATH", "/usr/bin"}};
    config.data_dir = "/data";
    config.watch_folder = "/app";
    return config;
}

inline core::ServiceConfig own_bind_app() {
    auto config = app_config();
    config.machine.port_mode = core::PortMode::kOwnBind;
    return config;
}

struct ServiceBed {
    explicit ServiceBed(core::ServiceConfig config = app_config())
        : service(std::make_unique<core::Service>(std::move(config), world.parts())) {}
    ~ServiceBed() { CHECK(world.journal.breaches == std::vector<std::string>{}); }
    ServiceBed(const ServiceBed&) = delete;
    ServiceBed& operator=(const ServiceBed&) = delete;

    core::State state() const { return service->status().state; }
    VirtualScheduler& time() { return world.scheduler; }
    void run() { world.scheduler.run_ready(); }
    void advance(core::Duration by) { world.scheduler.advance(by); }

    // By hand, to a spawned app with its first probe in flight.
    void to_starting() {
        service->start_for_client("a client came");
        run();
        world.guardian.started();
        run();
    }
    void to_running() {
        to_starting();
        healthy();
    }
    // Answers the probe in flight with what our own app says.
    void healthy() {
        world.strategies.answer_probe(core::Verdict::kHealthy, "GET /health: 200",
                                      service->status().instance_id);
        run();
    }
    void sick(const std::string& detail = "GET /health: 500") {
        world.strategies.answer_probe(core::Verdict::kUnhealthy, detail);
        run();
    }
    // The app and its tree are gone.
    void crash(int signal = 9) {
        world.guardian.killed(signal);
        world.guardian.empty();
        run();
    }

    FakeWorld world;
    std::unique_ptr<core::Service> service;
};

}  // namespace steward::tests
