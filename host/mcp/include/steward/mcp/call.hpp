// One request that a handler answers, on its way from the client to the handler and back: a
// tools/call, resources/read, prompts/list, prompts/get or completion/complete.
//
// Every call is answered once: the first of reply, reply_*, require_input, fail and not_found
// counts, later ones do nothing. A call that is dropped without an answer is answered with -32603.
// A call that the client has cancelled gets no answer, whatever the handler does. Progress, log
// messages and questions to the client are possible until then and do nothing later.
//
// Thread rule: everything belongs to the mcp thread (asserted in debug builds), but for
// cancelled(), and for the end of the last reference when Options::post is set. A handler that
// works elsewhere posts its answer back to the mcp thread.
#pragma once

#include <Poco/JSON/Object.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "steward/mcp/errors.hpp"
#include "steward/mcp/prompts.hpp"
#include "steward/mcp/types.hpp"
#include "steward/mcp/uri_template.hpp"

namespace steward::mcp {

class Engine;
struct Request;

// What a client answered to a question: a result, or an error when that is null.
struct ClientReply {
    Poco::JSON::Object::Ptr result;
    int code = 0;
    std::string message;
};

// One thing that a client is asked for in place of a result.
struct InputRequest {
    std::string name;  // the key of its response
    std::string method;
    Poco::JSON::Object::Ptr params;  // null: none
};

class Call {
  public:
    // Made by the server alone.
    Call(std::weak_ptr<Engine> engine, std::shared_ptr<Request> request) noexcept;
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // The name of the tool or prompt, the uri that was asked for, or what is to be completed.
    [[nodiscard]] const std::string& target() const noexcept;
    // tools/call: the arguments, checked against the input schema. prompts/get: the arguments, all
    // of them strings. Else, and when there are none, an empty object.
    [[nodiscard]] const Poco::JSON::Object& arguments() const noexcept;
    // resources/read through a template: the decoded variables. Unknown name: an empty string.
    [[nodiscard]] const UriVariables& variables() const noexcept;
    [[nodiscard]] std::string variable(const std::string& name) const;
    // prompts/list: the position that was given to reply_prompts() for the next page; empty for the
    // first one. A client can forge it.
    [[nodiscard]] const std::string& position() const noexcept;
    // completion/complete: what is asked for.
    [[nodiscard]] const CompletionRequest& completion() const noexcept;

    [[nodiscard]] const Client& client() const noexcept;

    // True once the client has cancelled the call. Any thread.
    [[nodiscard]] bool cancelled() const noexcept;
    // Runs `fn` when the client cancels the call before it is answered. At most one; a new one
    // replaces the old one.
    void on_cancel(std::function<void()> fn);
    [[nodiscard]] bool answered() const noexcept;

    // Tells a client that asked for it how far the work is. Only values that grow are sent; the
    // message only where the revision has it. How often is the handler's business; it should not
    // report the end just before the answer: the TypeScript SDK 1.x finishes the request first when
    // both come in one read, and then complains about an unknown token.
    void progress(double progress, std::optional<double> total = std::nullopt,
                  std::string_view message = {});
    // Sends a log message to a client that wants that level. `data_json` is one JSON value without
    // a newline, `logger` may be empty.
    void log(LogLevel level, std::string_view logger, std::string_view data_json);

    // Whether the client can be asked `method` ("elicitation/create", "sampling/createMessage",
    // "roots/list"): its revision has it and it has declared the capability. `params` (may be null)
    // tells variants apart that need a capability of their own.
    [[nodiscard]] bool may_ask(std::string_view method,
                               const Poco::JSON::Object::Ptr& params = {}) const;
    // How it is asked: in place of a result, with require_input(); else with ask_client().
    [[nodiscard]] bool asks_by_result() const noexcept;
    // Sends the client a request (legacy revisions). `on_reply` runs once, with the reply, unless
    // the call ends first: then the question is withdrawn. There is no time limit. False, and
    // nothing happens, when the client cannot be asked.
    [[nodiscard]] bool ask_client(std::string_view method, const Poco::JSON::Object::Ptr& params,
                                  std::function<void(const ClientReply&)> on_reply);
    // Answers tools/call, prompts/get and resources/read of a modern client with a question: it
    // sends the request again with its responses and with `state`, which is signed but readable.
    // -32021 when it has not declared what it is asked for.
    void require_input(const std::vector<InputRequest>& inputs, std::string_view state = {});
    // The response of that name to an earlier require_input(); null when there is none, or when it
    // is no object. Clients may send responses that nobody asked for.
    [[nodiscard]] Poco::JSON::Object::Ptr input_response(std::string_view name) const;
    // The state of the earlier require_input() for this very request; nothing on the first try.
    [[nodiscard]] const std::optional<std::string>& state() const noexcept;
    // True when the client has declared every member of `required`; else the call fails with
    // -32021 (legacy: -32600).
    [[nodiscard]] bool require_capabilities(const Poco::JSON::Object::Ptr& required);

    // Answers tools/call.
    void reply(const ToolResult& result);
    // Answers resources/read; without `cache`, with the policy of the registration.
    void reply_resource(ResourceContents contents);
    void reply_resources(std::vector<ResourceContents> contents,
                         std::optional<CachePolicy> cache = std::nullopt);
    // Answers prompts/list; with `next` there is another page, which begins there.
    void reply_prompts(const std::vector<PromptInfo>& prompts,
                       const std::optional<std::string>& next = std::nullopt);
    // Answers prompts/get.
    void reply_prompt(const PromptResult& result);
    // Answers completion/complete. At most 100 values go out; `total` counts those that did not.
    void reply_completion(const std::vector<std::string>& values,
                          std::optional<std::size_t> total = std::nullopt, bool has_more = false);
    // Answers with a protocol error. `data` may be null.
    void fail(int code, std::string_view message, const Poco::JSON::Object::Ptr& data = {});
    // There is no such resource or prompt, in the code that the revision asks for.
    void not_found();

  private:
    std::weak_ptr<Engine> engine_;
    std::shared_ptr<Request> request_;
};

}  // namespace steward::mcp
