// The tools that both eras call.
#include <memory>
#include <string>
#include <utility>

#include "fixtures.hpp"
#include "steward/mcp/json.hpp"

namespace steward::conformance {
namespace {

using CallPtr = std::shared_ptr<mcp::Call>;
using std::chrono::milliseconds;

constexpr milliseconds kPause{50};

std::string text_argument(const mcp::Call& call, std::string_view name) {
    const auto* text = mcp::as_string(mcp::find_member(call.arguments(), name));
    return text != nullptr ? *text : std::string();
}

Poco::JSON::Object::Ptr one_text(const std::string& name, const std::string& description) {
    auto schema = object(R"({"type":"object"})");
    schema->set("properties", object("{\"" + name + R"(":{"type":"string","description":")" +
                                     description + "\"}}"));
    schema->set("required", object(R"({"x":[")" + name + "\"]}")->get("x"));
    return schema;
}

void add_content(mcp::Server& server) {
    add_tool(server, "test_simple_text", "one text", [](const CallPtr& call) {
        call->reply(mcp::ToolResult::text("This is a simple text response for testing."));
    });
    add_tool(server, "test_image_content", "one picture",
             [](const CallPtr& call) { call->reply(mcp::ToolResult().add_block(*image_block())); });
    add_tool(server, "test_audio_content", "one sound", [](const CallPtr& call) {
        auto block = mcp::ordered_object();
        block->set("type", "audio");
        block->set("data", wav_base64());
        block->set("mimeType", "audio/wav");
        call->reply(mcp::ToolResult().add_block(*block));
    });
    add_tool(server, "test_embedded_resource", "one resource", [](const CallPtr& call) {
        call->reply(mcp::ToolResult().add_block(*resource_block(
            "test://embedded-resource", "text/plain", "This is an embedded resource content.")));
    });
    add_tool(server, "test_multiple_content_types", "a text, a picture and a resource",
             [](const CallPtr& call) {
                 call->reply(mcp::ToolResult::text("Multiple content types test:")
                                 .add_block(*image_block())
                                 .add_block(*resource_block("test://mixed-content-resource",
                                                            "application/json",
                                                            R"({"test":"data","value":123})")));
             });
    add_tool(server, "test_error_handling", "always fails", [](const CallPtr& call) {
        call->reply(mcp::ToolResult::error("This tool intentionally returns an error for testing"));
    });
    add_tool(server, "test_reconnection", "answers at once; streams are not its business",
             [](const CallPtr& call) { call->reply(mcp::ToolResult::text("Reconnected.")); });
}

void add_reports(mcp::Server& server, const Later& later) {
    add_tool(server, "test_tool_with_logging", "logs while it works", [later](const CallPtr& call) {
        call->log(mcp::LogLevel::kInfo, "", R"("Tool execution started")");
        later(kPause, [call] { call->log(mcp::LogLevel::kInfo, "", R"("Tool processing data")"); });
        later(2 * kPause, [call] {
            call->log(mcp::LogLevel::kInfo, "", R"("Tool execution completed")");
            call->reply(mcp::ToolResult::text("Logged three times."));
        });
    });
    add_tool(server, "test_logging_tool", "logs once", [](const CallPtr& call) {
        call->log(mcp::LogLevel::kInfo, "", R"("only for those who asked")");
        call->reply(mcp::ToolResult::text("Logged."));
    });
    add_tool(server, "test_tool_with_progress", "reports progress", [later](const CallPtr& call) {
        call->progress(0, 100);
        later(kPause, [call] { call->progress(50, 100); });
        later(2 * kPause, [call] {
            call->progress(100, 100);
            call->reply(mcp::ToolResult::text("Came to its end."));
        });
    });
    add_tool(server, "test_trigger_tool_change", "says that the tools have changed",
             [&server](const CallPtr& call) {
                 server.tools_changed();
                 call->reply(mcp::ToolResult::text("Told."));
             });
    add_tool(server, "test_trigger_prompt_change", "says that the prompts have changed",
             [&server](const CallPtr& call) {
                 server.prompts_changed();
                 call->reply(mcp::ToolResult::text("Told."));
             });
}

// Asks a legacy client and answers with what `tell` makes of its result.
void ask(const CallPtr& call, std::string_view method, const Poco::JSON::Object::Ptr& params,
         std::function<std::string(const Poco::JSON::Object&)> tell) {
    const bool asked = call->ask_client(
        method, params, [call, tell = std::move(tell)](const mcp::ClientReply& reply) {
            call->reply(reply.result.isNull()
                            ? mcp::ToolResult::error("the client refused: " + reply.message)
                            : mcp::ToolResult::text(tell(*reply.result)));
        });
    if (!asked) {
        call->reply(mcp::ToolResult::error("the client has not declared " + std::string(method)));
    }
}

std::string action_and_content(const Poco::JSON::Object& result) {
    const auto* action = mcp::as_string(mcp::find_member(result, "action"));
    const auto content = mcp::as_object(mcp::find_member(result, "content"));
    return "action=" + (action != nullptr ? *action : "none") +
           ", content=" + (content.isNull() ? "{}" : mcp::to_json(*content));
}

void add_questions(mcp::Server& server) {
    add_tool(
        server, "test_sampling", "asks the client's model",
        [](const CallPtr& call) {
            auto params =
                object(R"({"messages":[{"role":"user","content":{"type":"text","text":""}}],)"
                       R"("maxTokens":100})");
            params->getArray("messages")
                ->getObject(0)
                ->getObject("content")
                ->set("text", text_argument(*call, "prompt"));
            ask(call, "sampling/createMessage", params, [](const Poco::JSON::Object& result) {
                const auto content = mcp::as_object(mcp::find_member(result, "content"));
                const auto* text =
                    content.isNull() ? nullptr : mcp::as_string(mcp::find_member(*content, "text"));
                return "LLM response: " + (text != nullptr ? *text : "none");
            });
        },
        one_text("prompt", "what to ask the model"));
    add_tool(
        server, "test_elicitation", "asks the client's user",
        [](const CallPtr& call) {
            ask(call, "elicitation/create",
                form(text_argument(*call, "message"),
                     R"({"username":{"type":"string","description":"User's response"},)"
                     R"("email":{"type":"string","description":"User's email address"}})",
                     R"(["username","email"])"),
                [](const Poco::JSON::Object& result) {
                    return "User response: " + action_and_content(result);
                });
        },
        one_text("message", "what to show the user"));
    const auto completed = [](const Poco::JSON::Object& result) {
        return "Elicitation completed: " + action_and_content(result);
    };
    add_tool(server, "test_elicitation_sep1034_defaults", "a form with defaults",
             [completed](const CallPtr& call) {
                 ask(call, "elicitation/create",
                     form("Please check these values",
                          R"({"name":{"type":"string","default":"John Doe"},)"
                          R"("age":{"type":"integer","default":30},)"
                          R"("score":{"type":"number","default":95.5},)"
                          R"("status":{"type":"string","enum":["active","inactive","pending"],)"
                          R"("default":"active"},"verified":{"type":"boolean","default":true}})",
                          "[]"),
                     completed);
             });
    add_tool(server, "test_elicitation_sep1330_enums", "a form with choices of all kinds",
             [completed](const CallPtr& call) {
                 ask(call, "elicitation/create",
                     form("Please choose",
                          R"({"untitledSingle":{"type":"string",)"
                          R"("enum":["option1","option2","option3"]},)"
                          R"("titledSingle":{"type":"string","oneOf":[)"
                          R"({"const":"value1","title":"First Option"},)"
                          R"({"const":"value2","title":"Second Option"},)"
                          R"({"const":"value3","title":"Third Option"}]},)"
                          R"("legacyEnum":{"type":"string","enum":["opt1","opt2","opt3"],)"
                          R"("enumNames":["Option One","Option Two","Option Three"]},)"
                          R"("untitledMulti":{"type":"array","items":{"type":"string",)"
                          R"("enum":["option1","option2","option3"]}},)"
                          R"("titledMulti":{"type":"array","items":{"anyOf":[)"
                          R"({"const":"value1","title":"First Choice"},)"
                          R"({"const":"value2","title":"Second Choice"},)"
                          R"({"const":"value3","title":"Third Choice"}]}}})",
                          "[]"),
                     completed);
             });
}

}  // namespace

void add_tools(mcp::Server& server, const Later& later) {
    add_content(server);
    add_reports(server, later);
    add_questions(server);
    add_tool(
        server, "json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features",
        [](const CallPtr& call) { call->reply(mcp::ToolResult::text("Accepted.")); },
        object(R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object",)"
               R"("$defs":{"address":{"$anchor":"addressDef","type":"object","properties":)"
               R"({"street":{"type":"string"},"city":{"type":"string"}}}},)"
               R"("properties":{"name":{"type":"string"},"address":{"$ref":"#/$defs/address"},)"
               R"("contactMethod":{"type":"string","enum":["phone","email"]},)"
               R"("phone":{"type":"string"},"email":{"type":"string"}},)"
               R"("allOf":[{"anyOf":[{"required":["phone"]},{"required":["email"]}]}],)"
               R"("if":{"properties":{"contactMethod":{"const":"phone"}},)"
               R"("required":["contactMethod"]},)"
               R"("then":{"required":["phone"]},"else":{"required":["email"]},)"
               R"("additionalProperties":false})"));
}

}  // namespace steward::conformance
