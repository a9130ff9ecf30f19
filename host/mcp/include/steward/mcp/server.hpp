// The protocol side of an MCP server: lines in, lines out.
//
// It speaks the legacy revisions 2024-11-05, 2025-03-26, 2025-06-18 and 2025-11-25 and the modern
// revision 2026-07-28, decided message by message. It knows the protocol and the registered tools
// and resources; it does no I/O, keeps no clock and starts no thread.
//
// What it holds about a client: the revision that `initialize` settled, and the calls in flight.
// Whatever is received, it goes on: broken input is answered with an error or ignored.
//
// Thread rule: one thread, the mcp thread, makes every call (asserted in debug builds): the one
// that first calls receive(). Registration is over by then.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "steward/mcp/call.hpp"
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
    // tools, the uris of resources and the texts of templates are unique (asserted; a second one is
    // ignored). Capabilities follow from what is registered: without a tool there is no tools/list.
    void add_tool(Tool tool);
    void add_resource(Resource resource);
    void add_resource_template(ResourceTemplate resource);

    // Handles one line, without its newline. Answers of methods that need no handler are in the
    // sink when it returns. Does not throw.
    void receive(std::string_view line) noexcept;
    // The transport threw away a line beyond its limit: answered with -32600.
    void receive_oversize(std::size_t limit) noexcept;

    // Calls that wait for their answer.
    [[nodiscard]] std::size_t pending() const noexcept;

  private:
    std::shared_ptr<Engine> engine_;
};

}  // namespace steward::mcp
