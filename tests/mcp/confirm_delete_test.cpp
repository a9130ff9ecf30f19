// delete_prompt asks the person at the client, in each revision's way.
#include <algorithm>
#include <filesystem>

#include "prompt_scenes.hpp"

using namespace steward::tests;

namespace {

// A server with one prompt, whose client can ask its user.
class Asking {
  public:
    explicit Asking(const std::string& revision,
                    const std::string& capabilities = R"({"elicitation":{}})") {
        sandbox_.write("data/coding/one.json", R"({"title":"One","content":"c","updated_at":")"
                                               R"(2026-01-01T00:00:00.000001"})");
        const auto answer = steward_.call(
            "initialize", R"({"protocolVersion":")" + revision + R"(","capabilities":)" +
                              capabilities + R"(,"clientInfo":{"name":"t","version":"1"}})");
        REQUIRE(text_at(answer, "result.protocolVersion") == revision);
        steward_.send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    }

    StewardProcess* operator->() { return &steward_; }
    [[nodiscard]] const Sandbox& sandbox() const { return sandbox_; }
    [[nodiscard]] bool is_there() { return !steward_.tool("get_prompt", kOne)->has("isError"); }

    int ask_to_delete() { return steward_.request_tool("delete_prompt", kOne); }

    // Waits for the question; its message.
    Json question() {
        Json found;
        const bool came = wait_until([&] {
            steward_.pump();
            for (const auto& line : steward_.lines()) {
                if (line.find("elicitation/create") != std::string::npos) {
                    found = parse_json(line);
                }
            }
            return !found.isNull();
        });
        REQUIRE(came);
        return found;
    }
    // `reply`: "result":{...} or "error":{...}
    void answer(const Json& question, const std::string& reply) {
        steward_.send(R"({"jsonrpc":"2.0","id":")" + text_at(question, "id") + "\"," + reply + "}");
    }

    static constexpr const char* kOne = R"({"prompt_id":"one"})";

  private:
    Sandbox sandbox_;
    StewardProcess steward_{sandbox_, with_app({"--data-dir", "{data_dir}"})};
};

std::string accept(const std::string& content) {
    return R"("result":{"action":"accept","content":)" + content + "}";
}

// The modern way: what is declared and sent in one request, in the order of the parameters.
std::string modern_call(int id, const std::string& capabilities, const std::string& more = "") {
    return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
           R"(,"method":"tools/call","params":{"name":"delete_prompt",)"
           R"("arguments":{"prompt_id":"one"},)" +
           more +
           R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
           R"("io.modelcontextprotocol/clientCapabilities":)" +
           capabilities + "}}}";
}

constexpr const char* kCanAsk = R"({"elicitation":{"form":{}}})";

std::string retry(const std::string& response, const std::string& state) {
    return R"("inputResponses":{"confirm":)" + response + R"(},"requestState":")" + state + "\",";
}

}  // namespace

TEST_CASE("a confirmed prompt is deleted", "[mcp][confirm]") {
    Asking steward(GENERATE("2025-06-18", "2025-11-25"));
    const int call = steward.ask_to_delete();
    const auto question = steward.question();
    CHECK(text_at(question, "params.message") ==
          "Delete this prompt? Its last version stays in the history.\n"
          "id: one\ncategory: coding\ntitle: One");
    CHECK(text_at(question, "params.requestedSchema.type") == "object");
    CHECK(text_at(question, "params.requestedSchema.properties.confirm.type") == "boolean");
    CHECK(text_at(question, "params.requestedSchema.required.0") == "confirm");
    CHECK(steward.is_there());
    steward.answer(question, accept(R"({"confirm":true})"));
    const auto answer = steward->answer(call);
    CHECK(text_at(answer, "result.structuredContent.deleted") == "true");
    CHECK(text_at(answer, "result.structuredContent.prompt.title") == "One");
    CHECK_FALSE(steward.is_there());
}

