// What the official conformance suite expects a server to offer: its scenarios call these tools,
// resources and prompts by name and know their answers. The suite's descriptions are the source of
// every text.
#pragma once

#include <Poco/JSON/Object.h>

#include <chrono>
#include <functional>
#include <string>

#include "steward/mcp/server.hpp"

namespace steward::conformance {

// Runs a task on the mcp thread after a while.
using Later = std::function<void(std::chrono::milliseconds, std::function<void()>)>;

void add_tools(mcp::Server& server, const Later& later);
void add_input_tools(mcp::Server& server);
void add_resources(mcp::Server& server);
void add_prompts(mcp::Server& server);

// The smallest picture and the smallest sound, in base64.
[[nodiscard]] const std::string& png_base64();
[[nodiscard]] const std::string& wav_base64();

// The object that `text` is; ends the program when it is none.
[[nodiscard]] Poco::JSON::Object::Ptr object(const std::string& text);
[[nodiscard]] Poco::JSON::Object::Ptr image_block();
[[nodiscard]] Poco::JSON::Object::Ptr resource_block(const std::string& uri,
                                                     const std::string& mime_type,
                                                     const std::string& text);

void add_tool(mcp::Server& server, const std::string& name, const std::string& description,
              mcp::Handler handler, const Poco::JSON::Object::Ptr& input_schema = {});

// A question for a form with these properties, all of them required.
[[nodiscard]] Poco::JSON::Object::Ptr form(const std::string& message,
                                           const std::string& properties,
                                           const std::string& required);

}  // namespace steward::conformance
