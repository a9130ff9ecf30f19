// Which revision gets what: negotiation, lists, results, and both eras in one process.
#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

constexpr const char* kServerInfoKey = "io.modelcontextprotocol/serverInfo";

std::string modern_meta_without(const std::string& key) {
    std::string meta;
    for (const auto& [name, value] :
         std::map<std::string, std::string>{{"protocolVersion", "\"2026-07-28\""},
                                            {"clientCapabilities", "{}"},
                                            {"clientInfo", R"({"name":"t","version":"1"})"}}) {
        if (name != key) {
            meta +=
                (meta.empty() ? "\"" : ",\"") + ("io.modelcontextprotocol/" + name) + "\":" + value;
        }
    }
    return R"({"_meta":{)" + meta + "}}";
}

std::string with_meta(const std::string& key, const std::string& value) {
    return R"({"name":"none","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
           R"("io.modelcontextprotocol/clientCapabilities":{},")" +
           key + "\":" + value + "}}";
}

void check_modern_envelope(const Object::Ptr& result) {
    CHECK(result->getValue<std::string>("resultType") == "complete");
    const auto info = result->getObject("_meta")->getObject(kServerInfoKey);
    CHECK(info->getValue<std::string>("name") == "fixture");
    CHECK(info->getValue<std::string>("version") == "1.2.3");
}

}  // namespace

TEST_CASE("initialize answers the requested legacy revision or the newest one", "[mcp][eras]") {
    const std::vector<std::pair<std::string, std::string>> table = {
        {"2024-11-05", "2024-11-05"}, {"2025-03-26", "2025-03-26"}, {"2025-06-18", "2025-06-18"},
        {"2025-11-25", "2025-11-25"}, {"2024-10-07", "2025-11-25"}, {"2026-07-28", "2025-11-25"},
        {"1.0.0", "2025-11-25"}};
    for (const auto& [requested, answered] : table) {
        INFO(requested);
        Fixture fixture;
        const auto result = fixture.result(initialize(requested));
        CHECK(result->getValue<std::string>("protocolVersion") == answered);
        CHECK(to_json(*result->getObject("capabilities")) == R"({"resources":{},"tools":{}})");
        CHECK(result->getValue<std::string>("instructions") == "be kind");
        const auto info = result->getObject("serverInfo");
        CHECK(info->getValue<std::string>("name") == "fixture");
        CHECK(info->has("title") == (answered >= "2025-06-18"));
        CHECK_FALSE(result->has("resultType"));
        CHECK(rules_of(fixture.legacy_client.revision).name == answered);
        CHECK(fixture.modern_requests.empty());
    }
}

TEST_CASE("tools/list shows what the revision knows", "[mcp][eras]") {
    for (const std::string version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
        INFO(version);
        Fixture fixture;
        fixture.open(version);
        const auto list = fixture.result(legacy("1", "tools/list"));
        CHECK_FALSE(list->has("ttlMs"));
        CHECK_FALSE(list->has("_meta"));
        const auto tool = list->getArray("tools")->getObject(0);
        CHECK(tool->getValue<std::string>("name") == "echo");
        CHECK(tool->has("description"));
        CHECK(tool->getObject("inputSchema")->getValue<std::string>("type") == "object");
        CHECK(tool->has("annotations") == (version >= "2025-03-26"));
        CHECK(tool->has("title") == (version >= "2025-06-18"));
        CHECK(tool->has("outputSchema") == (version >= "2025-06-18"));
        const auto plain = list->getArray("tools")->getObject(1);
        CHECK(plain->getValue<std::string>("name") == "none");
        CHECK(to_json(*plain->getObject("inputSchema")) ==
              R"({"additionalProperties":false,"type":"object"})");
        const auto resource =
            fixture.result(legacy("2", "resources/list"))->getArray("resources")->getObject(0);
        CHECK(resource->has("title") == (version >= "2025-06-18"));
        CHECK(resource->getValue<std::string>("mimeType") == "application/json");
    }
}

TEST_CASE("structured content goes to the revisions that know it, as text to all", "[mcp][eras]") {
    const std::string params = R"({"name":"echo","arguments":{"message":"h\"i"}})";
    for (const std::string version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
        Fixture fixture;
        fixture.open(version);
        const auto result = fixture.result(legacy("1", "tools/call", params));
        CHECK(result->getArray("content")->getObject(0)->getValue<std::string>("text") ==
              R"({"message":"h\"i"})");
        CHECK(result->has("structuredContent") == (version >= "2025-06-18"));
        CHECK_FALSE(result->has("isError"));
        CHECK_FALSE(result->has("resultType"));
    }
}

