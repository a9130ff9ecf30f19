#include "steward/mcp/server.hpp"

#include <cassert>
#include <exception>
#include <utility>

#include "engine.hpp"

namespace steward::mcp {
namespace {

// Whatever a library throws ends here: one message is lost, the server goes on.
template <typename Work>
void guarded(Engine& engine, Work work) noexcept {
    try {
        work();
    } catch (const std::exception& error) {
        try {
            engine.receive_failed(error.what());
        } catch (const std::exception&) {
            // Not even the error can be sent; the client will time out.
        }
    }
}

}  // namespace

Server::Server(ServerInfo info, Options options, Sink sink, Validator validator, Hooks hooks)
    : engine_(std::make_shared<Engine>(std::move(info), std::move(options), std::move(sink),
                                       std::move(validator), std::move(hooks))) {}

Server::~Server() = default;

void Server::add_tool(Tool tool) {
    [[maybe_unused]] const bool added = engine_->catalog().add(std::move(tool));
    assert(added && "the tool's name is taken or not allowed");
}

void Server::add_resource(Resource resource) {
    [[maybe_unused]] const bool added = engine_->catalog().add(std::move(resource));
    assert(added && "the resource's uri is taken or empty");
}

void Server::add_resource_template(ResourceTemplate resource) {
    [[maybe_unused]] const bool added = engine_->catalog().add(std::move(resource));
    assert(added && "the template is taken or malformed");
}

void Server::receive(std::string_view line) noexcept {
    guarded(*engine_, [&] { engine_->receive(line); });
}

void Server::receive_oversize(std::size_t limit) noexcept {
    guarded(*engine_, [&] { engine_->receive_oversize(limit); });
}

std::size_t Server::pending() const noexcept {
    return engine_->pending();
}

}  // namespace steward::mcp
