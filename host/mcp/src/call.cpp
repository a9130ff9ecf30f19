#include "steward/mcp/call.hpp"

#include <cassert>
#include <exception>
#include <utility>

#include "engine.hpp"

namespace steward::mcp {

Call::Call(std::weak_ptr<Engine> engine, std::shared_ptr<Request> request) noexcept
    : engine_(std::move(engine)), request_(std::move(request)) {}

Call::~Call() {
    if (request_->state != Request::State::kOpen) {
        return;
    }
    try {
        const auto engine = engine_.lock();
        if (!engine) {
            return;
        }
        if (engine->on_owner_thread()) {
            engine->drop(*request_);
            return;
        }
        assert(engine->options().post && "a call was dropped on a foreign thread");
        if (engine->options().post) {
            engine->options().post([weak = engine_, request = request_] {
                if (const auto alive = weak.lock()) {
                    alive->drop(*request);
                }
            });
        }
    } catch (const std::exception&) {
        // Out of memory: the client will time out.
    }
}

const std::string& Call::target() const noexcept {
    return request_->target;
}

const Poco::JSON::Object& Call::arguments() const noexcept {
    return *request_->arguments;
}

const UriVariables& Call::variables() const noexcept {
    return request_->variables;
}

std::string Call::variable(const std::string& name) const {
    const auto found = request_->variables.find(name);
    return found == request_->variables.end() ? std::string() : found->second;
}

const Client& Call::client() const noexcept {
    return *request_->client;
}

bool Call::cancelled() const noexcept {
    return request_->state == Request::State::kCancelled;
}

void Call::on_cancel(std::function<void()> fn) {
    if (request_->state == Request::State::kOpen) {
        request_->on_cancel = std::move(fn);
    }
}

bool Call::answered() const noexcept {
    return request_->state == Request::State::kAnswered;
}

void Call::reply(const ToolResult& result) {
    if (const auto engine = engine_.lock()) {
        engine->answer_tool(*request_, result);
    }
}

void Call::reply_resource(ResourceContents contents) {
    std::vector<ResourceContents> list;
    list.push_back(std::move(contents));
    reply_resources(std::move(list));
}

void Call::reply_resources(std::vector<ResourceContents> contents,
                           std::optional<CachePolicy> cache) {
    if (const auto engine = engine_.lock()) {
        engine->answer_read(*request_, contents, cache);
    }
}

void Call::fail(int code, std::string_view message, const Poco::JSON::Object::Ptr& data) {
    if (const auto engine = engine_.lock()) {
        engine->fail(*request_, code, message, data);
    }
}

void Call::not_found() {
    if (const auto engine = engine_.lock()) {
        engine->answer_not_found(*request_);
    }
}

}  // namespace steward::mcp