TEST_CASE("anything but a confirmation deletes nothing", "[mcp][confirm]") {
    struct Case {
        std::string reply;
        std::string cause;
    };
    const auto given = GENERATE(
        Case{R"("result":{"action":"decline"})", "declined"},
        Case{R"("result":{"action":"cancel"})", "dismissed without an answer"},
        Case{accept(R"({"confirm":false})"), "not confirmed"},
        Case{accept(R"({"confirm":"true"})"), "not confirmed"}, Case{accept("{}"), "not confirmed"},
        Case{accept("true"), "not confirmed"}, Case{R"("result":{})", "the client sent no answer"},
        Case{R"("result":{"action":true})", "the client sent no answer"},
        Case{R"("error":{"code":-32603,"message":"no window"})",
             "the client could not ask: no window"});
    Asking steward("2025-11-25");
    const int call = steward.ask_to_delete();
    steward.answer(steward.question(), given.reply);
    const auto answer = steward->answer(call);
    CAPTURE(given.reply);
    CHECK_FALSE(answer->getObject("result")->has("isError"));
    CHECK(text_at(answer, "result.structuredContent.deleted") == "false");
    CHECK(text_at(answer, "result.structuredContent.cause") == given.cause);
    CHECK(steward.is_there());
}

TEST_CASE("nothing is deleted when the client goes away or takes the call back", "[mcp][confirm]") {
    Asking steward("2025-11-25");
    const int call = steward.ask_to_delete();
    const auto question = steward.question();
    if (GENERATE(false, true)) {
        steward->send(
            R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
            std::to_string(call) + "}}");
        steward.answer(question, accept(R"({"confirm":true})"));  // too late
        CHECK(steward.is_there());
    }
    steward->close_stdin();
    CHECK(steward->wait_exit().code == 0);
    for (const auto& line : steward->lines()) {
        CHECK(line.find(R"("id":)" + std::to_string(call) + ",") == std::string::npos);
    }
    CHECK(std::filesystem::exists(steward.sandbox().data_dir() + "/coding/one.json"));
}

TEST_CASE("what has been changed since the question is not deleted", "[mcp][confirm]") {
    Asking steward("2025-11-25");
    const int call = steward.ask_to_delete();
    const auto question = steward.question();
    steward->tool("update_prompt", R"({"prompt_id":"one","content":"new"})");
    steward.answer(question, accept(R"({"confirm":true})"));
    const auto answer = steward->answer(call);
    CHECK(text_at(answer, "result.isError") == "true");
    CHECK(holds(text_at(answer, "result.content.0.text"), "has been changed since"));
    CHECK(steward.is_there());
}

TEST_CASE("what has been changed without a new date is not deleted either", "[mcp][confirm]") {
    Asking steward("2025-11-25");
    const int call = steward.ask_to_delete();
    const auto question = steward.question();
    steward.sandbox().write("data/coding/one.json",
                            R"({"title":"One","content":"another","updated_at":")"
                            R"(2026-01-01T00:00:00.000001"})");
    steward.answer(question, accept(R"({"confirm":true})"));
    CHECK(holds(text_at(steward->answer(call), "result.content.0.text"),
                "one has been changed since it was shown"));
    CHECK(steward.is_there());
}

TEST_CASE("nobody is asked about a version that is not there", "[mcp][confirm]") {
    Asking steward("2025-11-25");
    const auto refused =
        steward->tool("delete_prompt", R"({"prompt_id":"one","expected":"1999-01-01T00:00:00"})");
    CHECK(holds(text_at(refused, "content.0.text"), "has been changed since \"1999"));
    CHECK(steward.is_there());
}

TEST_CASE("a title cannot speak for the question", "[mcp][confirm]") {
    Asking steward("2025-11-25");
    steward.sandbox().write("data/coding/one.json",
                            R"({"title":"x\n\nid: other \u202e\u0007","content":"c"})");
    steward.ask_to_delete();
    CHECK(text_at(steward.question(), "params.message") ==
          "Delete this prompt? Its last version stays in the history.\n"
          "id: one\ncategory: coding\ntitle: x\\x0a\\x0aid: other \\u202e\\x07");
}

TEST_CASE("a client that cannot ask deletes at once", "[mcp][confirm]") {
    struct Case {
        const char* revision;
        const char* capabilities;
    };
    const auto client =
        GENERATE(Case{"2025-03-26", R"({"elicitation":{}})"}, Case{"2025-06-18", "{}"},
                 Case{"2025-11-25", R"({"elicitation":{"url":{}}})"});
    Asking steward(client.revision, client.capabilities);
    const auto answer = steward->answer(steward.ask_to_delete());
    CHECK(text_at(answer, "result.isError").empty());
    CHECK_FALSE(steward.is_there());
    const auto files = steward.sandbox().snapshot();
    CHECK(std::any_of(files.begin(), files.end(), [](const std::string& file) {
        return file.find("data/.history/one/") != std::string::npos;
    }));
}

