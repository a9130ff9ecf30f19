// The tools that ask a modern client for input in place of a result.
#include <memory>
#include <string>
#include <vector>

#include "fixtures.hpp"
#include "steward/mcp/json.hpp"

namespace steward::conformance {
namespace {

using CallPtr = std::shared_ptr<mcp::Call>;

mcp::InputRequest ask_name(const std::string& key, const std::string& message) {
    return {key, "elicitation/create",
            form(message, R"({"name":{"type":"string"}})", R"(["name"])")};
}

mcp::InputRequest ask_model(const std::string& key, const std::string& text, int max_tokens) {
    auto params = object(R"({"messages":[{"role":"user","content":{"type":"text","text":")" + text +
                         R"("}}],"maxTokens":)" + std::to_string(max_tokens) + "}");
    return {key, "sampling/createMessage", params};
}

mcp::InputRequest confirm() {
    return {"confirm", "elicitation/create",
            form("Please confirm", R"({"ok":{"type":"boolean"}})", R"(["ok"])")};
}

// A member of the content that the user accepted; nothing when it was not accepted.
std::optional<std::string> accepted(const mcp::Call& call, const std::string& key,
                                    const std::string& member) {
    const auto response = call.input_response(key);
    const auto content =
        response.isNull() ? nullptr : mcp::as_object(mcp::find_member(*response, "content"));
    const auto* text =
        content.isNull() ? nullptr : mcp::as_string(mcp::find_member(*content, member));
    return text != nullptr ? std::optional(*text) : std::nullopt;
}

void add_single(mcp::Server& server) {
    add_tool(server, "test_input_required_result_elicitation", "asks for a name",
             [](const CallPtr& call) {
                 if (const auto name = accepted(*call, "user_name", "name")) {
                     call->reply(mcp::ToolResult::text("Hello, " + *name + "!"));
                 } else {
                     call->require_input({ask_name("user_name", "What is your name?")});
                 }
             });
    add_tool(server, "test_input_required_result_sampling", "asks the client's model",
             [](const CallPtr& call) {
                 const auto response = call->input_response("capital_question");
                 if (response.isNull()) {
                     call->require_input(
                         {ask_model("capital_question", "What is the capital of France?", 100)});
                     return;
                 }
                 const auto content = mcp::as_object(mcp::find_member(*response, "content"));
                 const auto* text = content.isNull()
                                        ? nullptr
                                        : mcp::as_string(mcp::find_member(*content, "text"));
                 call->reply(mcp::ToolResult::text(text != nullptr ? *text : "no answer"));
             });
    add_tool(server, "test_input_required_result_list_roots", "asks for the client's roots",
             [](const CallPtr& call) {
                 const auto response = call->input_response("client_roots");
                 if (response.isNull()) {
                     call->require_input({{"client_roots", "roots/list", {}}});
                 } else {
                     call->reply(mcp::ToolResult::text("Roots: " + mcp::to_json(*response)));
                 }
             });
    add_tool(server, "test_streaming_elicitation", "asks for a confirmation",
             [](const CallPtr& call) {
                 if (call->input_response("confirm").isNull()) {
                     call->require_input({confirm()});
                 } else {
                     call->reply(mcp::ToolResult::text("Confirmed."));
                 }
             });
}

void add_with_state(mcp::Server& server) {
    const mcp::Handler remember = [](const CallPtr& call) {
        if (call->input_response("confirm").isNull() || !call->state()) {
            call->require_input({confirm()}, "waiting");
        } else {
            call->reply(mcp::ToolResult::text("state-ok"));
        }
    };
    add_tool(server, "test_input_required_result_request_state", "remembers that it asked",
             remember);
    add_tool(server, "test_input_required_result_tampered_state", "remembers that it asked",
             remember);
    add_tool(server, "test_input_required_result_multi_round", "asks twice",
             [](const CallPtr& call) {
                 const std::string round = call->state().value_or("");
                 const bool named = accepted(*call, "step1", "name").has_value();
                 if (round == "2" && accepted(*call, "step2", "color")) {
                     call->reply(mcp::ToolResult::text("Both are known."));
                 } else if (round == "2" || (round == "1" && named)) {
                     call->require_input({{"step2", "elicitation/create",
                                           form("Step 2: What is your favorite color?",
                                                R"({"color":{"type":"string"}})", R"(["color"])")}},
                                         "2");
                 } else {
                     call->require_input({ask_name("step1", "Step 1: What is your name?")}, "1");
                 }
             });
    add_tool(server, "test_input_required_result_multiple_inputs", "asks three things at once",
             [](const CallPtr& call) {
                 for (const auto* key : {"user_name", "greeting", "client_roots"}) {
                     if (call->input_response(key).isNull()) {
                         call->require_input({ask_name("user_name", "What is your name?"),
                                              ask_model("greeting", "Generate a greeting", 50),
                                              {"client_roots", "roots/list", {}}},
                                             "all");
                         return;
                     }
                 }
                 call->reply(mcp::ToolResult::text("All three are known."));
             });
}

}  // namespace

void add_input_tools(mcp::Server& server) {
    add_single(server);
    add_with_state(server);
    add_tool(server, "test_input_required_result_capabilities", "asks what the client can answer",
             [](const CallPtr& call) {
                 std::vector<mcp::InputRequest> inputs;
                 for (auto& input : {ask_name("user_name", "What is your name?"),
                                     ask_model("greeting", "Generate a greeting", 50)}) {
                     if (call->may_ask(input.method)) {
                         inputs.push_back(input);
                     }
                 }
                 call->require_input(inputs);
             });
    add_tool(server, "test_missing_capability", "needs a client that can sample",
             [](const CallPtr& call) {
                 if (call->require_capabilities(object(R"({"sampling":{}})"))) {
                     call->reply(mcp::ToolResult::text("It can."));
                 }
             });
}

}  // namespace steward::conformance
