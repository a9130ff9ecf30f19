// Prompts and completion: what a server offers, and the answers that handlers give.
//
// Prompts come from two places: those registered one by one, which never change, and one source,
// which is asked each time. Lists show the registered ones first.
//
// Thread rule: plain values, one owner at a time. PromptResult holds text, not shared trees, so
// that it may be made on one thread and moved to another.
#pragma once

#include <Poco/JSON/Object.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "steward/mcp/types.hpp"

namespace steward::mcp {

struct PromptArgument {
    std::string name;
    std::string title;
    std::string description;
    bool required = false;
};

// One entry of prompts/list.
struct PromptInfo {
    std::string name;
    std::string title;
    std::string description;
    std::vector<PromptArgument> arguments;
};

// A registered prompt. Its handler answers prompts/get and finds all required arguments there.
struct Prompt : PromptInfo {
    Handler handler;
};

// Prompts that come and go.
struct PromptSource {
    // Answers one page of prompts/list with Call::reply_prompts(); Call::position() says where the
    // page begins. A position that it does not know it fails with -32602.
    Handler list;
    // Answers prompts/get for a name that is not registered, Call::not_found() when there is none.
    Handler get;
};

enum class Role { kUser, kAssistant };

// The answer of prompts/get.
class PromptResult {
  public:
    PromptResult& set_description(std::string_view description);
    PromptResult& add_text(Role role, std::string_view text);
    // Any other block of content, as the revision of the client knows it.
    PromptResult& add_block(Role role, const Poco::JSON::Object& block);

    [[nodiscard]] const std::string& description() const noexcept { return description_; }
    [[nodiscard]] const std::string& messages_json() const noexcept { return messages_; }

  private:
    void open_message(Role role);

    std::string description_;
    std::string messages_;  // comma separated
};

// What a client wants completed.
struct CompletionRequest {
    enum class Of { kPrompt, kResource };
    Of of = Of::kPrompt;
    std::string ref;                             // the prompt's name, or the uri or uri template
    std::string argument;                        // of the prompt, or a variable of the template
    std::string value;                           // typed so far
    std::map<std::string, std::string> context;  // arguments that are settled already
};

}  // namespace steward::mcp
