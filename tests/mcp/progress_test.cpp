// What a client hears while an action takes its time.
#include <algorithm>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

struct Heard {
    std::vector<double> progress;
    std::vector<std::string> messages;
    std::vector<std::string> events;  // of log messages
};

// What came before the answer `id`; what comes behind it fails the test.
Heard heard_before(StewardProcess& steward, int id) {
    Heard out;
    bool answered = false;
    for (const auto& line : steward.lines()) {
        const auto message = parse_json(line);
        if (number_at(message, "id") == id && !message->has("method")) {
            answered = true;
        } else if (text_at(message, "method") == "notifications/progress") {
            CHECK_FALSE(answered);
            CHECK(text_at(message, "params.progressToken") == "tok");
            out.progress.push_back(std::stod(text_at(message, "params.progress")));
            out.messages.push_back(text_at(message, "params.message"));
        } else if (text_at(message, "method") == "notifications/message") {
            CHECK_FALSE(answered);
            out.events.push_back(text_at(message, "params.data.event"));
        }
    }
    return out;
}

int ask(StewardProcess& steward, const std::string& tool, const std::string& meta) {
    return steward.request("tools/call",
                           R"({"name":")" + tool + R"(","arguments":{},"_meta":{)" + meta + "}}");
}

}  // namespace

TEST_CASE("flask_restart reports its steps and names the address", "[mcp][progress]") {
    Running steward;
    const int id = ask(*steward, "flask_restart", R"("progressToken":"tok")");
    const auto answer = steward->answer(id);
    CHECK(text_at(answer, "result.structuredContent.state") == "running");
    const auto url = text_at(answer, "result.structuredContent.url");
    CHECK(holds(url, "http://127.0.0.1:"));
    steward->call("ping");  // what would come behind the answer is there now
    const auto heard = heard_before(*steward, id);
    REQUIRE(heard.progress.size() >= 3);
    for (std::size_t i = 1; i < heard.progress.size(); ++i) {
        CHECK(heard.progress[i] > heard.progress[i - 1]);
    }
    CHECK(holds(heard.messages.front(), "stopping the app "));
    CHECK(holds(heard.messages.back(), "waiting until " + url + " is healthy"));
    CHECK(heard.events == std::vector<std::string>{"service.stop", "service.exit", "service.start",
                                                   "service.started", "service.healthy"});
}

TEST_CASE("who has not asked for progress gets none", "[mcp][progress]") {
    Running steward;
    REQUIRE(steward->call("logging/setLevel", R"({"level":"error"})")->has("result"));
    const int id = steward->request_tool("flask_restart");
    CHECK(text_at(steward->answer(id), "result.structuredContent.state") == "running");
    const auto heard = heard_before(*steward, id);
    CHECK(heard.progress.empty());
    CHECK(heard.events.empty());
}

TEST_CASE("what happens when no call waits is told to nobody", "[mcp][progress]") {
    Running steward;
    REQUIRE(steward->call("logging/setLevel", R"({"level":"debug"})")->has("result"));
    REQUIRE(::kill(static_cast<pid_t>(number_at(steward.first(), "pid")), SIGKILL) == 0);
    steward->wait_status([](const Json& status) {
        return number_at(status, "generation") == 2 && text_at(status, "state") == "running";
    });
    CHECK(heard_before(*steward, -2).events.empty());
}

TEST_CASE("two calls at once are told of each event once", "[mcp][progress]") {
    Running steward;
    const int first = steward->request_tool("flask_restart");
    const int second = steward->request_tool("flask_restart");
    steward->answer(first);
    steward->answer(second);
    steward->call("ping");
    std::set<std::int64_t> numbers;
    for (const auto& line : steward->lines()) {
        if (line.find("notifications/message") != std::string::npos) {
            const auto message = parse_json(line);
            CHECK(numbers.insert(number_at(message, "params.data.seq")).second);
        }
    }
    CHECK_FALSE(numbers.empty());
}

TEST_CASE("a restart while the app starts does not announce the old one", "[mcp][progress]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app({"--start-delay-ms", "300"}));
    steward.initialize();
    steward.wait_state("starting");
    const int id = ask(steward, "flask_restart", R"("progressToken":"tok")");
    const auto answer = steward.answer(id);
    CHECK(text_at(answer, "result.structuredContent.state") == "running");
    const auto pid = text_at(answer, "result.structuredContent.pid");
    for (const auto& message : heard_before(steward, id).messages) {
        CHECK((!holds(message, "started as process ") ||
               holds(message, "started as process " + pid + ";")));
    }
}

TEST_CASE("progress of a start that fails tells why and goes on", "[mcp][progress]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, [] {
        auto start = with_app({"--exit-code", "3"});
        start.args = {"--set", "restart_backoff.base_ms=10", "--set",
                      "restart_backoff.max_restarts=2"};
        return start;
    }());
    steward.initialize();
    steward.wait_state("degraded");
    const int id = ask(steward, "flask_start", R"("progressToken":"tok")");
    const auto answer = steward.answer(id);
    CHECK(text_at(answer, "result.isError") == "true");
    const auto heard = heard_before(steward, id);
    REQUIRE_FALSE(heard.messages.empty());
    CHECK(std::any_of(heard.messages.begin(), heard.messages.end(),
                      [](const std::string& text) { return holds(text, "exit code 3"); }));
}
