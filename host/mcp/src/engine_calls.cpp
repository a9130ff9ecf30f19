// The life of a call: started, reported on, cancelled, answered once.
#include <cassert>
#include <cmath>
#include <exception>
#include <utility>

#include "engine.hpp"
#include "steward/mcp/errors.hpp"

namespace steward::mcp {

void Engine::run_handler(const RequestPtr& request, const Handler& handler) {
    if (calls_.size() >= options_.max_calls) {
        fail(*request, kInternalError,
             "more than " + std::to_string(options_.max_calls) + " calls are in flight; try later");
        return;
    }
    calls_.emplace(request->id, request);
    // Kept until the handler is back, so that an exception is not mistaken for a dropped call.
    const auto call = std::make_shared<Call>(weak_from_this(), request);
    try {
        handler(call);
    } catch (const std::exception& error) {
        trouble("the handler of " + excerpt(request->target) + " failed: " + error.what());
        fail(*request, kInternalError, "internal error");
    }
}

void Engine::cancel(const std::string& id) {
    const auto found = calls_.find(id);
    if (found == calls_.end()) {
        subscriptions_.end_listen(id);
        return;
    }
    const RequestPtr request = found->second;
    calls_.erase(found);
    request->state = Request::State::kCancelled;
    withdraw_questions(*request, "the request was cancelled");
    if (request->batch) {
        outgoing_.close_one(*request->batch);
    }
    const auto on_cancel = std::exchange(request->on_cancel, nullptr);
    if (on_cancel) {
        on_cancel();
    }
}

bool Engine::close(Request& request) {
    assert(on_owner_thread());
    if (request.state != Request::State::kOpen) {
        return false;
    }
    request.state = Request::State::kAnswered;
    request.on_cancel = nullptr;
    const auto found = calls_.find(request.id);
    if (found != calls_.end() && found->second.get() == &request) {
        calls_.erase(found);
    }
    withdraw_questions(request, "the request was answered without it");
    return true;
}

void Engine::send(Request& request, std::string line) {
    outgoing_.answer(request.id, std::move(line), request.batch.get());
    if (request.batch) {
        outgoing_.close_one(*request.batch);
    }
}

void Engine::finish_result(Request& request, ResultWriter&& writer,
                           const std::optional<CachePolicy>& cache) {
    if (close(request)) {
        send(request, std::move(writer).finish(cache, modern_server_info_));
    }
}

void Engine::fail(Request& request, int code, std::string_view message,
                  const Poco::JSON::Object::Ptr& data) {
    if (close(request)) {
        send(request, error_line(request.id, code, message, data));
    }
}

void Engine::drop(Request& request) {
    if (request.state == Request::State::kOpen) {
        trouble("the handler of " + excerpt(request.target) + " gave no answer");
        fail(request, kInternalError, "internal error: no answer was given");
    }
}

void Engine::progress(Request& request, double progress, std::optional<double> total,
                      std::string_view message) {
    assert(on_owner_thread());
    if (request.state != Request::State::kOpen || request.progress_token.empty() ||
        !std::isfinite(progress) || (request.progress && progress <= *request.progress)) {
        return;
    }
    request.progress = progress;
    std::string params = R"({"progressToken":)" + request.progress_token + R"(,"progress":)";
    append_json(params, progress);
    if (total && std::isfinite(*total)) {
        params += R"(,"total":)";
        append_json(params, *total);
    }
    if (!message.empty() && request.rules->progress_message) {
        params += R"(,"message":)";
        append_json_string(params, message);
    }
    params += '}';
    outgoing_.notification("notifications/progress", params);
}

void Engine::log(const Request& request, LogLevel level, std::string_view logger,
                 std::string_view data_json) {
    assert(on_owner_thread());
    if (request.state != Request::State::kOpen || !options_.logging) {
        return;
    }
    // A stateless client wants what it says in this request; without a word it wants nothing.
    const auto least = request.rules->modern ? request.log_level : session_log_level_;
    if (!least || level < *least) {
        return;
    }
    std::string params = R"({"level":)";
    append_json_string(params, name_of(level));
    if (!logger.empty()) {
        params += R"(,"logger":)";
        append_json_string(params, logger);
    }
    params += R"(,"data":)";
    params += data_json;
    params += '}';
    outgoing_.notification("notifications/message", params);
}

}  // namespace steward::mcp
