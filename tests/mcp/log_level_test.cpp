// --log-level is the app's; what is a matter of course is logged, and not shown.
#include "scenes.hpp"

using namespace steward::tests;

TEST_CASE("the log level reaches the app and leaves steward's own output alone", "[mcp][log]") {
    const Sandbox sandbox;
    const auto level = GENERATE(as<std::string>(), "debug", "info", "warning", "error", "critical");
    auto start = as_flask_app(sandbox, {"--stderr-line", "a line of the app"});
    start.args.insert(start.args.end(), {"--log-level", level});
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto status = steward.wait_state("running");
    std::string argv;
    for (const pid_t pid : sandbox.processes()) {
        if (pid == number_at(status, "pid")) {
            argv = command_line(pid);
        }
    }
    CHECK(argv.find(" --log-level " + level + " ") != std::string::npos);
    steward.close_stdin();
    CHECK(steward.wait_exit().code == 0);
    CHECK(steward.error_output().empty());
}

TEST_CASE("a failure is shown on stderr at every log level", "[mcp][log]") {
    const Sandbox sandbox;
    auto start = with_app({"--exit-code", "3"});
    start.args = {"--log-level", GENERATE("debug", "critical"), "--set",
                  "restart_backoff.max_restarts=0"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("degraded");
    steward.close_stdin();
    CHECK(steward.wait_exit().code == 0);
    CHECK(steward.error_output().find("service.exit") != std::string::npos);
    CHECK(steward.error_output().find("service.degraded") != std::string::npos);
    CHECK(steward.error_output().find(" info ") == std::string::npos);
}

TEST_CASE("skipped ports and requested stops and restarts are info", "[mcp][log]") {
    const Sandbox sandbox;
    const TakenPort taken;
    auto start = with_app();
    start.port = taken.port();
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    steward.tool("flask_restart");
    steward.tool("flask_stop");
    steward.close_stdin();
    CHECK(steward.wait_exit().code == 0);

    const auto skipped = sandbox.wait_event("port.skipped");
    CHECK(number_at(skipped, "port") == taken.port());
    CHECK(count_events(sandbox, "service.stop") >= 2);
    for (const auto& event : sandbox.events()) {
        INFO(text_at(event, "event") << ": " << text_at(event, "cause"));
        CHECK((text_at(event, "level") == "info" || text_at(event, "level") == "debug"));
    }
    CHECK(steward.error_output().empty());
}

TEST_CASE("each event in the log has its time, service, generation and cause", "[mcp][log]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.initialize();
    const auto log_file = text_at(steward.wait_state("running"), "log_file");
    steward.tool("flask_stop");
    steward.close_stdin();
    CHECK(steward.wait_exit().code == 0);
    CHECK(log_file.rfind(sandbox.state() + "/steward/", 0) == 0);
    std::int64_t sequence = 0;
    for (const auto& event : sandbox.events()) {
        if (!event->has("seq")) {
            continue;
        }
        INFO(text_at(event, "event"));
        CHECK(text_at(event, "ts").size() == 24);
        CHECK(text_at(event, "service") == "test_app");
        CHECK(number_at(event, "generation") >= 0);
        CHECK_FALSE(text_at(event, "cause").empty());
        CHECK(number_at(event, "seq") > sequence);
        sequence = number_at(event, "seq");
    }
    CHECK(sequence > 0);
}
