// When the app starts, and that a client that only looks leaves no trace.
#include <filesystem>
#include <thread>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

constexpr const char* kInitialize =
    R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"v","version":"1"}}})";

// Longer than the silence after which the app is started.
constexpr Milliseconds kWellAfterSilence{1900};

struct Silent {
    std::string name;
    bool modern;
    std::string sent;  // a method
    std::string params = "{}";
};

bool owns_a_socket(pid_t pid) {
    for (const auto& [fd, link] : descriptors_of(pid)) {
        if (link.rfind("socket:", 0) == 0) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("the app starts at initialize", "[mcp][start]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.send(kInitialize);
    const auto sent = Clock::now();
    const auto event = sandbox.wait_event("service.started");
    CHECK(ms_since(sent) < 1000);
    CHECK(number_at(event, "generation") == 1);
    CHECK(text_at(sandbox.wait_event("service.start"), "cause").find("the client v connected") !=
          std::string::npos);
}

TEST_CASE("the app starts at the first modern request other than server/discover", "[mcp][start]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.speak_modern(true);
    if (GENERATE(false, true)) {
        steward.call("server/discover");
    }
    const auto method = GENERATE(as<std::string>(), "tools/list", "resources/list", "tools/call");
    INFO(method);
    const auto sent = Clock::now();
    steward.call(method, method == "tools/call" ? R"({"name":"flask_status"})" : "{}");
    CHECK(ms_since(sent) < 100);
    sandbox.wait_event("service.started");
    CHECK(ms_since(sent) < 1000);
    CHECK(text_at(sandbox.wait_event("service.start"), "cause")
              .find("the client steward-test asked for " + method) != std::string::npos);
}

TEST_CASE("the app starts after 1.5 s when the client says nothing at all", "[mcp][start]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    sandbox.wait_event("service.started", Milliseconds(4000));
    CHECK(ms_since(steward.started()) >= 1490);
    CHECK(ms_since(steward.started()) < 2000);
}

TEST_CASE("a client that has sent half a line is not silent", "[mcp][start]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.send_raw(R"({"jsonrpc":"2.0",)");
    std::this_thread::sleep_until(steward.started() + kWellAfterSilence);
    CHECK(children_of(steward.pid()).empty());
    CHECK_FALSE(std::filesystem::exists(sandbox.state()));
    steward.send(R"("id":7,"method":"ping"})");
    CHECK(steward.answer(7)->has("result"));
}

TEST_CASE("what a client calls itself is shortened and shown without control characters",
          "[mcp][start]") {
    struct Row {
        std::string name;
        std::string shown;
    };
    const auto row = GENERATE(values<Row>(
        {{"", "the client connected"},
         {R"(a\nb\u001b[2J\u009bc\u007f)", "the client a\\x0ab\\x1b[2J\\x9bc\\x7f connected"},
         {std::string(5000, 'x'), "the client " + std::string(60, 'x') + "… connected"}}));
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    steward.call("initialize",
                 R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":")" +
                     row.name + R"(","version":"1"}})");
    CHECK_THAT(text_at(sandbox.wait_event("service.start"), "cause"), Catch::Contains(row.shown));
}

TEST_CASE("the app does not start for what is no use of it", "[mcp][start]") {
    const std::vector<Silent> cases{
        {"server/discover", true, "server/discover"},
        {"a modern request that is refused", true, "ping"},
        {"an unknown modern method", true, "no/such/method"},
        {"a legacy ping", false, "ping"},
        {"a legacy request before initialize", false, "tools/list"},
        {"an unknown tool", true, "tools/call", R"({"name":"no_such_tool"})"},
        {"a cursor of somebody else", true, "tools/list", R"({"cursor":"x"})"},
        {"an unknown resource", true, "resources/read", R"({"uri":"no:such"})"},
    };
    std::vector<std::unique_ptr<Sandbox>> sandboxes;
    std::vector<std::unique_ptr<StewardProcess>> servers;
    for (const auto& one : cases) {
        sandboxes.push_back(std::make_unique<Sandbox>());
        servers.push_back(std::make_unique<StewardProcess>(*sandboxes.back(), with_app()));
        auto& steward = *servers.back();
        steward.speak_modern(one.modern);
        steward.call(one.sent, one.params);
    }
    std::this_thread::sleep_until(servers.back()->started() + kWellAfterSilence);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        INFO(cases[i].name);
        CHECK(servers[i]->lives());
        CHECK(children_of(servers[i]->pid()).empty());
        CHECK_FALSE(std::filesystem::exists(sandboxes[i]->state()));
    }
}

TEST_CASE("a copy that is started for server/discover alone leaves no trace", "[mcp][start]") {
    const Sandbox sandbox;
    const bool flask = GENERATE(true, false);
    StewardStart start = flask ? StewardStart{} : with_app();
    // A probe that gives strategies has them checked before stdin is served; that may not leave
    // anything either.
    if (GENERATE(false, true)) {
        start.args = {"--set", "restart_backoff.base_ms=100"};
    }
    const auto files = sandbox.snapshot();
    StewardProcess steward(sandbox, start);
    steward.speak_modern(true);
    CHECK(text_at(steward.call("server/discover"), "result.resultType") == "complete");

    CHECK(children_of(steward.pid()).empty());
    CHECK_FALSE(owns_a_socket(steward.pid()));
    CHECK(http_get(steward.port(), "/", Milliseconds(100)).status == 0);
    CHECK(sandbox.snapshot() == files);

    // As clients end such a copy: EOF, and SIGTERM at the same moment.
    const bool both = GENERATE(false, true);
    steward.close_stdin();
    if (both) {
        steward.kill(SIGTERM);
    }
    const auto asked = Clock::now();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 1000);
    CHECK(steward.left().empty());
    CHECK(sandbox.snapshot() == files);
    CHECK(steward.error_output().empty());
    CHECK(steward.lines().size() == 1);
}

TEST_CASE("stdin that is closed from the start ends the server without starting anything",
          "[mcp][start]") {
    const Sandbox sandbox;
    const auto files = sandbox.snapshot();
    StewardProcess steward(sandbox, with_app());
    steward.close_stdin();
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(steward.started(), end.at) < 1000);
    CHECK(sandbox.snapshot() == files);
}
