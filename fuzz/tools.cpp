#include "harness.hpp"

#include <stdexcept>

namespace steward::fuzz {
namespace {

using Poco::JSON::Object;
using CallPtr = std::shared_ptr<mcp::Call>;

Object::Ptr object(const std::string& text) {
    return Poco::JSON::Parser().parse(text).extract<Object::Ptr>();
}

void add_tool(Harness& harness, const std::string& name, mcp::Handler handler,
              const std::string& schema = "") {
    mcp::Tool tool;
    tool.name = name;
    tool.handler = std::move(handler);
    if (!schema.empty()) {
        tool.input_schema = object(schema);
    }
    harness.server().add_tool(std::move(tool));
}

// A tool that asks the client, in either way.
void ask(const CallPtr& call) {
    const auto params = object(
        R"({"message":"?","requestedSchema":{"type":"object","properties":{"a":{"type":"string"}}}})");
    const auto* const method = mcp::as_string(mcp::find_member(call->arguments(), "method"));
    const std::string asked = method != nullptr ? *method : "elicitation/create";
    if (!call->asks_by_result()) {
        const bool sent = call->ask_client(asked, params, [call](const mcp::ClientReply& reply) {
            call->reply(reply.result.isNull() ? mcp::ToolResult::error(reply.message)
                                              : mcp::ToolResult::object(*reply.result));
        });
        if (!sent) {
            call->reply(mcp::ToolResult::error("this client cannot be asked"));
        }
    } else if (call->state() && !call->input_response("a").isNull()) {
        call->reply(mcp::ToolResult::object(*call->input_response("a")));
    } else {
        call->require_input({{"a", asked, params}}, call->state().value_or("") + "+");
    }
}

void talk(const CallPtr& call) {
    call->progress(0.5, 1e300, "a \"half\"");
    call->progress(0.25);
    call->progress(1);
    call->log(mcp::LogLevel::kDebug, "", "1");
    call->log(mcp::LogLevel::kEmergency, "talk", R"(["\u0000"])");
    if (call->require_capabilities(object(R"({"sampling":{}})"))) {
        call->reply(mcp::ToolResult::text("said"));
    }
}

}  // namespace

void register_tools(Harness& harness) {
    add_tool(
        harness, "echo",
        [](const CallPtr& call) { call->reply(mcp::ToolResult::object(call->arguments())); },
        R"({"type":"object","properties":{"n":{"type":"integer","minimum":0},"s":{"type":"string"}}})");
    add_tool(harness, "keep", [&harness](const CallPtr& call) { harness.keep(call); });
    add_tool(harness, "later", [&harness](const CallPtr& call) {
        harness.later([call] { call->reply(mcp::ToolResult::text("later")); });
    });
    add_tool(harness, "forget", [](const CallPtr&) {});
    add_tool(harness, "throw", [](const CallPtr& call) {
        if (call->arguments().has("answered")) {
            call->reply(mcp::ToolResult::text("before"));
        }
        throw std::runtime_error("thrown");
    });
    add_tool(harness, "huge", [](const CallPtr& call) {
        call->reply(mcp::ToolResult::text(std::string(9000, '\x01')));
    });
    add_tool(harness, "ask", ask);
    add_tool(harness, "talk", talk);
}

void register_prompts(Harness& harness) {
    auto& server = harness.server();
    mcp::Prompt prompt;
    prompt.name = "greet";
    prompt.arguments = {{"who", "Who", "whom to greet", true}, {"how", "", "", false}};
    prompt.handler = [](const CallPtr& call) {
        const auto* const who = mcp::as_string(mcp::find_member(call->arguments(), "who"));
        call->reply_prompt(mcp::PromptResult().add_text(mcp::Role::kUser, "greet " + *who));
    };
    server.add_prompt(prompt);
    mcp::PromptSource source;
    source.list = [](const CallPtr& call) {
        if (call->position().empty()) {
            call->reply_prompts({{"one", "One", "", {}}}, "page 2");
        } else if (call->position() == "page 2") {
            call->reply_prompts({{"two", "", "the last", {}}});
        } else {
            call->fail(mcp::kInvalidParams, "unknown position " + mcp::excerpt(call->position()));
        }
    };
    source.get = [](const CallPtr& call) {
        if (call->target() == "one" || call->target() == "two") {
            call->reply_prompt(
                mcp::PromptResult()
                    .set_description(call->target())
                    .add_text(mcp::Role::kAssistant, mcp::to_json(call->arguments())));
        } else {
            call->not_found();
        }
    };
    server.set_prompt_source(source);
    server.set_completer([](const CallPtr& call) {
        const auto& asked = call->completion();
        call->reply_completion({asked.ref, asked.argument, asked.value}, 1000, true);
    });
}

}  // namespace steward::fuzz
