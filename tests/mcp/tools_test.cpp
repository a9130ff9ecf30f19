// Tools and resources, in both eras, over the real pipe.
#include <set>
#include <sstream>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

const std::vector<std::string> kStatusFields{
    "schema",     "service",     "healthy",   "state",           "since",   "cause",
    "port",       "url",         "pid",       "restarts",        "uptime",  "startup_ms",
    "generation", "instance_id", "last_exit", "next_restart_ms", "metrics", "plugins",
    "output",     "log_file",    "version"};

constexpr const char* kUri = "promptbin://flask-status";

constexpr const char* kReadParams = R"({"uri":"promptbin://flask-status"})";

}  // namespace

TEST_CASE("the lists name the tools and resources, in both eras", "[mcp][tools]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    const bool modern = GENERATE(false, true);
    steward.speak_modern(modern);
    if (!modern) {
        steward.initialize();
    }
    for (const std::string method : {"tools/list", "resources/list", "resources/templates/list"}) {
        INFO(method);
        const auto message = steward.call(method);
        const auto result = message->getObject("result");
        REQUIRE_FALSE(result.isNull());
        CHECK(result->has("resultType") == modern);
        CHECK(result->has("ttlMs") == modern);
        CHECK(result->has("cacheScope") == modern);
        CHECK((text_at(result, "_meta.io~modelcontextprotocol/serverInfo.name") == "steward") ==
              modern);
    }
    const auto tools = names(steward.call("tools/list")->getObject("result"), "tools", "name");
    for (const char* name : {"flask_status", "flask_start", "flask_stop", "flask_restart",
                             "flask_logs", "flask_explain", "plugin_list"}) {
        INFO(name);
        CHECK(tools.count(name) == 1);
    }
    CHECK(names(steward.call("resources/list")->getObject("result"), "resources", "uri")
              .count(kUri) == 1);
}

TEST_CASE("resource and tool show the same complete status", "[mcp][tools]") {
    Running server;
    server->speak_modern(GENERATE(false, true));
    const auto message = server->call("resources/read", kReadParams);
    CHECK(text_at(message, "result.contents.0.uri") == kUri);
    CHECK(text_at(message, "result.contents.0.mimeType") == "application/json");
    CHECK(message->getObject("result")->getArray("contents")->size() == 1);
    const auto read = parse_json(text_at(message, "result.contents.0.text"));
    const auto result = server->tool("flask_status");
    const auto shown = result->getObject("structuredContent");
    CHECK(parse_json(text_at(result, "content.0.text"))->size() == shown->size());
    std::set<std::string> read_names;
    for (const auto& name : read->getNames()) {
        read_names.insert(name);
    }
    for (const auto& name : kStatusFields) {
        INFO(name);
        CHECK(shown->has(name));
        CHECK(read_names.erase(name) == 1);
        if (name != "uptime" && name != "metrics" && name != "output") {
            CHECK(text_at(read, name) == text_at(shown, name));
        }
    }
    CHECK(read_names.empty());
    CHECK(shown->size() == kStatusFields.size());
}

TEST_CASE("the status of a running app is right in each field", "[mcp][tools]") {
    auto start = with_app();
    start.args = {"--metrics-interval", "50ms"};
    Running server(start);
    const auto status =
        server->wait_status([](const Json& s) { return number_at(s, "metrics.rss_bytes") > 0; });
    CHECK(number_at(status, "schema") == 1);
    CHECK(at(status, "healthy").convert<bool>());
    CHECK(text_at(status, "since").size() == 24);
    CHECK(number_at(status, "port") >= server->port());
    CHECK(text_at(status, "url") == "http://127.0.0.1:" + text_at(status, "port"));
    CHECK(process_name(static_cast<pid_t>(number_at(status, "pid"))) == "test_app");
    CHECK(number_at(status, "restarts") == 0);
    CHECK(at(status, "uptime").convert<double>() > 0);
    CHECK(at(status, "uptime").convert<double>() < 60);
    CHECK(number_at(status, "startup_ms") >= 0);
    CHECK(number_at(status, "generation") == 1);
    CHECK(at(status, "last_exit").isEmpty());
    CHECK(at(status, "next_restart_ms").isEmpty());
    CHECK(number_at(status, "metrics.processes") == 1);
    CHECK(number_at(status, "metrics.threads") == 1);
    CHECK(number_at(status, "metrics.fds") >= 4);
    CHECK_FALSE(at(status, "metrics.cpu_percent").isEmpty());
    CHECK(text_at(status, "plugins.health").rfind("health_http ", 0) == 0);
    CHECK(text_at(status, "plugins.restart").rfind("restart_backoff ", 0) == 0);
    CHECK(text_at(status, "plugins.port").rfind("port_sequential ", 0) == 0);
    CHECK(text_at(status, "plugins.metrics").rfind("metrics_proc ", 0) == 0);
    CHECK(text_at(status, "log_file").rfind(server.sandbox().state() + "/steward/", 0) == 0);
    CHECK_FALSE(text_at(status, "version").empty());
}

