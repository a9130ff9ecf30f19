// One tools/call or resources/read on its way from the client to its handler and back.
//
// Every call is answered once: the first of reply, reply_resource, fail and not_found counts, later
// ones do nothing. A call that is dropped without an answer is answered with -32603. A call that
// the client has cancelled gets no answer, whatever the handler does.
//
// Thread rule: everything belongs to the mcp thread (asserted in debug builds), but for
// cancelled(), and for the end of the last reference when Options::post is set. A handler that
// works elsewhere posts its answer back to the mcp thread.
#pragma once

#include <Poco/JSON/Object.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "steward/mcp/errors.hpp"
#include "steward/mcp/types.hpp"
#include "steward/mcp/uri_template.hpp"

namespace steward::mcp {

class Engine;
struct Request;

class Call {
  public:
    // Made by the server alone.
    Call(std::weak_ptr<Engine> engine, std::shared_ptr<Request> request) noexcept;
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // tools/call: the tool's name; resources/read: the uri that was asked for.
    [[nodiscard]] const std::string& target() const noexcept;
    // tools/call: the arguments, checked against the input schema; an empty object when there are
    // none. resources/read: an empty object.
    [[nodiscard]] const Poco::JSON::Object& arguments() const noexcept;
    // resources/read through a template: the decoded variables. Unknown name: an empty string.
    [[nodiscard]] const UriVariables& variables() const noexcept;
    [[nodiscard]] std::string variable(const std::string& name) const;

    [[nodiscard]] const Client& client() const noexcept;

    // True once the client has cancelled the call. Any thread.
    [[nodiscard]] bool cancelled() const noexcept;
    // Runs `fn` when the client cancels the call before it is answered. At most one; a new one
    // replaces the old one.
    void on_cancel(std::function<void()> fn);
    [[nodiscard]] bool answered() const noexcept;

    // Answers tools/call.
    void reply(const ToolResult& result);
    // Answers resources/read; without `cache`, with the policy of the registration.
    void reply_resource(ResourceContents contents);
    void reply_resources(std::vector<ResourceContents> contents,
                         std::optional<CachePolicy> cache = std::nullopt);
    // Answers with a protocol error. `data` may be null.
    void fail(int code, std::string_view message, const Poco::JSON::Object::Ptr& data = {});
    // Answers resources/read: there is no such resource, in the code that the revision asks for.
    void not_found();

  private:
    std::weak_ptr<Engine> engine_;
    std::shared_ptr<Request> request_;
};

}  // namespace steward::mcp
