// completion/complete: what the completer sees and what goes out.
#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

const std::string kAsk =
    R"("ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"x"})";

struct Completing : Fixture {
    Completing() {
        server->set_completer([this](const std::shared_ptr<Call>& call) {
            seen = call->completion();
            target = call->target();
            answer(*call);
        });
    }
    CompletionRequest seen;
    std::string target;
    std::function<void(Call&)> answer = [](Call& call) { call.reply_completion({"one", "two"}); };
};

}  // namespace

TEST_CASE("completion is served in every revision and advertised where it has a name",
          "[mcp][completion]") {
    for (const std::string version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
        INFO(version);
        Completing fixture;
        const auto opened = fixture.result(initialize(version));
        CHECK(opened->getObject("capabilities")->has("completions") == (version >= "2025-03-26"));
        CHECK(fixture.send(legacy("1", "completion/complete", "{" + kAsk + "}")) ==
              std::vector<std::string>{R"({"jsonrpc":"2.0","id":1,"result":{"completion":)"
                                       R"({"values":["one","two"],"hasMore":false}}})"});
    }
    Completing fixture;
    CHECK(fixture.result(modern("1", "server/discover"))
              ->getObject("capabilities")
              ->has("completions"));
    const auto result = fixture.result(modern("2", "completion/complete", kAsk));
    CHECK(result->getValue<std::string>("resultType") == "complete");
    CHECK_FALSE(result->has("ttlMs"));
}

TEST_CASE("a completer sees what is asked for", "[mcp][completion]") {
    Completing fixture;
    fixture.open("2025-06-18");
    fixture.result(legacy("1", "completion/complete", "{" + kAsk + "}"));
    CHECK(fixture.seen.of == CompletionRequest::Of::kPrompt);
    CHECK(fixture.seen.ref == "p");
    CHECK(fixture.target == "p");
    CHECK(fixture.seen.argument == "a");
    CHECK(fixture.seen.value == "x");
    CHECK(fixture.seen.context.empty());
    const std::string ask = R"("ref":{"type":"ref/resource","uri":"demo://item/{id}"},)"
                            R"("argument":{"name":"id","value":""},)"
                            R"("context":{"arguments":{"b":"c"}})";
    fixture.result(legacy("1", "completion/complete", "{" + ask + "}"));
    CHECK(fixture.seen.of == CompletionRequest::Of::kResource);
    CHECK(fixture.seen.ref == "demo://item/{id}");
    CHECK(fixture.seen.context == std::map<std::string, std::string>{{"b", "c"}});
    fixture.result(legacy("1", "completion/complete", "{" + kAsk + R"(,"context":{}})"));
    CHECK(fixture.seen.context == std::map<std::string, std::string>{});

    Completing older;
    older.open("2025-03-26");
    older.result(legacy("1", "completion/complete", "{" + ask + "}"));
    CHECK(older.seen.context.empty());
}

TEST_CASE("at most 100 completions go out", "[mcp][completion]") {
    Completing fixture;
    fixture.open("2025-11-25");
    const auto completion = [&] {
        return fixture.result(legacy("1", "completion/complete", "{" + kAsk + "}"))
            ->getObject("completion");
    };
    fixture.answer = [](Call& call) { call.reply_completion(std::vector<std::string>(250, "v")); };
    CHECK(completion()->getArray("values")->size() == 100);
    CHECK(completion()->getValue<int>("total") == 250);
    CHECK(completion()->getValue<bool>("hasMore"));
    fixture.answer = [](Call& call) { call.reply_completion({"v"}, 3, /*has_more=*/true); };
    CHECK(completion()->getValue<int>("total") == 3);
    CHECK(completion()->getValue<bool>("hasMore"));
    fixture.answer = [](Call& call) { call.reply_completion({}); };
    CHECK(completion()->getArray("values")->size() == 0);
}

TEST_CASE("completion/complete is checked", "[mcp][completion][hostile]") {
    Completing fixture;
    fixture.open("2025-11-25");
    const std::string argument = R"("argument":{"name":"a","value":"x"})";
    const std::string ref = R"("ref":{"type":"ref/prompt","name":"p"})";
    for (const std::string& members :
         {std::string(), ref, argument, R"("ref":7,)" + argument, R"("ref":{},)" + argument,
          R"("ref":{"type":"ref/tool","name":"p"},)" + argument,
          R"("ref":{"type":"ref/prompt"},)" + argument,
          R"("ref":{"type":"ref/prompt","uri":"p"},)" + argument,
          R"("ref":{"type":"ref/resource","name":"p"},)" + argument, ref + R"(,"argument":[])",
          ref + R"(,"argument":{"name":"a"})", ref + R"(,"argument":{"name":"a","value":7})",
          ref + R"(,"argument":{"value":"a"})", ref + "," + argument + R"(,"context":7)",
          ref + "," + argument + R"(,"context":{"arguments":[]})",
          ref + "," + argument + R"(,"context":{"arguments":{"a":1}})"}) {
        INFO(members);
        CHECK(fixture.error_code(legacy("1", "completion/complete", "{" + members + "}")) ==
              kInvalidParams);
        CHECK(fixture.error_code(modern("1", "completion/complete", members)) == kInvalidParams);
        fixture.check_alive();
    }
    CHECK(fixture.error_code(legacy("1", "completion/complete")) == kInvalidParams);
    fixture.answer = [](Call& call) { call.fail(kInvalidParams, "unknown argument"); };
    CHECK(fixture.error_code(legacy("1", "completion/complete", "{" + kAsk + "}")) ==
          kInvalidParams);
}
