// Requests of the server to a legacy client: refused, answered, ignored, withdrawn.
#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

const std::string kWait = R"({"name":"wait"})";
const std::string kAll = R"({"elicitation":{},"sampling":{},"roots":{}})";

Object::Ptr form() {
    return parse_object(R"({"message":"sure?"})");
}

// One call that has asked one question.
struct Asking : Fixture {
    explicit Asking(const std::string& version = "2025-11-25",
                    const std::string& capabilities = kAll) {
        open(version, capabilities);
        send(legacy("1", "tools/call", kWait));
        lines.clear();
    }

    bool ask(const std::string& method = "elicitation/create", const Object::Ptr& params = form()) {
        return waiting.at(0)->ask_client(
            method, params, [this](const ClientReply& reply) { replies.push_back(reply); });
    }

    // The id of the last question, as JSON.
    std::string question_id() const {
        std::string id;
        append_json(id, parse_object(lines.back())->get("id"));
        return id;
    }

    std::vector<ClientReply> replies;
};

std::string response(const std::string& id, const std::string& members) {
    return R"({"jsonrpc":"2.0","id":)" + id + "," + members + "}";
}

}  // namespace

TEST_CASE("a question goes out as a request and its result comes back", "[mcp][questions]") {
    Asking fixture;
    REQUIRE(fixture.ask());
    const std::string id = fixture.question_id();
    CHECK(fixture.lines == std::vector<std::string>{R"({"jsonrpc":"2.0","id":)" + id +
                                                    R"(,"method":"elicitation/create",)"
                                                    R"("params":{"message":"sure?"}})"});
    CHECK(fixture.kinds.back() == LineKind::kAnswer);  // never dropped
    CHECK(fixture.send(response(id, R"("result":{"action":"accept","content":{"ok":true}})"))
              .empty());
    REQUIRE(fixture.replies.size() == 1);
    CHECK(fixture.replies[0].result->getValue<std::string>("action") == "accept");
    CHECK(fixture.send(response(id, R"("result":{})")).empty());
    CHECK(fixture.replies.size() == 1);
    fixture.lines.clear();
    fixture.waiting.at(0)->reply(ToolResult::text("x"));
    CHECK(fixture.lines.size() == 1);  // nothing is left to withdraw
}

TEST_CASE("a question may be answered with an error, or with nonsense", "[mcp][questions]") {
    Asking fixture;
    for (const auto* members : {R"("error":{"code":-1,"message":"no"})", R"("error":7)",
                                R"("result":7)", R"("result":null)", R"("error":{})"}) {
        REQUIRE(fixture.ask());
        CHECK(fixture.send(response(fixture.question_id(), members)).empty());
    }
    REQUIRE(fixture.replies.size() == 5);
    for (const auto& reply : fixture.replies) {
        CHECK(reply.result.isNull());
        CHECK(reply.code < 0);
    }
    CHECK(fixture.replies[0].code == -1);
    CHECK(fixture.replies[0].message == "no");
}

TEST_CASE("responses that answer nothing are ignored", "[mcp][questions][hostile]") {
    Asking fixture;
    REQUIRE(fixture.ask());
    const std::string id = fixture.question_id();
    for (const auto& line :
         {response("99", R"("result":{})"), response("\"ask-99\"", R"("result":{})"),
          response("null", R"("result":{})"), response("{}", R"("error":{})"),
          response(id, R"("result":{},"error":{"code":1,"message":"x"})"),
          std::string(R"({"jsonrpc":"2.0","result":{}})")}) {
        CHECK(fixture.send(line).empty());
        fixture.check_alive();
    }
    CHECK(fixture.replies.empty());
    fixture.send(response(id, R"("result":{})"));
    CHECK(fixture.replies.size() == 1);
}

TEST_CASE("a response may come in a batch", "[mcp][questions][batch]") {
    Asking fixture("2025-03-26");
    REQUIRE(fixture.ask("roots/list", {}));
    CHECK(fixture.send("[" + response(fixture.question_id(), R"("result":{})") + "," +
                       legacy("2", "ping") + "]") ==
          std::vector<std::string>{R"([{"jsonrpc":"2.0","id":2,"result":{}}])"});
    CHECK(fixture.replies.size() == 1);
}

TEST_CASE("several questions are matched by their ids", "[mcp][questions]") {
    Asking fixture;
    REQUIRE(fixture.ask());
    const auto first = fixture.question_id();
    REQUIRE(fixture.ask("roots/list", {}));
    const auto second = fixture.question_id();
    CHECK(fixture.lines.back().find(R"("params":{})") != std::string::npos);
    fixture.send(response(second, R"("result":{"n":2})"));
    fixture.send(response(first, R"("result":{"n":1})"));
    REQUIRE(fixture.replies.size() == 2);
    CHECK(fixture.replies[0].result->getValue<int>("n") == 2);
    CHECK(fixture.replies[1].result->getValue<int>("n") == 1);
}