TEST_CASE("flask_stop stops the app for good, and its port answers 503 with the cause",
          "[mcp][tools]") {
    Running server;
    const auto asked = Clock::now();
    const auto result = server->tool("flask_stop");
    CHECK(ms_since(asked) < 500);
    CHECK_FALSE(result->has("isError"));
    CHECK(text_at(result, "structuredContent.state") == "stopped");
    const auto cause = text_at(result, "structuredContent.cause");
    CHECK(cause.find("stop requested by the client steward-test") != std::string::npos);
    CHECK(at(result, "structuredContent.pid").isEmpty());
    CHECK(at(result, "structuredContent.uptime").isEmpty());
    CHECK(number_at(result, "structuredContent.port") == server.port());
    CHECK_FALSE(at(result, "structuredContent.healthy").convert<bool>());

    const auto answer = http_get(server.port(), "/anything");
    CHECK(answer.status == 503);
    CHECK(answer.head.find("Retry-After:") != std::string::npos);
    CHECK(answer.body.find(cause) != std::string::npos);
    CHECK(server.sandbox().processes() == std::vector<pid_t>{server->pid()});

    // It stays so: a second stop is fine, other requests start nothing.
    CHECK(text_at(server->tool("flask_stop"), "structuredContent.state") == "stopped");
    server->call("tools/list");
    CHECK(number_at(server->status(), "generation") == 1);
    server.sandbox().wait_event("service.stopped");
    CHECK(count_events(server.sandbox(), "service.start") == 1);
    CHECK(http_get(server.port(), "/health").status == 503);

    const auto started = server->tool("flask_start");
    CHECK_FALSE(started->has("isError"));
    CHECK(text_at(started, "structuredContent.state") == "running");
    CHECK(number_at(started, "structuredContent.generation") == 2);
    CHECK(number_at(started, "structuredContent.port") == server.port());
    CHECK(number_at(started, "structuredContent.restarts") == 0);
    CHECK(http_get(server.port(), "/health").status == 200);
}

TEST_CASE("flask_start of a running app does nothing", "[mcp][tools]") {
    Running server;
    const auto result = server->tool("flask_start");
    CHECK_FALSE(result->has("isError"));
    CHECK(text_at(result, "structuredContent.pid") == text_at(server.first(), "pid"));
    CHECK(number_at(result, "structuredContent.generation") == 1);
}

TEST_CASE("flask_restart keeps the port and is no failure", "[mcp][tools]") {
    Running server;
    const auto asked = Clock::now();
    const auto result = server->tool("flask_restart");
    CHECK(ms_since(asked) < 1000);
    const auto status = result->getObject("structuredContent");
    CHECK(text_at(status, "state") == "running");
    CHECK(at(status, "healthy").convert<bool>());
    CHECK(number_at(status, "port") == server.port());
    CHECK(text_at(status, "pid") != text_at(server.first(), "pid"));
    CHECK(text_at(status, "instance_id") != text_at(server.first(), "instance_id"));
    CHECK(number_at(status, "generation") == 2);
    CHECK(number_at(status, "restarts") == 0);
    CHECK(number_at(status, "last_exit.signal") == SIGTERM);
    CHECK(http_get(server.port(), "/pid").body == text_at(status, "pid") + "\n");
}

TEST_CASE("a crash is a restart, and is told as one", "[mcp][tools]") {
    auto start = with_app();
    start.args = {"--set", "restart_backoff.base_ms=10"};
    Running server(start);
    CHECK(http_get(server.port(), "/exit/7").status == 0);
    const auto status = server->wait_status([](const Json& s) {
        return number_at(s, "generation") == 2 && text_at(s, "state") == "running";
    });
    CHECK(number_at(status, "restarts") == 1);
    CHECK(number_at(status, "last_exit.code") == 7);
    CHECK(number_at(status, "port") == server.port());
}

TEST_CASE("flask_logs returns the app's lines", "[mcp][tools]") {
    Running server(with_app({"--stdout-line", "first line", "--stderr-line",
                             "second \xc3\xa9 \"line\"", "--stdout-line", "third line"}));
    Json logs;
    REQUIRE(wait_until([&] {
        logs = server->tool("flask_logs")->getObject("structuredContent");
        return logs->getArray("lines")->size() == 3;
    }));
    std::map<std::string, std::string> streams;
    for (unsigned i = 0; i < 3; ++i) {
        const auto line = logs->getArray("lines")->getObject(i);
        streams[text_at(line, "text")] = text_at(line, "stream");
        CHECK(number_at(line, "generation") == 1);
        CHECK(text_at(line, "ts").size() == 24);
    }
    CHECK(streams == std::map<std::string, std::string>{{"first line", "stdout"},
                                                        {"second \xc3\xa9 \"line\"", "stderr"},
                                                        {"third line", "stdout"}});
    CHECK_FALSE(at(logs, "truncated").convert<bool>());
    const auto one = server->tool("flask_logs", R"({"lines":1})");
    CHECK(one->getObject("structuredContent")->getArray("lines")->size() == 1);
}

