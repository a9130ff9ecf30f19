// Somebody else answers on the port of an app that binds for itself: never counted as the app's
// health, and named.
#include <unistd.h>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"
#include "stock_apps.hpp"

namespace steward::tests {
namespace {

constexpr Milliseconds kSlowStart{30'000};  // gunicorn's, on a busy machine
constexpr const char* kHealthy = "{\"status\":\"healthy\"}";

std::uint16_t port_in(const Json& object) {
    return static_cast<std::uint16_t>(number_at(object, "port"));
}

// "pid 412 (whole_impostor_)", as the cause names this process.
std::string own_name() {
    return "pid " + std::to_string(getpid()) + " (" + process_name(getpid()) + ")";
}

// The search for a name has 20 ms in each second, which a busy machine may take away: then it is
// "another process". Runs it until the name is there, a few times at most.
template <class Run>
void until_named(Run run) {
    std::string cause;
    for (int i = 0; i < 12 && cause.find(own_name()) == std::string::npos; ++i) {
        cause = run();
    }
    CHECK_THAT(cause, Catch::Contains(own_name()));
}

}  // namespace

TEST_CASE("who answers in place of an app that does not is named, on either family") {
    const std::string host = GENERATE("127.0.0.1", "::1");
    INFO(host);
    until_named([&host] {
        Bed bed({"--host", host, "--startup-timeout", "2s", "--startup-ports", "0"},
                {"/bin/sh", "-c", "exec sleep 1000", "{port}"});
        const auto port = port_in(bed.wait_event("service.started"));
        const AnsweringListener impostor(occupy(host, port, Ends::kListening), kHealthy);
        const Json degraded = bed.wait_event("service.degraded");
        const auto cause = text_at(degraded, "cause");
        CHECK_THAT(cause, Catch::Contains("port " + std::to_string(port) + " is answered by") &&
                              Catch::Contains("not by this app"));
        CHECK(bed.events("service.healthy").empty());
        return cause;
    });
}

TEST_CASE("who sits on [::1] only is seen before the start, named, and avoided") {
    until_named([] {
        const auto base = free_port(4);
        const AnsweringListener impostor(occupy("::1", base, Ends::kListening), kHealthy);
        StewardStart start;
        start.defaults = false;
        Bed bed({"--port", std::to_string(base)},
                {test_app_program(), "--port", "{port}", "--instance-id", "{instance}"}, start);
        CHECK(port_in(bed.wait_healthy()) > base);
        const Json skipped = bed.wait_event("port.skipped");
        CHECK(port_in(skipped) == base);
        const auto cause = text_at(skipped, "cause");
        // By whom, as far as the time for that goes: until_named() tries again.
        CHECK_THAT(cause, Catch::StartsWith("[::1]:" + std::to_string(base) + " is in use by ") ||
                              Catch::Equals("[::1]:" + std::to_string(base) +
                                            " is bound by another process"));
        // "… is in use by NAME (pid N)"
        const bool named =
            cause.find("(pid " + std::to_string(getpid()) + ")") != std::string::npos;
        return named ? own_name() : cause;
    });
}

TEST_CASE("who shares a handed-over socket that the app made shareable is not counted either") {
    Sandbox files;
    write_app(files);
    until_named([&files] {
        Bed bed({"--health-interval", "100ms", "--health-failures", "2"},
                {"gunicorn", "--reuse-port", "--chdir", files.file("site"), "hello:app"});
        const auto port = port_in(bed.wait_healthy(1, kSlowStart));
        const AnsweringListener impostor(occupy("127.0.0.1", port, Ends::kListening, Reuse::kPort),
                                         kHealthy);
        const auto cause = text_at(bed.wait_event("service.unhealthy", {}, kSlowStart), "cause");
        CHECK_THAT(cause, Catch::Contains("port " + std::to_string(port) + " is answered by"));
        return cause;
    });
}

TEST_CASE(
    "who shares the port of a running app with SO_REUSEPORT makes it unhealthy, and is named") {
    Sandbox files;
    write_app(files);
    until_named([&files] {
        Bed bed({"--handoff", "port", "--health-interval", "200ms", "--health-failures", "2",
                 "--startup-timeout", "6s"},
                {"gunicorn", "--reuse-port", "--chdir", files.file("site"), "-b", "{host}:{port}",
                 "hello:app"});
        const auto port = port_in(bed.wait_healthy(1, kSlowStart));
        const AnsweringListener impostor(occupy("127.0.0.1", port, Ends::kListening, Reuse::kPort),
                                         kHealthy);
        const auto healthy = bed.events("service.healthy").size();
        const auto cause = text_at(bed.wait_event("service.unhealthy", {}, kSlowStart), "cause");
        CHECK_THAT(cause, Catch::Contains("port " + std::to_string(port) + " is answered by"));
        CHECK(bed.events("service.healthy").size() == healthy);
        // Where it is alone it is healthy again.
        const Json after = bed.wait_healthy(2, Milliseconds(60'000));
        CHECK(port_in(after) != port);
        return cause;
    });
}

}  // namespace steward::tests
