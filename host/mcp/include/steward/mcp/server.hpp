// The protocol side of an MCP server: lines in, lines out.
//
// It speaks the legacy revisions 2024-11-05, 2025-03-26, 2025-06-18 and 2025-11-25 and the modern
// revision 2026-07-28, decided message by message. It knows the protocol and the registered tools,
// resources and prompts; it does no I/O and starts no thread.
//
// What it holds about a client: the revision that `initialize` settled and the log level, the calls
// in flight, the questions they have asked the client, and the subscriptions.
// Whatever is received, it goes on: broken input is answered with an error or ignored.
//
// Thread rule: one thread, the mcp thread, makes every call (asserted in debug builds): the one
// that first calls receive(). Registration is over by then.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "steward/mcp/call.hpp"
#include "steward/mcp/prompts.hpp"
#include "steward/mcp/types.hpp"

namespace steward::mcp {

class Server {
  public:
    // `validator` may be empty: then arguments are not checked.
    Server(ServerInfo info, Options options, Sink sink, Validator validator, Hooks hooks = {});
    // Calls in flight are forgotten; their Call objects stay valid and answer nobody.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Registration, before the first receive(). Lists show the order of registration. The names of
    // tools and of prompts, the uris of resources and the texts of templates are unique (asserted; a
    // second one is ignored). Capabilities follow from what is registered: without a tool there is
    // no tools/list.
    void add_tool(Tool tool);
    void add_resource(Resource resource);
    void add_resource_template(ResourceTemplate resource);
    void add_prompt(Prompt prompt);
    // Both handlers are set. Its names should differ from those of registered prompts, which win.
    void set_prompt_source(PromptSource source);
    // Answers completion/complete with Call::reply_completion(); for what it does not know it fails
    // with -32602.
    void set_completer(Handler completer);

    // Handles one line, without its newline. Answers of methods that need no handler are in the
    // sink when it returns. Does not throw.
    void receive(std::string_view line) noexcept;
    // The transport threw away a line beyond its limit: answered with -32600.
    void receive_oversize(std::size_t limit) noexcept;
    // The transport threw away a line for want of memory: answered with -32603.
    void receive_lost() noexcept;

    // Calls that wait for their answer; open subscriptions/listen requests are none of them.
    [[nodiscard]] std::size_t pending() const noexcept;

    // Tells those who have subscribed, once per subscription, or marks it while Options::congested
    // says true. A uri is compared as it was subscribed to, byte by byte.
    void resource_updated(const std::string& uri) noexcept;
    // The same for every uri of which `affected` says true: a template's variable can be written in
    // several ways. Each uri is asked for once per subscription to it.
    void resources_updated_if(const std::function<bool(std::string_view uri)>& affected) noexcept;
    void tools_changed() noexcept;
    void prompts_changed() noexcept;
    void resources_changed() noexcept;
    // The client reads again: sends what was marked meanwhile, the last state once. Due when
    // Options::congested says false again, on the mcp thread.
    void flush_updates() noexcept;
    // The server is about to end: answers all subscriptions/listen requests.
    void close_subscriptions() noexcept;

  private:
    std::shared_ptr<Engine> engine_;
};

}  // namespace steward::mcp