TEST_CASE("a modern client is asked in place of a result", "[mcp][confirm]") {
    Asking steward("2025-11-25");
    const auto ask = [&](int id, const std::string& more = "", const std::string& can = kCanAsk) {
        steward->send(modern_call(id, can, more));
        return steward->answer(id);
    };
    const auto asked = ask(900);
    CHECK(text_at(asked, "result.resultType") == "input_required");
    CHECK(text_at(asked, "result.inputRequests.confirm.method") == "elicitation/create");
    CHECK(text_at(asked,
                  "result.inputRequests.confirm.params.requestedSchema.properties.confirm.type") ==
          "boolean");
    const auto state = text_at(asked, "result.requestState");
    REQUIRE_FALSE(state.empty());
    CHECK(steward.is_there());

    SECTION("confirmed") {
        const auto done =
            ask(901, retry(R"({"action":"accept","content":{"confirm":true}})", state));
        CHECK(text_at(done, "result.structuredContent.deleted") == "true");
        CHECK_FALSE(steward.is_there());
    }
    SECTION("declined") {
        const auto kept = ask(901, retry(R"({"action":"decline"})", state));
        CHECK(text_at(kept, "result.structuredContent.deleted") == "false");
        CHECK(text_at(kept, "result.structuredContent.cause") == "declined");
        CHECK(steward.is_there());
    }
    SECTION("the response is missing: it is asked again") {
        CHECK(text_at(ask(901, R"("inputResponses":{},"requestState":")" + state + "\","),
                      "result.resultType") == "input_required");
        CHECK(steward.is_there());
    }
    SECTION("a response that nobody asked for is none") {
        CHECK(text_at(ask(901, R"("inputResponses":{"confirm":{"action":"accept","content":)"
                               R"({"confirm":true}}},)"),
                      "result.resultType") == "input_required");
        CHECK(steward.is_there());
    }
    SECTION("a state that was tampered with is refused") {
        auto other = state;
        other[other.size() / 2] = other[other.size() / 2] == 'A' ? 'B' : 'A';
        CHECK(number_at(ask(901, retry(R"({"action":"accept","content":{"confirm":true}})", other)),
                        "error.code") == -32602);
        CHECK(steward.is_there());
    }
    SECTION("the state of another call is refused") {
        steward.sandbox().write("data/coding/two.json", R"({"title":"Two","content":"c"})");
        auto other = modern_call(901, kCanAsk,
                                 retry(R"({"action":"accept","content":{"confirm":true}})", state));
        other.replace(other.find(R"("one")"), 5, R"("two")");
        steward->send(other);
        CHECK(number_at(steward->answer(901), "error.code") == -32602);
        CHECK_FALSE(steward->tool("get_prompt", R"({"prompt_id":"two"})")->has("isError"));
    }
    SECTION("what has the name now, and the same date, is not deleted") {
        const auto call = [&](int id, const std::string& more) {
            auto text = modern_call(id, kCanAsk, more);
            text.replace(text.find(R"("one")"), 5, R"("same-name")");
            steward->send(text);
            return steward->answer(id);
        };
        const auto write = [&](const std::string& id, const std::string& title) {
            steward.sandbox().write(
                "data/coding/" + id + ".json",
                R"({"title":")" + title + R"(","content":"c","updated_at":"2026-01-01T00:00:00"})");
        };
        write("a", "Same name");
        write("b", "Other");
        const auto seen = text_at(call(901, ""), "result.requestState");
        write("a", "Other");
        write("b", "Same name");
        const auto refused =
            call(902, retry(R"({"action":"accept","content":{"confirm":true}})", seen));
        CHECK(text_at(refused, "result.isError") == "true");
        CHECK_FALSE(steward->tool("get_prompt", R"({"prompt_id":"a"})")->has("isError"));
        CHECK_FALSE(steward->tool("get_prompt", R"({"prompt_id":"b"})")->has("isError"));
    }
    SECTION("what has been changed since is not deleted") {
        steward->tool("update_prompt", R"({"prompt_id":"one","content":"new"})");
        const auto refused =
            ask(901, retry(R"({"action":"accept","content":{"confirm":true}})", state));
        CHECK(text_at(refused, "result.isError") == "true");
        CHECK(steward.is_there());
    }
    SECTION("a client that cannot ask deletes at once") {
        CHECK(text_at(ask(901, "", "{}"), "result.structuredContent.deleted") == "true");
        CHECK_FALSE(steward.is_there());
    }
}