TEST_CASE("results of revision 2026-07-28 have what that revision asks for", "[mcp][tools]") {
    Running server;
    server->speak_modern(true);
    const auto result = server->tool("flask_status");
    CHECK(text_at(result, "resultType") == "complete");
    CHECK(text_at(result, "_meta.io~modelcontextprotocol/serverInfo.name") == "steward");
    const auto read = server->call("resources/read", kReadParams);
    CHECK(text_at(read, "result.resultType") == "complete");
    CHECK(number_at(read, "result.ttlMs") == 0);
    CHECK(text_at(read, "result.cacheScope") == "private");
}

TEST_CASE("many calls at once are each answered once", "[mcp][tools]") {
    Running server;
    std::vector<int> ids;
    for (int i = 0; i < 200; ++i) {
        server->speak_modern(i % 2 == 1);
        switch (i % 5) {
            case 0:
                ids.push_back(server->request_tool("flask_logs"));
                break;
            case 1:
                ids.push_back(server->request("tools/list"));
                break;
            case 2:
                ids.push_back(server->request("resources/read", kReadParams));
                break;
            default:
                ids.push_back(server->request_tool("flask_status"));
        }
    }
    for (const int id : ids) {
        CHECK(server->answer(id)->has("result"));
    }
    server->speak_modern(false);
    CHECK(server->call("ping")->has("result"));
    std::multiset<std::int64_t> answered;
    for (const auto& line : server->lines()) {
        answered.insert(number_at(parse_json(line), "id"));
    }
    for (const int id : ids) {
        CHECK(answered.count(id) == 1);
    }
}

TEST_CASE("stops, starts and restarts that overlap are all answered, and the last one wins",
          "[mcp][tools]") {
    Running server;
    std::vector<int> ids;
    for (int i = 0; i < 10; ++i) {
        for (const char* name : {"flask_stop", "flask_start", "flask_restart", "flask_status"}) {
            ids.push_back(server->request_tool(name));
        }
    }
    const bool stop_last = GENERATE(true, false);
    const int last = server->request_tool(stop_last ? "flask_stop" : "flask_start");
    for (const int id : ids) {
        CHECK(server->answer(id)->has("result"));
    }
    CHECK(text_at(server->answer(last), "result.structuredContent.state") ==
          (stop_last ? "stopped" : "running"));
    const auto status = server->status();
    CHECK(text_at(status, "state") == (stop_last ? "stopped" : "running"));
    CHECK(number_at(status, "restarts") == 0);
    CHECK(server.sandbox().processes().size() == (stop_last ? 1 : 2));
    CHECK(http_get(server.port(), "/health").status == (stop_last ? 503 : 200));
}

TEST_CASE("a stop sent in the same write as what starts the app wins", "[mcp][tools]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    const bool modern = GENERATE(false, true);
    steward.speak_modern(modern);
    std::string lines;
    if (modern) {
        lines = steward.request_text(101, "tools/list") + "\n";
    } else {
        lines = steward.request_text(
            101, "initialize",
            R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"v","version":"1"}})");
        lines += "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
    }
    lines += steward.request_text(102, "tools/call", R"({"name":"flask_stop"})") + "\n";
    steward.send_raw(lines);
    const auto stopped = steward.answer(102);
    CHECK(text_at(stopped, "result.structuredContent.state") == "stopped");
    const auto generation = number_at(stopped, "result.structuredContent.generation");
    // Nothing starts after the acknowledged stop: not from what was under way, not from later
    // requests.
    for (int i = 0; i < 20; ++i) {
        steward.call("tools/list");
        const auto status = steward.status();
        CHECK(text_at(status, "state") == "stopped");
        CHECK(number_at(status, "generation") == generation);
    }
    // The examination of the plugins may still be under way; the app is not.
    for (const pid_t pid : sandbox.processes()) {
        const auto name = process_name(pid);
        CAPTURE(name);
        CHECK((pid == steward.pid() || name.empty() || name == "steward-plugin-"));
    }
    CHECK(text_at(steward.tool("flask_start"), "structuredContent.state") == "running");
}

TEST_CASE("what clients read names the program that is supervised", "[mcp][tools]") {
    const Sandbox sandbox;
    const bool flask = GENERATE(false, true);
    StewardProcess steward(sandbox, flask ? as_flask_app(sandbox) : with_app());
    const auto info = steward.initialize();
    for (const std::string method : {"", "tools/list", "resources/list"}) {
        const auto answer = method.empty() ? info : steward.call(method);
        std::ostringstream text;
        answer->stringify(text);
        INFO(text.str());
        CHECK((text.str().find("PromptBin") != std::string::npos) == flask);
        CHECK((text.str().find("test_app") != std::string::npos) != flask);
    }
}
