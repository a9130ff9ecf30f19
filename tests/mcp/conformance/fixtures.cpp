#include "fixtures.hpp"

#include <Poco/Base64Decoder.h>

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <sstream>
#include <utility>

#include "steward/mcp/json.hpp"

namespace steward::conformance {

const std::string& png_base64() {
    static const std::string kPng =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5Erk"
        "Jg"
        "gg==";
    return kPng;
}

const std::string& wav_base64() {
    static const std::string kWav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQAAAAA=";
    return kWav;
}

Poco::JSON::Object::Ptr object(const std::string& text) {
    Poco::Dynamic::Var value;
    if (mcp::JsonReader().parse(text, value) != mcp::JsonStatus::kOk) {
        std::cerr << "not JSON: " << text << '\n';
        std::abort();
    }
    return value.extract<Poco::JSON::Object::Ptr>();
}

Poco::JSON::Object::Ptr image_block() {
    auto block = mcp::ordered_object();
    block->set("type", "image");
    block->set("data", png_base64());
    block->set("mimeType", "image/png");
    return block;
}

Poco::JSON::Object::Ptr resource_block(const std::string& uri, const std::string& mime_type,
                                       const std::string& text) {
    auto resource = mcp::ordered_object();
    resource->set("uri", uri);
    resource->set("mimeType", mime_type);
    resource->set("text", text);
    auto block = mcp::ordered_object();
    block->set("type", "resource");
    block->set("resource", resource);
    return block;
}

void add_tool(mcp::Server& server, const std::string& name, const std::string& description,
              mcp::Handler handler, const Poco::JSON::Object::Ptr& input_schema) {
    mcp::Tool tool;
    tool.name = name;
    tool.description = description;
    tool.input_schema = input_schema;
    tool.handler = std::move(handler);
    server.add_tool(std::move(tool));
}

Poco::JSON::Object::Ptr form(const std::string& message, const std::string& properties,
                             const std::string& required) {
    auto params = mcp::ordered_object();
    params->set("message", message);
    params->set("requestedSchema", object(R"({"type":"object","properties":)" + properties +
                                          R"(,"required":)" + required + "}"));
    return params;
}

void add_resources(mcp::Server& server) {
    const auto add = [&server](const std::string& uri, const std::string& description,
                               const std::string& mime_type, const std::string& data, bool binary) {
        mcp::Resource resource;
        resource.uri = uri;
        resource.name = uri.substr(uri.rfind('/') + 1);
        resource.description = description;
        resource.mime_type = mime_type;
        resource.handler = [data, binary](const std::shared_ptr<mcp::Call>& call) {
            call->reply_resource({{}, {}, data, binary});
        };
        server.add_resource(std::move(resource));
    };
    std::istringstream base64(png_base64());
    Poco::Base64Decoder decoder(base64);
    const std::string png(std::istreambuf_iterator<char>(decoder), {});
    add("test://static-text", "a text", "text/plain",
        "This is the content of the static text resource.", /*binary=*/false);
    add("test://static-binary", "a picture", "image/png", png, /*binary=*/true);
    add("test://watched-resource", "a text that can be watched", "text/plain", "Watched.",
        /*binary=*/false);

    mcp::ResourceTemplate by_id;
    by_id.uri_template = "test://template/{id}/data";
    by_id.name = "template";
    by_id.description = "data by id";
    by_id.mime_type = "application/json";
    by_id.handler = [](const std::shared_ptr<mcp::Call>& call) {
        auto data = mcp::ordered_object();
        data->set("id", call->variable("id"));
        data->set("templateTest", true);
        data->set("data", "Data for ID: " + call->variable("id"));
        call->reply_resource({{}, {}, mcp::to_json(*data), /*binary=*/false});
    };
    server.add_resource_template(std::move(by_id));
}

void add_prompts(mcp::Server& server) {
    using mcp::Role;
    const auto add = [&server](const std::string& name, const std::string& description,
                               std::vector<mcp::PromptArgument> arguments, mcp::Handler handler) {
        mcp::Prompt prompt;
        prompt.name = name;
        prompt.description = description;
        prompt.arguments = std::move(arguments);
        prompt.handler = std::move(handler);
        server.add_prompt(std::move(prompt));
    };
    const auto argument = [](const mcp::Call& call, std::string_view name) {
        const auto* text = mcp::as_string(mcp::find_member(call.arguments(), name));
        return text != nullptr ? *text : std::string();
    };
    add("test_simple_prompt", "one text", {}, [](const std::shared_ptr<mcp::Call>& call) {
        call->reply_prompt(
            mcp::PromptResult().add_text(Role::kUser, "This is a simple prompt for testing."));
    });
    add("test_prompt_with_arguments", "a text with two arguments",
        {{"arg1", "", "first test argument", true}, {"arg2", "", "second test argument", true}},
        [argument](const std::shared_ptr<mcp::Call>& call) {
            call->reply_prompt(mcp::PromptResult().add_text(
                Role::kUser, "Prompt with arguments: arg1='" + argument(*call, "arg1") +
                                 "', arg2='" + argument(*call, "arg2") + "'"));
        });
    add("test_prompt_with_embedded_resource", "a resource and a text",
        {{"resourceUri", "", "uri of the resource to embed", true}},
        [argument](const std::shared_ptr<mcp::Call>& call) {
            call->reply_prompt(
                mcp::PromptResult()
                    .add_block(Role::kUser,
                               *resource_block(argument(*call, "resourceUri"), "text/plain",
                                               "Embedded resource content for testing."))
                    .add_text(Role::kUser, "Please process the embedded resource above."));
        });
    add("test_prompt_with_image", "a picture and a text", {},
        [](const std::shared_ptr<mcp::Call>& call) {
            call->reply_prompt(mcp::PromptResult()
                                   .add_block(Role::kUser, *image_block())
                                   .add_text(Role::kUser, "Please analyze the image above."));
        });
    add("test_input_required_result_prompt", "asks for what it needs", {},
        [](const std::shared_ptr<mcp::Call>& call) {
            if (call->input_response("user_context").isNull()) {
                call->require_input({{"user_context", "elicitation/create",
                                      form("What context should the prompt use?",
                                           R"({"context":{"type":"string"}})", R"(["context"])")}});
                return;
            }
            call->reply_prompt(mcp::PromptResult().add_text(Role::kUser, "Use that context."));
        });
    server.set_completer([](const std::shared_ptr<mcp::Call>& call) {
        std::vector<std::string> values;
        for (const std::string value : {"paris", "park", "party", "test"}) {
            if (value.rfind(call->completion().value, 0) == 0) {
                values.push_back(value);
            }
        }
        call->reply_completion(values);
    });
}

}  // namespace steward::conformance
