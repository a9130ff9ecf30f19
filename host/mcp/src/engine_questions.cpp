// Asking the client: by a request of our own (legacy), or in place of a result (modern).
#include <cassert>
#include <exception>
#include <utility>

#include "engine.hpp"
#include "questions.hpp"
#include "steward/mcp/errors.hpp"

namespace steward::mcp {
namespace {

Poco::JSON::Object::Ptr empty_object() {
    return new Poco::JSON::Object;
}

// What a sealed state belongs to: the request without what may change from one try to the next.
std::string binding_of(const Request& request) {
    Poco::JSON::Object params;
    for (const auto& [key, value] : *request.params) {
        const auto object = as_object(&value);
        // Clients take the liberty to leave empty arguments out.
        const bool nothing = key == "arguments" && !object.isNull() && object->size() == 0;
        if (key != "_meta" && key != "inputResponses" && key != "requestState" && !nothing) {
            params.set(key, value);
        }
    }
    return request.method + "\n" + to_json(params);
}

void append_request(std::string& out, const InputRequest& input) {
    append_json_string(out, input.name);
    out += R"(:{"method":)";
    append_json_string(out, input.method);
    out += R"(,"params":)";
    append_json(out, input.params.isNull() ? Poco::JSON::Object() : *input.params);
    out += '}';
}

ClientReply read_reply(const Poco::Dynamic::Var* result, const Poco::Dynamic::Var* error) {
    ClientReply reply;
    reply.code = kInternalError;
    reply.message = "the client's answer is not an object";
    if (result != nullptr) {
        reply.result = as_object(result);
        return reply;
    }
    const auto object = as_object(error);
    if (!object.isNull()) {
        reply.code =
            static_cast<int>(as_integer(find_member(*object, "code")).value_or(kInternalError));
        const auto* message = as_string(find_member(*object, "message"));
        reply.message = message != nullptr ? *message : "";
    }
    return reply;
}

}  // namespace

Poco::JSON::Object::Ptr needed_capabilities(const Request& request, std::string_view method,
                                            const Poco::JSON::Object::Ptr& params) {
    const std::string_view capability = capability_for(*request.rules, method);
    if (capability.empty()) {
        return {};
    }
    const auto* mode = params.isNull() ? nullptr : as_string(find_member(*params, "mode"));
    const auto declared = as_object(find_member(*request.client->capabilities, capability));
    auto needed = empty_object();
    if (capability == "elicitation" && mode != nullptr && *mode == "url") {
        needed->set("url", empty_object());
    } else if (capability == "elicitation" && !declared.isNull() && declared->has("url")) {
        // Forms need no name, unless the client names what else it can do.
        needed->set("form", empty_object());
    } else if (capability == "sampling" && !params.isNull() && params->has("tools")) {
        needed->set("tools", empty_object());
    }
    auto out = empty_object();
    out->set(std::string(capability), needed);
    return out;
}

bool has_capabilities(const Poco::JSON::Object& declared, const Poco::JSON::Object& required) {
    for (const auto& [key, value] : required) {
        const auto* const found = find_member(declared, key);
        const auto wanted = as_object(&value);
        if (found == nullptr) {
            return false;
        }
        const auto held = as_object(found);
        if (!wanted.isNull() && (held.isNull() || !has_capabilities(*held, *wanted))) {
            return false;
        }
    }
    return true;
}

bool may_be_asked(const Request& request, std::string_view method,
                  const Poco::JSON::Object::Ptr& params) {
    const auto needed = needed_capabilities(request, method, params);
    return !needed.isNull() && has_capabilities(*request.client->capabilities, *needed);
}

bool Engine::ask_client(const RequestPtr& request, std::string_view method,
                        const Poco::JSON::Object::Ptr& params,
                        std::function<void(const ClientReply&)> on_reply) {
    assert(on_owner_thread());
    if (request->state != Request::State::kOpen || !request->rules->server_requests ||
        !may_be_asked(*request, method, params)) {
        return false;
    }
    const std::string id = "\"ask-" + std::to_string(++last_question_) + "\"";
    if (!outgoing_.request(id, method, params.isNull() ? "{}" : to_json(*params))) {
        return false;
    }
    request->questions.push_back(id);
    questions_.emplace(id, Question{request, std::move(on_reply)});
    return true;
}

void Engine::receive_response(const Poco::Dynamic::Var* id, const Poco::Dynamic::Var* result,
                              const Poco::Dynamic::Var* error) {
    const auto text = id != nullptr ? read_id(*id) : std::nullopt;
    if (!text || (result != nullptr && error != nullptr)) {
        return;
    }
    const auto found = questions_.find(*text);
    if (found == questions_.end()) {
        return;
    }
    const Question question = std::move(found->second);
    questions_.erase(found);
    std::erase(question.request->questions, *text);
    try {
        question.on_reply(read_reply(result, error));
    } catch (const std::exception& failure) {
        trouble("the handler of " + excerpt(question.request->target) +
                " failed: " + failure.what());
        fail(*question.request, kInternalError, "internal error");
    }
}

void Engine::withdraw_questions(Request& request, std::string_view reason) {
    // Handlers are destroyed at the end, when nothing is half done any more.
    std::vector<Question> withdrawn;
    for (const std::string& id : std::exchange(request.questions, {})) {
        const auto found = questions_.find(id);
        if (found == questions_.end()) {
            continue;
        }
        withdrawn.push_back(std::move(found->second));
        questions_.erase(found);
        std::string params = R"({"requestId":)" + id + R"(,"reason":)";
        append_json_string(params, reason);
        params += '}';
        outgoing_.notification("notifications/cancelled", params, LineKind::kAnswer);
    }
}

bool Engine::read_inputs(Request& request) {
    if (!request.rules->modern || !may_require_input(request.method) || request.params.isNull()) {
        return true;
    }
    const auto* state = find_member(*request.params, "requestState");
    const auto* responses = find_member(*request.params, "inputResponses");
    request.input_responses = as_object(responses);
    const auto* text = as_string(state);
    if ((state != nullptr && text == nullptr) ||
        (responses != nullptr && request.input_responses.isNull())) {
        fail(request, kInvalidParams, "requestState must be a string and inputResponses an object");
        return false;
    }
    if (text == nullptr) {
        return true;
    }
    request.input_state = request_state_.open(binding_of(request), *text);
    if (!request.input_state) {
        fail(request, kInvalidParams,
             "requestState is not one of this server for this request, or has expired");
    }
    return request.input_state.has_value();
}

void Engine::require_input(Request& request, const std::vector<InputRequest>& inputs,
                           std::string_view state) {
    assert(on_owner_thread());
    if (request.state != Request::State::kOpen) {
        return;
    }
    if (request.rules->input_required_head.empty() || !may_require_input(request.method)) {
        trouble("the handler of " + excerpt(request.target) + " asked for input in vain");
        fail(request, kInternalError, "internal error: this request cannot ask for input");
        return;
    }
    ResultWriter writer = ResultWriter::input_required(request.id, *request.rules);
    if (!inputs.empty()) {
        std::string& out = writer.member("inputRequests");
        out += '{';
        for (const InputRequest& input : inputs) {
            if (!may_be_asked(request, input.method, input.params)) {
                fail_capability(request, needed_capabilities(request, input.method, input.params));
                return;
            }
            out += out.back() == '{' ? "" : ",";
            append_request(out, input);
        }
        out += '}';
    }
    writer.string_member("requestState", request_state_.seal(binding_of(request), state));
    finish_result(request, std::move(writer));
}

bool Engine::require_capabilities(Request& request, const Poco::JSON::Object::Ptr& required) {
    if (has_capabilities(*request.client->capabilities, *required)) {
        return true;
    }
    fail_capability(request, required);
    return false;
}

void Engine::fail_capability(Request& request, const Poco::JSON::Object::Ptr& required) {
    auto data = ordered_object();
    data->set("requiredCapabilities", required.isNull() ? empty_object() : required);
    const std::string message = "the client has not declared the capability that this needs" +
                                (required.isNull() ? std::string() : ": " + to_json(*required));
    fail(request, request.rules->missing_capability, message, data);
}

}  // namespace steward::mcp
