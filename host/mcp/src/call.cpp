#include "steward/mcp/call.hpp"

#include <cassert>
#include <exception>
#include <utility>

#include "engine.hpp"
#include "questions.hpp"
#include "steward/mcp/json.hpp"

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

const std::string& Call::position() const noexcept {
    return request_->position;
}

const CompletionRequest& Call::completion() const noexcept {
    return request_->completion;
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

void Call::progress(double progress, std::optional<double> total, std::string_view message) {
    if (const auto engine = engine_.lock()) {
        engine->progress(*request_, progress, total, message);
    }
}

void Call::log(LogLevel level, std::string_view logger, std::string_view data_json) {
    if (const auto engine = engine_.lock()) {
        engine->log(*request_, level, logger, data_json);
    }
}

bool Call::may_ask(std::string_view method, const Poco::JSON::Object::Ptr& params) const {
    return may_be_asked(*request_, method, params);
}

bool Call::asks_by_result() const noexcept {
    return !request_->rules->input_required_head.empty();
}

bool Call::ask_client(std::string_view method, const Poco::JSON::Object::Ptr& params,
                      std::function<void(const ClientReply&)> on_reply) {
    const auto engine = engine_.lock();
    return engine && engine->ask_client(request_, method, params, std::move(on_reply));
}

void Call::require_input(const std::vector<InputRequest>& inputs, std::string_view state) {
    if (const auto engine = engine_.lock()) {
        engine->require_input(*request_, inputs, state);
    }
}

Poco::JSON::Object::Ptr Call::input_response(std::string_view name) const {
    return request_->input_responses.isNull()
               ? Poco::JSON::Object::Ptr()
               : as_object(find_member(*request_->input_responses, name));
}

const std::optional<std::string>& Call::state() const noexcept {
    return request_->input_state;
}

bool Call::require_capabilities(const Poco::JSON::Object::Ptr& required) {
    const auto engine = engine_.lock();
    return engine && engine->require_capabilities(*request_, required);
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

void Call::reply_prompts(const std::vector<PromptInfo>& prompts,
                         const std::optional<std::string>& next) {
    if (const auto engine = engine_.lock()) {
        engine->answer_prompts(*request_, prompts, next);
    }
}

void Call::reply_prompt(const PromptResult& result) {
    if (const auto engine = engine_.lock()) {
        engine->answer_prompt(*request_, result);
    }
}

void Call::reply_completion(const std::vector<std::string>& values,
                            std::optional<std::size_t> total, bool has_more) {
    if (const auto engine = engine_.lock()) {
        engine->answer_completion(*request_, values, total, has_more);
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
