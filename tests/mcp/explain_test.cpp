// flask_explain and the event log, over the real pipe.
#include "scenes.hpp"

using namespace steward::tests;

namespace {

Json explained(Running& server) {
    const auto result = server->tool("flask_explain");
    CHECK_FALSE(result->has("isError"));
    return result->getObject("structuredContent");
}

}  // namespace

TEST_CASE("flask_explain tells why the app waits for its next start", "[mcp][explain]") {
    auto start = with_app();
    start.args = {"--set", "restart_backoff.base_ms=60000", "--set",
                  "restart_backoff.cap_ms=60000"};
    Running server(start);
    const auto running = explained(server);
    CHECK(text_at(running, "state") == "running");
    CHECK(at(running, "next").isEmpty());
    CHECK(holds(text_at(running, "text"), "healthy"));

    CHECK(http_get(server.port(), "/exit/7").status == 0);
    server->wait_state("backing_off");
    const auto out = explained(server);
    const auto status = server->status();
    CHECK(text_at(out, "state") == "backing_off");
    CHECK(text_at(out, "cause") == text_at(status, "cause"));
    CHECK(text_at(out, "since") == text_at(status, "since"));
    CHECK(text_at(out, "next.action") == "start");
    CHECK(number_at(out, "next.in_ms") > 10'000);
    CHECK(number_at(out, "next.in_ms") < 80'000);
    CHECK(holds(text_at(out, "text"), text_at(status, "cause")));
    CHECK(holds(text_at(out, "text"), "service.exit"));
    const auto transitions = out->getArray("transitions");
    CHECK(transitions->size() <= 20);
    bool exit_told = false;
    for (unsigned i = 0; i < transitions->size(); ++i) {
        const auto one = transitions->getObject(i);
        CHECK(text_at(one, "event") != "metrics");
        CHECK_FALSE(text_at(one, "cause").empty());
        exit_told = exit_told ||
                    (text_at(one, "event") == "service.exit" && number_at(one, "fields.code") == 7);
    }
    CHECK(exit_told);

    server->speak_modern(GENERATE(false, true));
    const auto read = server->call("resources/read", R"({"uri":"promptbin://flask-events"})");
    CHECK(text_at(read, "result.contents.0.mimeType") == "application/json");
    const auto events = parse_json(text_at(read, "result.contents.0.text"));
    CHECK_FALSE(at(events, "truncated").convert<bool>());
    const auto list = events->getArray("events");
    CHECK(text_at(list->getObject(0), "event") == "service.start");
    std::int64_t newest = 0;
    for (unsigned i = 0; i < list->size(); ++i) {
        CHECK(number_at(list->getObject(i), "seq") > newest);
        newest = number_at(list->getObject(i), "seq");
    }
}

TEST_CASE("flask_explain says what to mend in an app that cannot start", "[mcp][explain]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, missing_program(sandbox).start);
    steward.initialize();
    steward.wait_state("misconfigured");
    const auto out = steward.tool("flask_explain")->getObject("structuredContent");
    CHECK(at(out, "next").isEmpty());
    CHECK(holds(text_at(out, "text"), "mend what the cause names"));
    CHECK(holds(text_at(out, "text"), sandbox.file("app/program")));
}
