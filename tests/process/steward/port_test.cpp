// Which port the app gets, and what happens around it: taken ones, the next session, apps that bind
// for themselves.
#include <csignal>
#include <fstream>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

constexpr int kRoom = 8;

std::uint16_t port_in(const Json& object) {
    return static_cast<std::uint16_t>(number_at(object, "port"));
}

StewardStart without_defaults() {
    StewardStart start;
    start.defaults = false;
    return start;
}

Arguments on_port(std::uint16_t port) {
    return {"--port", std::to_string(port)};
}

// Every port from the base up to the chosen one was skipped, and the reason was logged.
void check_next_free(Bed& bed, std::uint16_t base, const Json& status) {
    const auto chosen = port_in(status);
    CHECK(chosen > base);
    const auto skipped = bed.events("port.skipped");
    REQUIRE(skipped.size() == static_cast<std::size_t>(chosen - base));
    for (std::size_t i = 0; i < skipped.size(); ++i) {
        CHECK(number_at(skipped[i], "port") == base + static_cast<int>(i));
        CHECK_THAT(text_at(skipped[i], "cause"), Catch::Contains(":" + std::to_string(base + i)));
    }
    CHECK(number_at(bed.wait_event("port.chosen"), "port") == chosen);
}

// What the app itself was told and what it says through that port.
void check_app_answers(const Json& status, const std::string& report) {
    const Answer answer = fetch(port_in(status), "/health");
    REQUIRE(answer.status == 200);
    CHECK(text_at(parse_json(answer.body), "instance") == text_at(status, "instance_id"));
    const std::string said = read_file(report);
    CHECK_THAT(said, Catch::Contains("\"--port\",\"" + std::to_string(port_in(status)) + "\""));
}

// An app that binds for itself.
Arguments own_bind(Arguments options = {}) {
    return Arguments{test_app_program(), "--port", "{port}", "--instance-id", "{instance}"} +
           options;
}

// Refuses its first `count` ports, as a server says it; then it works.
Arguments refuses(const std::string& counter, int count, const std::string& how) {
    const std::string script =
        "n=$(cat \"$0\" 2>/dev/null || echo 0); echo $((n + 1)) > \"$0\"; "
        "if [ $n -lt " +
        std::to_string(count) + " ]; then " + how + "; fi; exec \"$@\"";
    return Arguments{"/bin/sh", "-c", script, counter} + own_bind();
}

}  // namespace

TEST_CASE(
    "a base port that is taken, on whichever address and however, is skipped with the reason") {
    const std::string address = GENERATE("127.0.0.1", "0.0.0.0", "::1", "::");
    const auto [ends, reuse] = GENERATE(table<Ends, Reuse>({{Ends::kListening, Reuse::kNo},
                                                            {Ends::kListening, Reuse::kYes},
                                                            {Ends::kBound, Reuse::kNo},
                                                            {Ends::kBound, Reuse::kYes}}));
    INFO(address << (ends == Ends::kBound ? " bound" : " listening")
                 << (reuse == Reuse::kYes ? " with SO_REUSEADDR" : ""));
    const auto base = free_port(kRoom);
    const auto taken = occupy(address, base, ends, reuse);
    Sandbox files;
    Bed bed(on_port(base), test_app({"--report", files.file("report")}), without_defaults());
    const Json status = bed.wait_healthy();
    check_next_free(bed, base, status);
    check_app_answers(status, files.file("report"));
}

TEST_CASE("whoever has the port is named, if he is found in the time there is for it") {
    const auto base = free_port(kRoom);
    const auto taken = occupy("127.0.0.1", base, Ends::kListening);
    // A start waits 20 ms at most for a name, which a busy machine may take away.
    bool named = false;
    for (int i = 0; i < 10 && !named; ++i) {
        Bed bed(on_port(base), test_app(), without_defaults());
        bed.wait_healthy();
        const std::string cause = text_at(bed.wait_event("port.skipped"), "cause");
        CHECK_THAT(cause, Catch::Contains("127.0.0.1:" + std::to_string(base) + " is in use"));
        named = cause.find("(pid " + std::to_string(getpid()) + ")") != std::string::npos;
        bed.end();
    }
    CHECK(named);
}