TEST_CASE("a client is asked only for what it has declared", "[mcp][questions]") {
    const auto can = [](const std::string& version, const std::string& capabilities,
                        const std::string& method, const std::string& params = "{}") {
        Asking fixture(version, capabilities);
        const bool may = fixture.waiting.at(0)->may_ask(method, parse_object(params));
        CHECK(fixture.ask(method, parse_object(params)) == may);
        CHECK(fixture.lines.size() == (may ? 1 : 0));
        fixture.waiting.at(0)->reply(ToolResult::text("x"));
        return may;
    };
    CHECK(can("2025-06-18", kAll, "elicitation/create"));
    CHECK(can("2025-06-18", kAll, "sampling/createMessage"));
    CHECK(can("2024-11-05", kAll, "roots/list"));
    CHECK_FALSE(can("2025-03-26", kAll, "elicitation/create"));  // it is younger
    CHECK_FALSE(can("2025-11-25", "{}", "elicitation/create"));
    CHECK_FALSE(can("2025-11-25", R"({"sampling":{}})", "roots/list"));
    CHECK_FALSE(can("2025-11-25", R"({"elicitation":true})", "elicitation/create"));
    CHECK_FALSE(can("2025-11-25", kAll, "ping"));
    const std::string url = R"({"mode":"url"})";
    CHECK_FALSE(can("2025-11-25", kAll, "elicitation/create", url));
    CHECK(can("2025-11-25", R"({"elicitation":{"url":{}}})", "elicitation/create", url));
    CHECK_FALSE(can("2025-11-25", R"({"elicitation":{"url":{}}})", "elicitation/create"));
    CHECK(can("2025-11-25", R"({"elicitation":{"url":{},"form":{}}})", "elicitation/create"));
    const std::string tools = R"({"tools":[]})";
    CHECK_FALSE(can("2025-11-25", kAll, "sampling/createMessage", tools));
    CHECK(can("2025-11-25", R"({"sampling":{"tools":{}}})", "sampling/createMessage", tools));
}

TEST_CASE("a modern client is never sent a request", "[mcp][questions]") {
    Fixture fixture;
    fixture.open("2025-11-25", kAll);
    fixture.send(modern_from(kAll, "1", "tools/call", R"("name":"wait")"));
    const auto call = fixture.waiting.at(0);
    CHECK(call->may_ask("elicitation/create"));
    CHECK(call->asks_by_result());
    CHECK_FALSE(call->ask_client("elicitation/create", form(), [](const ClientReply&) {}));
    CHECK(fixture.lines.empty());
}

TEST_CASE("a question is withdrawn when its call ends first", "[mcp][questions]") {
    Asking fixture;
    CHECK_FALSE(fixture.waiting.at(0)->asks_by_result());
    REQUIRE(fixture.ask());
    const std::string id = fixture.question_id();
    const std::string withdrawn =
        R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + id +
        R"(,"reason":"the request was )";
    fixture.lines.clear();
    SECTION("by an answer") {
        fixture.waiting.at(0)->reply(ToolResult::text("x"));
        REQUIRE(fixture.lines.size() == 2);
        CHECK_FALSE(fixture.ask());
    }
    SECTION("by a cancellation") {
        CHECK(fixture.send(cancel("1")).size() == 1);
    }
    SECTION("by being dropped") {
        fixture.waiting.clear();
        REQUIRE(fixture.lines.size() == 2);
        CHECK(fixture.lines.back().find("-32603") != std::string::npos);
    }
    CHECK(fixture.lines.front().rfind(withdrawn, 0) == 0);
    CHECK(fixture.send(response(id, R"("result":{})")).empty());
    CHECK(fixture.replies.empty());
    fixture.check_alive();
}

TEST_CASE("a call that only its question holds is answered from the reply", "[mcp][questions]") {
    Asking fixture;
    const auto call = fixture.waiting.at(0);
    fixture.waiting.clear();
    bool asked = false;
    {
        auto held = call;
        asked = held->ask_client("roots/list", {}, [held](const ClientReply& reply) {
            held->reply(ToolResult::text(reply.result->getValue<std::string>("x")));
        });
    }
    REQUIRE(asked);
    const std::string id = fixture.question_id();
    SECTION("it is") {
        const auto answers = fixture.send(response(id, R"("result":{"x":"got it"})"));
        REQUIRE(answers.size() == 1);
        CHECK(answers.front().find("got it") != std::string::npos);
    }
    SECTION("the handler of the reply fails") {
        const auto answers = fixture.send(response(id, R"("result":{})"));
        REQUIRE(answers.size() == 1);
        CHECK(answers.front().find("-32603") != std::string::npos);
    }
    SECTION("the server ends first") {
        fixture.lines.clear();
        fixture.server.reset();
        CHECK(fixture.lines.empty());
        return;
    }
    CHECK(fixture.server->pending() == 0);
}
