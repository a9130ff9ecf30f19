// Changes: who is told of them, once each, and what becomes of them while the client does not read.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "fixture.hpp"
#include "steward/mcp/stdio_writer.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

constexpr const char* kSubscriptionId = "io.modelcontextprotocol/subscriptionId";
const std::string kStatus = R"({"uri":"demo://status"})";

Options watching() {
    Options options;
    options.subscriptions = true;
    options.list_changed = true;
    return options;
}

std::string listen(const std::string& id, const std::string& filter) {
    return modern(id, "subscriptions/listen", R"("notifications":)" + filter);
}

std::string updated(const std::string& uri) {
    return R"({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":")" +
           uri + "\"}}";
}

// What one line tells: "<method after notifications/> <subscription id, JSON> <uri>".
std::string told(const std::string& line) {
    const auto object = parse_object(line);
    std::string text = object->getValue<std::string>("method").substr(14);
    if (!object->isObject("params")) {
        return text;
    }
    const auto params = object->getObject("params");
    if (params->has("_meta")) {
        std::string id;
        append_json(id, params->getObject("_meta")->get(kSubscriptionId));
        text += " " + id;
    }
    return params->has("uri") ? text + " " + params->getValue<std::string>("uri") : text;
}

std::vector<std::string> told_by(Fixture& fixture, const std::function<void(Server&)>& change) {
    fixture.lines.clear();
    change(*fixture.server);
    std::vector<std::string> out;
    for (const auto& line : fixture.lines) {
        out.push_back(told(line));
    }
    std::sort(out.begin(), out.end());
    return out;
}

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("subscriptions are advertised in both eras", "[mcp][subscriptions]") {
    const std::string capabilities =
        R"({"resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}})";
    Fixture fixture(watching());
    CHECK(to_json(*fixture.result(initialize("2024-11-05"))->getObject("capabilities")) ==
          capabilities);
    CHECK(to_json(*fixture.result(modern("1", "server/discover"))->getObject("capabilities")) ==
          capabilities);
}