TEST_CASE("with no port to be had it is degraded, and the cause names base and tries") {
    const auto base = free_port(3);
    std::vector<core::UniqueFd> taken;
    for (int i = 0; i < 3; ++i) {
        taken.push_back(
            occupy("127.0.0.1", static_cast<std::uint16_t>(base + i), Ends::kListening));
    }
    Bed bed(on_port(base) + Arguments{"--port-tries", "3", "--degraded-retry", "300ms"}, test_app(),
            without_defaults());
    const Json degraded = bed.wait_event("service.degraded");
    CHECK_THAT(text_at(degraded, "cause"),
               Catch::Contains(std::to_string(base)) && Catch::Contains("3 ports"));
    CHECK(bed.numbers("port.skipped", "port") ==
          std::vector<std::int64_t>{base, base + 1, base + 2});
    const Json status = bed.status();
    CHECK(at(status, "port").isEmpty());
    CHECK(at(status, "url").isEmpty());

    // The half-open start asks for a port again.
    taken.pop_back();
    CHECK(port_in(bed.wait_healthy()) == base + 2);
}

TEST_CASE("a server started right after one that had served a hundred requests has the same port") {
    const auto base = free_port(kRoom);
    for (int session = 0; session < 3; ++session) {
        Bed bed(on_port(base), test_app(), without_defaults());
        const auto port = port_in(bed.wait_healthy());
        REQUIRE(port == base);
        for (int i = 0; i < 100; ++i) {
            REQUIRE(fetch(port, "/pid").status == 200);
        }
        CHECK(bed.end().code == 0);
    }
}

TEST_CASE(
    "a server started right after one that was killed with a keep-alive client attached has the "
    "same port") {
    Bed first(Arguments{}, /*app=*/{});
    const auto port = port_in(first.wait_healthy());
    const core::UniqueFd client = connect_to(port);
    REQUIRE(client);
    for (int i = 0; i < 3; ++i) {
        send_get(client.get(), "/health");
        REQUIRE(read_answer(client.get(), kPatience).status == 200);
    }
    first.steward().kill(SIGKILL);
    CHECK(first.steward().wait_exit().signal == SIGKILL);
    REQUIRE(first.nothing_left(Milliseconds(1000)));

    Bed second(on_port(port), /*app=*/{}, without_defaults());
    CHECK(port_in(second.wait_healthy()) == port);
}

TEST_CASE(
    "an app that binds for itself and cannot have the first two ports gets the third, and both are "
    "logged") {
    const std::string how =
        GENERATE("exit 98", "echo 'OSError: [Errno 98] Address already in use' >&2; exit 1");
    INFO(how);
    const auto base = free_port(kRoom);
    Sandbox files;
    Bed bed(on_port(base), refuses(files.file("count"), 2, how), without_defaults());
    const Json status = bed.wait_healthy();
    const auto skipped = bed.events("port.skipped");
    REQUIRE(skipped.size() >= 2);
    CHECK(port_in(status) == number_at(skipped.back(), "port") + 1);
    CHECK(bed.numbers("port.chosen", "port").size() == 3);
    for (const auto& refused : bed.events("service.exit")) {
        const auto is_this = [&](const Json& event) {
            return number_at(event, "generation") == number_at(refused, "generation");
        };
        CHECK(text_at(bed.wait_event("port.skipped", is_this), "cause") ==
              text_at(refused, "cause"));
    }
    CHECK(bed.events("service.exit").size() == 2);
    CHECK(number_at(status, "restarts") == 0);
    CHECK(fetch(port_in(status), "/health").status == 200);
    CHECK(bed.events("service.restart_scheduled").empty());
}

