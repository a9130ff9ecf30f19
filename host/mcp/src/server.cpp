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

// The same for what did not come from a client: nobody waits for an answer.
template <typename Work>
void guarded_change(Engine& engine, Work work) noexcept {
    try {
        work();
    } catch (const std::exception& error) {
        try {
            engine.change_failed(error.what());
        } catch (const std::exception&) {
            // The log has no room either.
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

void Server::add_prompt(Prompt prompt) {
    [[maybe_unused]] const bool added = engine_->catalog().add(std::move(prompt));
    assert(added && "the prompt's name is taken or empty");
}

void Server::set_prompt_source(PromptSource source) {
    assert(source.list && source.get && "a source answers both methods");
    engine_->set_prompt_source(std::move(source));
}

void Server::set_completer(Handler completer) {
    engine_->set_completer(std::move(completer));
}

void Server::receive(std::string_view line) noexcept {
    guarded(*engine_, [&] { engine_->receive(line); });
}

void Server::receive_oversize(std::size_t limit) noexcept {
    guarded(*engine_, [&] { engine_->receive_oversize(limit); });
}

void Server::receive_lost() noexcept {
    guarded(*engine_, [&] { engine_->receive_failed("there is no memory for it"); });
}

std::size_t Server::pending() const noexcept {
    return engine_->pending();
}

void Server::resource_updated(const std::string& uri) noexcept {
    guarded_change(*engine_, [&] { engine_->resource_updated(uri); });
}

void Server::resources_updated_if(
    const std::function<bool(std::string_view uri)>& affected) noexcept {
    guarded_change(*engine_, [&] { engine_->resources_updated_if(affected); });
}

void Server::tools_changed() noexcept {
    guarded_change(*engine_, [&] { engine_->list_changed(ListKind::kTools); });
}

void Server::prompts_changed() noexcept {
    guarded_change(*engine_, [&] { engine_->list_changed(ListKind::kPrompts); });
}

void Server::resources_changed() noexcept {
    guarded_change(*engine_, [&] { engine_->list_changed(ListKind::kResources); });
}

void Server::flush_updates() noexcept {
    guarded_change(*engine_, [&] { engine_->flush_updates(); });
}

void Server::close_subscriptions() noexcept {
    guarded_change(*engine_, [&] { engine_->close_subscriptions(); });
}

}  // namespace steward::mcp