TEST_CASE("a legacy session hears of what it has subscribed to", "[mcp][subscriptions]") {
    for (const auto* version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
        Fixture fixture(watching());
        fixture.open(version);
        const auto update = [](Server& server) { server.resource_updated("demo://status"); };
        CHECK(told_by(fixture, update).empty());
        CHECK(fixture.result(legacy("1", "resources/subscribe", kStatus))->size() == 0);
        CHECK(fixture.result(legacy("2", "resources/subscribe", kStatus))->size() == 0);
        fixture.result(legacy("3", "resources/subscribe", R"({"uri":"demo://item/7"})"));
        fixture.lines.clear();
        fixture.server->resource_updated("demo://status");
        CHECK(fixture.lines == Told{updated("demo://status")});
        CHECK(told_by(fixture, [](Server& server) {
                  server.resource_updated("demo://item/7");
                  server.resource_updated("demo://item/8");
              }) == Told{"resources/updated demo://item/7"});
        CHECK(fixture.result(legacy("4", "resources/unsubscribe", kStatus))->size() == 0);
        CHECK(fixture.result(legacy("5", "resources/unsubscribe", kStatus))->size() == 0);
        CHECK(told_by(fixture, update).empty());
    }
}

TEST_CASE("resources/subscribe is checked", "[mcp][subscriptions][hostile]") {
    Options options = watching();
    options.max_subscribed_uris = 2;
    Fixture fixture(options);
    CHECK(fixture.error_code(legacy("1", "resources/subscribe", kStatus)) == kInvalidRequest);
    fixture.open("2025-11-25");
    for (const auto* method : {"resources/subscribe", "resources/unsubscribe"}) {
        CHECK(fixture.error_code(legacy("1", method)) == kInvalidParams);
        CHECK(fixture.error_code(legacy("1", method, R"({"uri":7})")) == kInvalidParams);
        CHECK(fixture.error_code(legacy("1", method, R"({"uri":"demo://nope"})")) == -32002);
        CHECK(fixture.error_code(legacy(
                  "1", method, R"({"uri":"demo://item/)" + std::string(100'000, 'x') + "\"}")) ==
              -32002);
        CHECK(fixture.error_code(modern("1", method, R"("uri":"demo://status")")) ==
              kMethodNotFound);
    }
    fixture.result(legacy("1", "resources/subscribe", kStatus));
    fixture.result(legacy("1", "resources/subscribe", R"({"uri":"demo://blob"})"));
    CHECK(fixture.error_code(legacy("1", "resources/subscribe", R"({"uri":"demo://item/1"})")) ==
          kInternalError);
    fixture.result(legacy("1", "resources/unsubscribe", kStatus));
    fixture.result(legacy("1", "resources/subscribe", R"({"uri":"demo://item/1"})"));
}

TEST_CASE("a legacy session is told of changed lists once it is initialized",
          "[mcp][subscriptions]") {
    Fixture fixture(watching());
    const auto change = [](Server& server) {
        server.tools_changed();
        server.resources_changed();
        server.prompts_changed();  // has none, so it never said that they change
    };
    const Told both{"resources/list_changed", "tools/list_changed"};
    CHECK(told_by(fixture, change).empty());
    fixture.result(initialize("2025-11-25"));
    CHECK(told_by(fixture, change).empty());
    CHECK(told_by(fixture, change).empty());
    fixture.send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    REQUIRE(fixture.lines.size() == 2);  // what was marked meanwhile, once
    CHECK(fixture.lines.front() ==
          R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
    CHECK(told_by(fixture, change) == both);
}

TEST_CASE("list changes are not told where they are not advertised", "[mcp][subscriptions]") {
    Options options;
    options.subscriptions = true;
    Fixture fixture(options);
    fixture.open("2025-11-25");
    fixture.send(listen("\"l\"", R"({"toolsListChanged":true})"));
    CHECK(told_by(fixture, [](Server& server) { server.tools_changed(); }).empty());
}

TEST_CASE("a listen request is acknowledged with what it gets and told of that",
          "[mcp][subscriptions]") {
    Fixture fixture(watching());
    CHECK(fixture.send(listen(
              "\"listen:0\"",
              R"({"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":false,)"
              R"("resourceSubscriptions":["demo://status","demo://nope","demo://item/1",)"
              R"("demo://status"],"unknown":{"x":1}})")) ==
          Told{R"({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":)"
               R"({"notifications":{"toolsListChanged":true,)"
               R"("resourceSubscriptions":["demo://status","demo://item/1"]},)"
               R"("_meta":{"io.modelcontextprotocol/subscriptionId":"listen:0"}}})"});
    CHECK(fixture.kinds == std::vector<LineKind>{LineKind::kAnswer});  // never dropped
    CHECK(fixture.server->pending() == 0);
    CHECK(told_by(fixture,
                  [](Server& server) {
                      server.tools_changed();
                      server.prompts_changed();
                      server.resources_changed();
                      server.resource_updated("demo://status");
                      server.resource_updated("demo://blob");
                  }) == Told{R"(resources/updated "listen:0" demo://status)",
                             R"(tools/list_changed "listen:0")"});
    CHECK(fixture.lines.front() ==
          R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":)"
          R"({"_meta":{"io.modelcontextprotocol/subscriptionId":"listen:0"}}})");
}

TEST_CASE("one change is told once per subscription, in both eras", "[mcp][subscriptions]") {
    Fixture fixture(watching());
    fixture.open("2025-11-25");
    fixture.result(legacy("1", "resources/subscribe", kStatus));
    const std::string filter = R"({"resourceSubscriptions":["demo://status"]})";
    fixture.send(listen("7", filter));
    fixture.send(listen("\"7\"", filter));
    const auto update = [](Server& server) { server.resource_updated("demo://status"); };
    CHECK(told_by(fixture, update) == Told{R"(resources/updated "7" demo://status)",
                                           "resources/updated 7 demo://status",
                                           "resources/updated demo://status"});
    SECTION("a cancelled one ends without a reply") {
        CHECK(fixture.send(cancel("7")).empty());
        CHECK(told_by(fixture, update) ==
              Told{R"(resources/updated "7" demo://status)", "resources/updated demo://status"});
        CHECK(fixture.send(cancel("7")).empty());
        CHECK(told(fixture.send(listen("7", filter)).front()) == "subscriptions/acknowledged 7");
    }
    SECTION("its id is taken as long as it is open") {
        CHECK(fixture.error_code(listen("7", filter)) == kInvalidRequest);
        CHECK(fixture.error_code(modern("7", "tools/list")) == kInvalidRequest);
        CHECK(told_by(fixture, update).size() == 3);
    }
    SECTION("the server ends them with their results") {
        fixture.lines.clear();
        fixture.server->close_subscriptions();
        REQUIRE(fixture.lines.size() == 2);
        CHECK(std::count(fixture.lines.begin(), fixture.lines.end(),
                         R"({"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","_meta":)"
                         R"({"io.modelcontextprotocol/serverInfo":{"name":"fixture",)"
                         R"("title":"The Fixture","version":"1.2.3"},)"
                         R"("io.modelcontextprotocol/subscriptionId":7}}})") == 1);
        CHECK(told_by(fixture, update) == Told{"resources/updated demo://status"});
    }
}

TEST_CASE("subscriptions/listen is checked", "[mcp][subscriptions][hostile]") {
    Options options = watching();
    options.max_listens = 2;
    options.max_subscribed_uris = 3;
    Fixture fixture(options);
    CHECK(fixture.error_code(modern("1", "subscriptions/listen")) == kInvalidParams);
    for (const auto* filter :
         {"7", "null", "[]", R"({"toolsListChanged":"yes"})", R"({"resourceSubscriptions":"x"})",
          R"({"resourceSubscriptions":[7]})", R"({"resourceSubscriptions":{}})"}) {
        INFO(filter);
        CHECK(fixture.error_code(listen("1", filter)) == kInvalidParams);
        fixture.check_alive();
    }
    CHECK(fixture.error_code(legacy("1", "subscriptions/listen")) == kMethodNotFound);
    const auto many =
        R"({"resourceSubscriptions":["demo://item/1","demo://item/2","demo://item/3",)"
        R"("demo://item/4"]})";
    CHECK(fixture.send(listen("1", many)).front().find("item/3\"]") != std::string::npos);
    CHECK(fixture.send(listen("2", many)).front().find("resourceSubscriptions") ==
          std::string::npos);
    CHECK(fixture.error_code(listen("3", "{}")) == kInternalError);
    fixture.send(cancel("1"));
    CHECK(fixture.send(listen("3", many)).front().find("item/3\"]") != std::string::npos);
}

TEST_CASE("an acknowledgement is sent however much is asked for", "[mcp][subscriptions][hostile]") {
    Fixture fixture(watching());
    std::string uris;
    for (int i = 0; i < 1000; ++i) {
        // Each of these bytes takes six when it is written.
        uris += (i == 0 ? "\"" : ",\"") + ("demo://item/" + std::to_string(i)) +
                std::string(8000, '\x7F') + "\"";
    }
    const auto answers = fixture.send(listen("1", R"({"resourceSubscriptions":[)" + uris + "]}"));
    REQUIRE(answers.size() == 1);
    CHECK(told(answers.front()) == "subscriptions/acknowledged 1");
    CHECK(answers.front().find("demo://item/0") != std::string::npos);
}

TEST_CASE("calls in flight and open subscriptions do not count for each other",
          "[mcp][subscriptions]") {
    Options options = watching();
    options.max_calls = 1;
    Fixture fixture(options);
    fixture.send(listen("1", "{}"));
    fixture.send(listen("2", "{}"));
    CHECK(fixture.server->pending() == 0);
    CHECK(fixture.send(modern("3", "tools/call", R"("name":"wait")")).empty());
    CHECK(fixture.server->pending() == 1);
    CHECK(fixture.send(listen("4", "{}")).size() == 1);
}

TEST_CASE("a burst loses no final state and grows no memory while the client does not read",
          "[mcp][subscriptions]") {
    bool congested = false;
    Options options = watching();
    options.congested = [&] { return congested; };
    Fixture fixture(options);
    fixture.open("2025-11-25");
    fixture.result(legacy("1", "resources/subscribe", kStatus));
    fixture.result(legacy("2", "resources/subscribe", R"({"uri":"demo://blob"})"));
    fixture.send(listen("7", R"({"toolsListChanged":true,)"
                             R"("resourceSubscriptions":["demo://status","demo://item/1"]})"));
    fixture.lines.clear();
    congested = true;
    const auto burst = [&](int events) {
        for (int i = 0; i < events; ++i) {
            fixture.server->resource_updated("demo://status");
            fixture.server->tools_changed();
        }
    };
    burst(1);
    const auto before = mallinfo2().uordblks;
    burst(10'000);
    CHECK(mallinfo2().uordblks <= before);
    CHECK(fixture.lines.empty());
    fixture.server->flush_updates();
    CHECK(fixture.lines.empty());
    congested = false;
    const auto flush = [](Server& server) { server.flush_updates(); };
    CHECK(told_by(fixture, flush) == Told{"resources/updated 7 demo://status",
                                          "resources/updated demo://status", "tools/list_changed",
                                          "tools/list_changed 7"});
    CHECK(told_by(fixture, flush).empty());
    // The mark is gone once it is sent, so the writer must not drop it.
    CHECK(fixture.kinds.back() == LineKind::kAnswer);
}

TEST_CASE("a flush stops when the client stops reading, and goes on later",
          "[mcp][subscriptions]") {
    int room = 0;
    Fixture* sees = nullptr;
    Options options = watching();
    options.congested = [&] { return sees != nullptr && sees->lines.size() >= std::size_t(room); };
    Fixture fixture(options);
    sees = &fixture;
    room = 1000;
    fixture.open("2025-11-25");
    for (int i = 0; i < 10; ++i) {
        fixture.result(legacy("1", "resources/subscribe",
                              R"({"uri":"demo://item/)" + std::to_string(i) + "\"}"));
    }
    std::vector<std::string> all;
    fixture.lines.clear();
    room = 0;
    for (int i = 0; i < 10; ++i) {
        fixture.server->resource_updated("demo://item/" + std::to_string(i));
    }
    room = 4;
    for (int round = 0; round < 3; ++round) {
        fixture.lines.clear();
        fixture.server->flush_updates();
        CHECK(fixture.lines.size() <= 4);
        all.insert(all.end(), fixture.lines.begin(), fixture.lines.end());
    }
    std::sort(all.begin(), all.end());
    CHECK(all.size() == 10);
    CHECK(std::unique(all.begin(), all.end()) == all.end());
}

TEST_CASE("no change is lost between the server and a client that reads late",
          "[mcp][subscriptions][writer]") {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    StdioWriter::Options writing;
    writing.high_water = 32U * 1024;
    writing.low_water = 8U * 1024;
    auto writer = std::make_unique<StdioWriter>(ends[1], writing);
    Options options = watching();
    options.congested = [&] { return writer->congested(); };
    std::size_t sent = 0;
    Server server({"s", "", "1", ""}, options,
                  [&](const std::string& line, LineKind kind) {
                      writer->enqueue(line, kind);
                      ++sent;
                  },
                  {});
    ResourceTemplate item;
    item.uri_template = "demo://item/{id}";
    item.handler = [](const std::shared_ptr<Call>&) {};
    server.add_resource_template(item);
    std::set<std::string> uris;
    for (int i = 0; i < 100; ++i) {
        uris.insert("demo://item/" + std::to_string(i) + std::string(1000, 'x'));
    }
    std::string filter;
    for (const auto& uri : uris) {
        filter += (filter.empty() ? "\"" : ",\"") + uri + "\"";
    }
    server.receive(listen("1", R"({"resourceSubscriptions":[)" + filter + "]}"));
    while (!writer->congested()) {
        server.resource_updated(*uris.begin());
    }
    for (int i = 0; i < 100; ++i) {
        for (const auto& uri : uris) {
            server.resource_updated(uri);
        }
    }

    std::string received;
    std::thread client([&] {
        std::array<char, 4096> chunk{};
        for (;;) {
            const ssize_t count = read(ends[0], chunk.data(), chunk.size());
            if (count <= 0) {
                return;
            }
            received.append(chunk.data(), static_cast<std::size_t>(count));
        }
    });
    const auto written = [&] {
        return writer->flush(std::chrono::steady_clock::now() + std::chrono::seconds(10));
    };
    std::size_t before = 0;
    do {
        CHECK(written());
        before = sent;
        server.flush_updates();
    } while (sent != before);
    CHECK(writer->dropped_notifications() == 0);
    CHECK(writer->dropped_answers() == 0);
    writer.reset();
    client.join();
    close(ends[0]);
    for (const auto& uri : uris) {
        CHECK(received.find(R"("params":{"uri":")" + uri + "\"") != std::string::npos);
    }
}

TEST_CASE("the host learns what somebody wants to hear of", "[mcp][subscriptions]") {
    Fixture fixture(watching());
    fixture.open("2025-11-25");
    fixture.result(legacy("1", "resources/subscribe", kStatus));
    CHECK(fixture.watched == Told{"demo://status"});
    fixture.watched.clear();
    fixture.server->receive(legacy("2", "resources/subscribe", R"({"uri":"demo://nothing"})"));
    CHECK(fixture.watched.empty());
    fixture.server->receive(listen("3", R"({"toolsListChanged":true,"resourcesListChanged":true,)"
                                        R"("resourceSubscriptions":["demo://item/7","x://y"]})"));
    CHECK(fixture.watched == Told{"tools/list", "resources/list", "demo://item/7"});
}

TEST_CASE("what is affected is told as it was subscribed to", "[mcp][subscriptions]") {
    Fixture fixture(watching());
    fixture.open("2025-11-25");
    for (const auto* uri : {"demo://item/a", "demo://item/%61", "demo://item/b"}) {
        fixture.result(
            legacy("1", "resources/subscribe", std::string(R"({"uri":")") + uri + "\"}"));
    }
    fixture.server->receive(listen("2", R"({"resourceSubscriptions":["demo://item/a"]})"));
    const auto is_a = [](Server& server) {
        server.resources_updated_if([](std::string_view uri) { return !uri.ends_with("b"); });
    };
    CHECK(told_by(fixture, is_a) == Told{"resources/updated 2 demo://item/a",
                                         "resources/updated demo://item/%61",
                                         "resources/updated demo://item/a"});
}