TEST_CASE("an app that refuses every port it is given is degraded, and the ports are named") {
    Sandbox files;
    const auto base = free_port(kRoom);
    Bed bed(on_port(base), refuses(files.file("count"), 1000, "exit 98"), without_defaults());
    const Json degraded = bed.wait_event("service.degraded");
    const auto tried = bed.numbers("port.chosen", "port");
    REQUIRE(tried.size() == 4);  // The first, and --startup-ports others.
    for (const auto port : tried) {
        CHECK_THAT(text_at(degraded, "cause"), Catch::Contains(std::to_string(port)));
    }
    CHECK(text_at(bed.status(), "state") == "degraded");
}

TEST_CASE("an app that listens in vain, as somebody took the port in between, gets another one") {
    const auto base = free_port(kRoom);
    Sandbox files;
    // It waits until the test has taken the port that it was given.
    const std::string script = "echo $0 > '" + files.path() + "/given'; until test -e '" +
                               files.path() + "/taken'; do sleep 0.01; done; exec \"$@\"";
    Bed bed(on_port(base), Arguments{"/bin/sh", "-c", script, "{port}"} + own_bind(),
            without_defaults());
    const auto chosen = port_in(bed.wait_event("service.started"));
    const auto taken = occupy("127.0.0.1", chosen, Ends::kListening);
    files.write("taken", "");
    const Json status = bed.wait_healthy();
    CHECK(port_in(status) > chosen);
    const Json skipped =
        bed.wait_event("port.skipped", [&](const Json& event) { return port_in(event) == chosen; });
    CHECK_THAT(text_at(skipped, "cause"), Catch::Contains("Address already in use"));
}

TEST_CASE(
    "an app without a port runs, is not called healthy, and is never restarted for its health") {
    Bed bed(Arguments{"--health-interval", "20ms", "--health-timeout", "20ms", "--startup-timeout",
                      "100ms"},
            {test_app_program()});
    const Json status =
        bed.wait_status([](const Json& now) { return text_at(now, "state") == "running"; });
    CHECK_FALSE(at(status, "healthy").convert<bool>());
    CHECK(at(status, "port").isEmpty());
    CHECK(text_at(status, "cause") == "no port to probe: give {port}, {fd} or --health none");
    CHECK(stays(Milliseconds(800), [&] {
        const Json now = bed.status();
        return text_at(now, "state") == "running" && number_at(now, "restarts") == 0 &&
               text_at(now, "pid") == text_at(status, "pid");
    }));
    CHECK(bed.events("probe.failed").empty());
}

TEST_CASE("with --health none an app is healthy while it lives") {
    const bool with_port = GENERATE(false, true);
    Bed bed(Arguments{"--health", "none"} + quick_restarts(),
            with_port ? own_bind() : Arguments{test_app_program()});
    const Json status = bed.wait_healthy();
    CHECK_THAT(text_at(status, "cause"), Catch::Contains("the health check is off"));
    REQUIRE(::kill(static_cast<pid_t>(number_at(status, "pid")), SIGKILL) == 0);
    CHECK(number_at(bed.wait_healthy(2), "restarts") == 1);
}

TEST_CASE("an impostor on the port of an app that binds for itself is not counted healthy") {
    const auto base = free_port(kRoom);
    // The search for its name has 20 ms in each second; a busy machine may take some of them away.
    bool named = false;
    for (int i = 0; i < 3 && !named; ++i) {
        Bed bed(on_port(base) + Arguments{"--startup-timeout", "4s", "--startup-ports", "0"},
                {"/bin/sh", "-c", "exec \"$@\"", "{port}", test_app_program()}, without_defaults());
        const auto port = port_in(bed.wait_event("service.started"));
        const AnsweringListener impostor(occupy("127.0.0.1", port, Ends::kListening),
                                         "{\"status\":\"healthy\"}");
        REQUIRE(fetch(port, "/health").status == 200);
        const Json degraded = bed.wait_event("service.degraded", {}, Milliseconds(8000));
        CHECK_THAT(text_at(degraded, "cause"),
                   Catch::Contains("port " + std::to_string(port) + " is answered by") &&
                       Catch::Contains("not by this app"));
        CHECK(bed.events("service.healthy").empty());
        named =
            text_at(degraded, "cause").find("pid " + std::to_string(getpid())) != std::string::npos;
        bed.end();
    }
    CHECK(named);
}

}  // namespace steward::tests