TEST_CASE("modern results carry their envelope", "[mcp][eras]") {
    Fixture fixture;
    const auto discover = fixture.result(modern("1", "server/discover"));
    check_modern_envelope(discover);
    CHECK(discover->getArray("supportedVersions")->size() == 1);
    CHECK(discover->getArray("supportedVersions")->getElement<std::string>(0) == "2026-07-28");
    CHECK(to_json(*discover->getObject("capabilities")) == R"({"resources":{},"tools":{}})");
    CHECK(discover->getValue<std::string>("instructions") == "be kind");
    CHECK(fixture.modern_requests.empty());
    for (const auto* method :
         {"server/discover", "tools/list", "resources/list", "resources/templates/list"}) {
        INFO(method);
        const auto list = fixture.result(modern("2", method));
        check_modern_envelope(list);
        CHECK(list->getValue<int>("ttlMs") == 5000);
        CHECK(list->getValue<std::string>("cacheScope") == "private");
    }
    const auto status = fixture.result(modern("3", "resources/read", R"("uri":"demo://status")"));
    check_modern_envelope(status);
    CHECK(status->getValue<int>("ttlMs") == 0);
    const auto blob = fixture.result(modern("4", "resources/read", R"("uri":"demo://blob")"));
    CHECK(blob->getValue<int>("ttlMs") == 7000);
    CHECK(blob->getValue<std::string>("cacheScope") == "public");
    const auto call =
        fixture.result(modern("5", "tools/call", R"("name":"echo","arguments":{"message":"x"})"));
    check_modern_envelope(call);
    CHECK_FALSE(call->has("ttlMs"));
    CHECK(call->getObject("structuredContent")->getValue<std::string>("message") == "x");
    CHECK(fixture.modern_requests ==
          std::vector<std::string>{"tools/list", "resources/list", "resources/templates/list",
                                   "resources/read", "resources/read", "tools/call"});
}

TEST_CASE("resources are read as text or base64, directly and through templates", "[mcp][eras]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    const auto read = [&](const std::string& uri) {
        const auto result =
            fixture.result(legacy("1", "resources/read", R"({"uri":")" + uri + "\"}"));
        CHECK_FALSE(result->has("ttlMs"));
        REQUIRE(result->getArray("contents")->size() == 1);
        auto content = result->getArray("contents")->getObject(0);
        CHECK(content->getValue<std::string>("uri") == uri);
        return content;
    };
    const auto status = read("demo://status");
    CHECK(status->getValue<std::string>("mimeType") == "application/json");
    CHECK(status->getValue<std::string>("text") == R"({"ok":true})");
    CHECK(read("demo://blob")->getValue<std::string>("blob") == "AP96AQ==");
    CHECK(read("demo://item/a%20b")->getValue<std::string>("text") == "a b");
    const auto templates =
        fixture.result(legacy("2", "resources/templates/list"))->getArray("resourceTemplates");
    CHECK(templates->getObject(0)->getValue<std::string>("uriTemplate") == "demo://item/{id}");
}

TEST_CASE("modern _meta is checked", "[mcp][eras]") {
    Fixture fixture;
    for (const auto* method : {"server/discover", "tools/list", "tools/call"}) {
        INFO(method);
        for (const auto* key : {"protocolVersion", "clientCapabilities"}) {
            INFO(key);
            CHECK(fixture.error_code(legacy("1", method, modern_meta_without(key))) ==
                  kInvalidParams);
        }
    }
    CHECK(fixture.error_code(legacy("1", "server/discover", "{}")) == kInvalidParams);
    CHECK(fixture.error_code(legacy("1", "server/discover")) == kInvalidParams);
    CHECK(
        fixture.result(legacy("1", "tools/list", modern_meta_without("clientInfo")))->has("tools"));
    const std::string level = "io.modelcontextprotocol/logLevel";
    CHECK(fixture.error_code(legacy("1", "tools/call", with_meta(level, "\"loud\""))) ==
          kInvalidParams);
    CHECK(fixture.error_code(legacy("1", "tools/call", with_meta(level, "7"))) == kInvalidParams);
    CHECK(fixture.result(legacy("1", "tools/call", with_meta(level, "\"debug\"")))->has("content"));
    CHECK(fixture.error_code(
              legacy("1", "tools/call", with_meta("io.modelcontextprotocol/clientInfo", "7"))) ==
          kInvalidParams);
    CHECK(fixture.error_code(modern("1", "tools/call", R"("name":"none","requestState":7)")) ==
          kInvalidParams);
    CHECK(fixture.error_code(modern("1", "tools/call", R"("name":"none","inputResponses":7)")) ==
          kInvalidParams);
}

TEST_CASE("a version that is not served is told every time", "[mcp][eras]") {
    Fixture fixture;
    const std::string params = R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"VERSION",)"
                               R"("io.modelcontextprotocol/clientCapabilities":{}}})";
    for (int round = 0; round < 2; ++round) {
        for (const std::string& version : {std::string("v999.0.0"), std::string("2025-11-25"),
                                           std::string(""), std::string(100'000, 'v')}) {
            std::string text = params;
            text.replace(text.find("VERSION"), 7, version);
            for (const auto* method : {"server/discover", "tools/list", "nope"}) {
                const auto error = fixture.error(legacy("1", method, text));
                CHECK(error->getValue<int>("code") == kUnsupportedVersion);
                const auto data = error->getObject("data");
                CHECK(data->getArray("supported")->getElement<std::string>(0) == "2026-07-28");
                CHECK(data->getValue<std::string>("requested") == excerpt(version));
                CHECK(fixture.lines.front().size() < 1000);
            }
        }
        fixture.result(modern("2", "tools/list"));
    }
    CHECK(fixture.modern_requests.size() == 2);
}

TEST_CASE("methods of the other era are unknown", "[mcp][eras]") {
    Fixture fixture;
    fixture.open("2025-11-25");
    for (const auto* method : {"ping", "initialize", "logging/setLevel", "resources/subscribe",
                               "resources/unsubscribe", "subscriptions/listen", "prompts/list"}) {
        INFO(method);
        CHECK(fixture.error_code(modern("1", method)) == kMethodNotFound);
    }
    CHECK(fixture.modern_requests.empty());
}

TEST_CASE("the host is told of modern requests that are served, and of no others", "[mcp][eras]") {
    struct Row {
        std::string method;
        std::string members;
        bool served;
    };
    const auto row = GENERATE(values<Row>({
        {"tools/list", "", true},
        {"tools/list", R"("cursor":"x")", false},
        {"resources/list", "", true},
        {"resources/list", R"("cursor":"x")", false},
        {"resources/templates/list", "", true},
        {"resources/templates/list", R"("cursor":"x")", false},
        {"tools/call", R"("name":"echo","arguments":{"message":"m"})", true},
        // The model reads what is wrong with them, in a result.
        {"tools/call", R"("name":"echo","arguments":{})", true},
        {"tools/call", R"("name":"echo","arguments":[])", false},
        {"tools/call", R"("name":"no_such_tool")", false},
        {"tools/call", "", false},
        {"resources/read", R"("uri":"no:such")", false},
        {"prompts/list", "", true},
        {"prompts/list", R"("cursor":"x")", false},
        {"prompts/get", R"("name":"p")", true},
        {"prompts/get", R"("name":"q")", false},
        {"completion/complete",
         R"("ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""})", true},
        {"completion/complete", "", false},
        {"subscriptions/listen", R"("notifications":{})", true},
        {"subscriptions/listen", "", false},
        {"tools/call", R"("name":"none","requestState":"x")", false},
        {"resources/read", "", false},
        {"server/discover", "", false},
        {"no/such/method", "", false},
    }));
    INFO(row.method << " " << row.members);
    Options options;
    options.list_changed = true;
    Fixture fixture(options);
    Prompt prompt;
    prompt.name = "p";
    prompt.handler = [](const std::shared_ptr<Call>& call) { call->reply_prompt({}); };
    fixture.server->add_prompt(prompt);
    fixture.server->set_completer(
        [](const std::shared_ptr<Call>& call) { call->reply_completion({}); });
    fixture.ask(modern("1", row.method, row.members));
    CHECK(fixture.modern_requests ==
          (row.served ? std::vector<std::string>{row.method} : std::vector<std::string>{}));
}

TEST_CASE("both eras are served side by side", "[mcp][eras]") {
    Fixture fixture;
    CHECK(fixture.result(modern("1", "tools/list"))->has("resultType"));
    CHECK(fixture.error_code(legacy("2", "tools/list")) == kInvalidRequest);
    fixture.open("2025-03-26");
    CHECK_FALSE(fixture.result(legacy("3", "tools/list"))->has("resultType"));
    CHECK(fixture.result(modern("4", "tools/list"))->has("resultType"));
    CHECK_FALSE(fixture.result(legacy("5", "tools/list"))->has("resultType"));
}

TEST_CASE("what is not registered is neither advertised nor served", "[mcp][eras]") {
    std::vector<std::string> lines;
    Server server({"bare", "", "1", ""}, {},
                  [&](std::string line, LineKind) { lines.push_back(std::move(line)); }, {});
    server.receive(initialize("2025-11-25"));
    CHECK(lines.back().find(R"("capabilities":{})") != std::string::npos);
    CHECK(lines.back().find("instructions") == std::string::npos);
    for (const auto* method : {"tools/list", "tools/call", "resources/list", "resources/read",
                               "resources/templates/list"}) {
        server.receive(legacy("1", method));
        CHECK(lines.back().find("-32601") != std::string::npos);
        server.receive(modern("1", method));
        CHECK(lines.back().find("-32601") != std::string::npos);
    }
    server.receive(modern("1", "server/discover"));
    CHECK(lines.back().find(R"("capabilities":{})") != std::string::npos);
}
