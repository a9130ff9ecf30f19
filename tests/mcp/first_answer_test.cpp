// The first answer comes at once, whatever the app does, and the status then says what is the
// matter.
#include "scenes.hpp"

using namespace steward::tests;

namespace {

constexpr double kFirstAnswerMs = 50;
constexpr double kPromptMs = 2000;  // for what takes a Python interpreter to find out

Condition it_works(const Sandbox&) {
    return {"the app works", with_app(), "running", "healthy"};
}

using MakeCondition = Condition (*)(const Sandbox&);

MakeCondition any_condition() {
    return GENERATE(values<MakeCondition>({it_works, no_interpreter, no_flask, syntax_error,
                                           missing_program, slow_to_answer, slow_to_listen}));
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("initialize is answered within 50 ms of the exec, and the status names state and cause",
          "[mcp][first]") {
    const Sandbox sandbox;
    const auto condition = any_condition()(sandbox);
    INFO(condition.name);
    StewardProcess steward(sandbox, condition.start);
    const auto result = steward.initialize();
    CHECK(ms_since(steward.started()) < kFirstAnswerMs);
    CHECK(text_at(result, "protocolVersion") == "2025-11-25");
    CHECK(text_at(result, "serverInfo.name") == "steward");

    const auto status = steward.wait_state(condition.state);
    INFO(text_at(status, "cause"));
    CHECK(contains(text_at(status, "cause"), condition.cause));
    CHECK(number_at(status, "generation") == 1);
    CHECK(at(status, "next_restart_ms").isEmpty());
    CHECK(at(status, "healthy").convert<bool>() == (condition.state == "running"));
}

TEST_CASE("server/discover is answered within 50 ms of the exec", "[mcp][first]") {
    const Sandbox sandbox;
    const auto condition = any_condition()(sandbox);
    INFO(condition.name);
    StewardProcess steward(sandbox, condition.start);
    steward.speak_modern(true);
    const auto message = steward.call("server/discover");
    CHECK(ms_since(steward.started()) < kFirstAnswerMs);
    CHECK(text_at(message, "result.resultType") == "complete");
    CHECK(contains(text_at(message, "result.supportedVersions"), "2026-07-28"));
    // This request is itself what the app is started for; it may be answered before that is under
    // way.
    const auto status = steward.status();
    if (text_at(status, "state") == "stopped") {
        CHECK(text_at(status, "cause") == "waiting for a client");
    } else {
        CHECK(number_at(status, "generation") == 1);
    }
}

TEST_CASE(
    "initialize is answered within 50 ms when no port is free, and the status names base and tries",
    "[mcp][first]") {
    const Sandbox sandbox;
    TakenPort taken;
    auto start = with_app();
    start.port = taken.port();
    start.args = {"--port-tries", "1", "--degraded-retry", "300ms"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    CHECK(ms_since(steward.started()) < kFirstAnswerMs);

    const auto status = steward.wait_state("degraded");
    CHECK(contains(text_at(status, "cause"), std::to_string(taken.port())));
    CHECK(at(status, "port").isEmpty());
    CHECK(at(status, "pid").isEmpty());

    // flask_start tries at once and says why it failed; the half-open retry finds the port when it
    // is free.
    const auto asked = Clock::now();
    const auto result = steward.tool("flask_start");
    CHECK(ms_since(asked) < 500);
    CHECK(at(result, "isError").convert<bool>());
    CHECK(contains(text_at(result, "structuredContent.cause"), std::to_string(taken.port())));
    taken.release();
    CHECK(number_at(steward.wait_state("running"), "port") == taken.port());
}

TEST_CASE("an app that cannot work is neither waited for nor started again", "[mcp][first]") {
    const Sandbox sandbox;
    const auto make = GENERATE(values<MakeCondition>(
        {no_interpreter, no_flask, syntax_error, missing_module, missing_program}));
    const auto condition = make(sandbox);
    INFO(condition.name);
    StewardProcess steward(sandbox, condition.start);
    steward.initialize();
    steward.wait_state("misconfigured");
    CHECK(ms_since(steward.started()) < kPromptMs);

    const auto asked = Clock::now();
    const auto result = steward.tool("flask_start");
    CHECK(ms_since(asked) < kPromptMs);
    CHECK(at(result, "isError").convert<bool>());
    CHECK(text_at(result, "structuredContent.state") == "misconfigured");
    CHECK(contains(text_at(result, "structuredContent.cause"), condition.cause));
    CHECK(number_at(result, "structuredContent.generation") == 2);
    CHECK(number_at(result, "structuredContent.restarts") == 0);
    // The log is written behind; events are in their order.
    CHECK(wait_until([&] { return count_events(sandbox, "service.misconfigured") == 2; }));
    CHECK(count_events(sandbox, "service.restart_scheduled") == 0);
}

TEST_CASE("a misconfigured app starts by itself once it is mended", "[mcp][first]") {
    const Sandbox sandbox;
    const auto make =
        GENERATE(values<MakeCondition>({syntax_error, missing_module, missing_program}));
    const auto condition = make(sandbox);
    INFO(condition.name);
    StewardProcess steward(sandbox, condition.start);
    steward.initialize();
    steward.wait_state("misconfigured");
    if (make != missing_program) {
        mend_script(sandbox);
    } else {
        mend_program(sandbox);
    }
    const auto mended = Clock::now();
    const auto status = steward.wait_state("running");
    CHECK(ms_since(mended) < 3000);
    CHECK(at(status, "healthy").convert<bool>());
    CHECK(number_at(status, "restarts") == 0);
}

TEST_CASE("a status asked for while the app is slow is answered at once", "[mcp][first]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, slow_to_answer(sandbox).start);
    steward.initialize();
    sandbox.wait_event("service.started");
    const auto asked = Clock::now();
    CHECK(text_at(steward.status(), "state") == "starting");
    CHECK(ms_since(asked) < 100);
}

TEST_CASE("the Flask app itself runs with the defaults", "[mcp][flask]") {
    const Sandbox sandbox;
    StewardStart start;
    start.command = GENERATE("", "mcp");
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto status = steward.wait_state("running", Milliseconds(30'000));
    CHECK(at(status, "healthy").convert<bool>());
    const auto port = static_cast<std::uint16_t>(number_at(status, "port"));
    CHECK(port >= steward.port());
    CHECK(http_get(port, "/health").status == 200);
    const auto end_asked = Clock::now();
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(end_asked, end.at) < 1000);
    CHECK(steward.left().empty());
    CHECK(steward.error_output().empty());
    CHECK(steward.impure_lines().empty());
}
