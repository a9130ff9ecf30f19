// Input that a modern client brings with a second try, and the state that comes back with it.
#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

const std::string kAll = R"({"elicitation":{},"sampling":{},"roots":{}})";

InputRequest ask_name() {
    return {"user_name", "elicitation/create", parse_object(R"({"message":"What is your name?"})")};
}

// The tool "greet" asks for a name, and the tool "steps" for two things in turn.
struct Greeting : Fixture {
    explicit Greeting(const Options& options = {}) : Fixture(options) {
        const Handler greet = [this](const std::shared_ptr<Call>& call) {
            states.push_back(call->state().value_or("none"));
            const auto response = call->input_response("user_name");
            if (response.isNull()) {
                call->require_input({ask_name()}, "for " + call->target());
            } else if (call->target() == "prompt") {
                call->reply_prompt(PromptResult().add_text(Role::kUser, "hi"));
            } else if (call->target() == "demo://ask") {
                call->reply_resource({{}, {}, "hi", false});
            } else {
                call->reply(ToolResult::text("hi"));
            }
        };
        add_plain_tool("greet", greet);
        add_plain_tool("greet2", greet);
        add_plain_tool("steps", [](const std::shared_ptr<Call>& call) {
            if (call->state() == "two") {
                call->reply(ToolResult::text("done"));
            } else {
                call->require_input({ask_name()}, call->state() ? "two" : "one");
            }
        });
        add_plain_tool("many", [](const std::shared_ptr<Call>& call) {
            call->require_input({ask_name(),
                                 {"greeting", "sampling/createMessage", {}},
                                 {"client_roots", "roots/list", {}}});
        });
        add_plain_tool("needy", [](const std::shared_ptr<Call>& call) {
            if (call->require_capabilities(parse_object(R"({"sampling":{"tools":{}}})"))) {
                call->reply(ToolResult::text("fine"));
            }
        });
        Prompt prompt;
        prompt.name = "prompt";
        prompt.handler = greet;
        server->add_prompt(prompt);
        Resource resource;
        resource.uri = "demo://ask";
        resource.name = "ask";
        resource.cache = {std::chrono::seconds(7), CacheScope::kPublic};
        resource.handler = greet;
        server->add_resource(resource);
        server->set_completer(
            [](const std::shared_ptr<Call>& call) { call->require_input({ask_name()}); });
    }

    Object::Ptr call(const std::string& members, const std::string& method = "tools/call") {
        return result(modern_from(kAll, "1", method, members));
    }

    // requestState of the answer, as a member of params.
    static std::string state_of(const Object::Ptr& result) {
        return R"("requestState":")" + result->getValue<std::string>("requestState") + "\"";
    }

    std::vector<std::string> states;
};

const std::string kGreet = R"("name":"greet","arguments":{"a":1,"b":2})";
const std::string kResponses =
    R"(,"inputResponses":{"user_name":{"action":"accept"},"extra":{"x":1},"more":7},)";

}  // namespace

TEST_CASE("a request may ask for input in place of its result", "[mcp][input]") {
    Greeting fixture;
    const auto first = fixture.call(kGreet);
    CHECK(first->getValue<std::string>("resultType") == "input_required");
    CHECK(to_json(*first->getObject("inputRequests")) ==
          R"({"user_name":{"method":"elicitation/create","params":)"
          R"({"message":"What is your name?"}}})");
    CHECK_FALSE(first->has("content"));
    CHECK(first->getObject("_meta")->has("io.modelcontextprotocol/serverInfo"));
    CHECK(fixture.server->pending() == 0);
    // The order of members and what is in _meta are the client's own.
    const auto second =
        fixture.result(modern_from(R"({"elicitation":{"form":{}}})", "\"other\"", "tools/call",
                                   R"("arguments":{"b":2,"a":1})" + kResponses +
                                       Greeting::state_of(first) + R"(,"name":"greet")"));
    CHECK(second->getValue<std::string>("resultType") == "complete");
    CHECK(fixture.states == std::vector<std::string>{"none", "for greet"});
}

