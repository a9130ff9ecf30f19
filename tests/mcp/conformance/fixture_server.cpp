// A stdio server of the protocol library alone, with everything that the official conformance suite
// calls. It shows what the library does, not what the product does.
#include <fcntl.h>

#include <chrono>
#include <iostream>

#include "fixtures.hpp"
#include "steward/mcp/stdio_transport.hpp"
#include "steward/mcp/stdio_writer.hpp"

namespace steward::conformance {
namespace {

using Clock = mcp::StdioTransport::Clock;

int serve() {
    mcp::StdioTransport* loop = nullptr;
    mcp::Server* served = nullptr;

    mcp::StdioWriter::Options writing;
    writing.on_error = [&loop](int) { loop->stop(); };
    writing.on_drained = [&loop, &served] { loop->post([&served] { served->flush_updates(); }); };

    mcp::StdioTransport::Options reading;
    reading.on_line = [&served](std::string_view line) { served->receive(line); };
    reading.on_oversize = [&served](std::size_t limit) { served->receive_oversize(limit); };
    reading.on_lost = [&served] { served->receive_lost(); };
    reading.on_eof = [&loop] { loop->stop(); };
    reading.on_output_closed = [&loop] { loop->stop(); };
    mcp::StdioTransport transport(reading);
    loop = &transport;
    mcp::StdioWriter writer(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), writing);

    mcp::Options options;
    options.logging = true;
    options.subscriptions = true;
    options.list_changed = true;
    options.congested = [&writer] { return writer.congested(); };
    options.post = [&transport](std::function<void()> task) { transport.post(std::move(task)); };
    mcp::Hooks hooks;
    hooks.on_trouble = [](std::string_view text) { std::cerr << text << '\n'; };
    mcp::Server server(
        {"steward-conformance-fixture", "Conformance fixture", "1.0.0", ""}, options,
        [&writer](const std::string& line, mcp::LineKind kind) { writer.enqueue(line, kind); }, {},
        hooks);
    served = &server;
    add_tools(server, [&transport](std::chrono::milliseconds after, std::function<void()> task) {
        transport.arm(Clock::now() + after, std::move(task));
    });
    add_input_tools(server);
    add_resources(server);
    add_prompts(server);

    transport.run();
    server.close_subscriptions();
    writer.flush(Clock::now() + std::chrono::seconds(1));
    return 0;
}

}  // namespace
}  // namespace steward::conformance

int main() {
    return steward::conformance::serve();
}