TEST_CASE("prompts and resources ask for input too, and such answers are not cached",
          "[mcp][input]") {
    Greeting fixture;
    for (const auto& [method, members] : std::map<std::string, std::string>{
             {"prompts/get", R"("name":"prompt")"}, {"resources/read", R"("uri":"demo://ask")"}}) {
        const auto first = fixture.call(members, method);
        CHECK(first->getValue<std::string>("resultType") == "input_required");
        CHECK_FALSE(first->has("ttlMs"));
        CHECK_FALSE(first->has("cacheScope"));
        const auto second = fixture.call(members + kResponses + Greeting::state_of(first), method);
        CHECK(second->getValue<std::string>("resultType") == "complete");
    }
    CHECK(fixture.error_code(modern_from(
              kAll, "1", "completion/complete",
              R"("ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""})")) ==
          kInternalError);
}

TEST_CASE("what is missing is asked for again", "[mcp][input]") {
    Greeting fixture;
    const auto first = fixture.call(kGreet);
    for (const auto* responses :
         {R"("inputResponses":{})", R"("inputResponses":{"wrong":{}})",
          R"("inputResponses":{"user_name":12345})", R"("inputResponses":{"user_name":null})"}) {
        INFO(responses);
        CHECK(fixture.call(kGreet + "," + responses)->getValue<std::string>("resultType") ==
              "input_required");
        CHECK(fixture.call(kGreet + "," + responses + "," + Greeting::state_of(first))
                  ->getValue<std::string>("resultType") == "input_required");
    }
    // The handler decides whether it trusts responses without a state.
    CHECK(fixture.call(kGreet + R"(,"inputResponses":{"user_name":{}})")
              ->getValue<std::string>("resultType") == "complete");
    CHECK(fixture.states.back() == "none");
}

TEST_CASE("there may be several rounds and several questions", "[mcp][input]") {
    Greeting fixture;
    const auto first = fixture.call(R"("name":"steps")");
    const auto second = fixture.call(R"("name":"steps",)" + Greeting::state_of(first));
    CHECK(second->getValue<std::string>("resultType") == "input_required");
    CHECK(Greeting::state_of(second) != Greeting::state_of(first));
    // Empty arguments are none.
    const auto third =
        fixture.call(R"("name":"steps","arguments":{},)" + Greeting::state_of(second));
    CHECK(third->getValue<std::string>("resultType") == "complete");
    CHECK(fixture.call(R"("name":"many")")->getObject("inputRequests")->size() == 3);
}

TEST_CASE("a state that is bad, foreign or late is refused", "[mcp][input][hostile]") {
    auto now = std::chrono::steady_clock::time_point(std::chrono::hours(1));
    Options options;
    options.now = [&] { return now; };
    Greeting fixture(options);
    const auto code = [&](const std::string& members, const std::string& method = "tools/call") {
        return fixture.error_code(modern_from(kAll, "1", method, members));
    };
    const std::string never = R"("requestState":"AAAA")";
    CHECK(code(kGreet + "," + never) == kInvalidParams);  // before there is any
    const std::string state = fixture.call(kGreet)->getValue<std::string>("requestState");
    const auto with = [](const std::string& text) { return R"(,"requestState":")" + text + "\""; };
    SECTION("changed in any place") {
        for (std::size_t i = 0; i < state.size(); ++i) {
            std::string changed = state;
            changed[i] = changed[i] == 'A' ? 'B' : 'A';
            CHECK(code(kGreet + with(changed)) == kInvalidParams);
        }
        for (const auto& changed :
             {state + "-TAMPERED", state.substr(4), state + "AAAA",
              state.substr(0, state.size() - 4), std::string(), state + "="}) {
            CHECK(code(kGreet + with(changed)) == kInvalidParams);
        }
        CHECK(code(kGreet + R"(,"requestState":7)") == kInvalidParams);
        CHECK(code(kGreet + R"(,"inputResponses":[])") == kInvalidParams);
        CHECK(code(kGreet + R"(,"inputResponses":null)") == kInvalidParams);
    }
    SECTION("of another request") {
        for (const auto* members :
             {R"("name":"greet","arguments":{"a":1,"b":3})", R"("name":"greet")",
              R"("name":"greet","arguments":{"a":1,"b":"2"})",
              R"("name":"greet2","arguments":{"a":1,"b":2})",
              R"("name":"greet","arguments":{"a":1,"b":2},"more":1)"}) {
            INFO(members);
            CHECK(code(members + with(state)) == kInvalidParams);
        }
        CHECK(code(kGreet + with(state), "prompts/get") == kInvalidParams);
    }
    SECTION("of another process") {
        Greeting other(options);
        CHECK(code(kGreet + with(other.call(kGreet)->getValue<std::string>("requestState"))) ==
              kInvalidParams);
    }
    SECTION("too old") {
        now += std::chrono::minutes(10) - std::chrono::nanoseconds(1);
        fixture.call(kGreet + with(state));
        now += std::chrono::nanoseconds(1);
        CHECK(code(kGreet + with(state)) == kInvalidParams);
    }
    CHECK(fixture.states.size() <= 2);  // no handler has seen any of it
    fixture.check_alive();
}

TEST_CASE("only what the client has declared is asked for", "[mcp][input]") {
    Greeting fixture;
    const auto error = fixture.error(
        modern_from(R"({"elicitation":{},"roots":{}})", "1", "tools/call", R"("name":"many")"));
    CHECK(error->getValue<int>("code") == kMissingCapability);
    CHECK(to_json(*error->getObject("data")) == R"({"requiredCapabilities":{"sampling":{}}})");
    CHECK(fixture.error_code(modern("1", "tools/call", kGreet)) == kMissingCapability);
    const auto no_form =
        fixture.error(modern_from(R"({"elicitation":{"url":{}}})", "1", "tools/call", kGreet));
    CHECK(to_json(*no_form->getObject("data")) ==
          R"({"requiredCapabilities":{"elicitation":{"form":{}}}})");
}

TEST_CASE("a handler can demand a capability", "[mcp][input]") {
    Greeting fixture;
    const std::string needy = R"("name":"needy")";
    const auto error = fixture.error(modern_from(kAll, "1", "tools/call", needy));
    CHECK(error->getValue<int>("code") == kMissingCapability);
    CHECK(to_json(*error->getObject("data")) ==
          R"({"requiredCapabilities":{"sampling":{"tools":{}}}})");
    CHECK(fixture.result(modern_from(R"({"sampling":{"tools":{}}})", "1", "tools/call", needy))
              ->has("content"));
    fixture.open("2025-11-25");
    CHECK(fixture.error_code(legacy("1", "tools/call", "{" + needy + "}")) == kInvalidRequest);
}

TEST_CASE("a legacy request can neither ask for input nor bring any", "[mcp][input]") {
    Greeting fixture;
    fixture.open("2025-11-25", kAll);
    CHECK(fixture.error_code(legacy("1", "tools/call", "{" + kGreet + "}")) == kInternalError);
    CHECK(fixture.error_code(
              legacy("1", "tools/call", "{" + kGreet + kResponses + R"("requestState":7})")) ==
          kInternalError);
    CHECK(fixture.states == std::vector<std::string>{"none", "none"});
}
