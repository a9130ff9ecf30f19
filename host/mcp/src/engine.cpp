#include "engine.hpp"

#include <Poco/JSON/Array.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "steward/mcp/errors.hpp"

namespace steward::mcp {
namespace {

Poco::JSON::Object::Ptr empty_object() {
    return new Poco::JSON::Object;
}

bool is_blank(std::string_view line) noexcept {
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

std::string quoted(std::string_view text) {
    return "\"" + excerpt(text) + "\"";
}

std::string meta_fault(std::string_view key, std::string_view demand) {
    return "params._meta[\"" + std::string(key) + "\"] " + std::string(demand);
}

void read_client_info(Client& client, const Poco::JSON::Object& info) {
    if (const auto* name = as_string(find_member(info, "name"))) {
        client.name = *name;
    }
    if (const auto* version = as_string(find_member(info, "version"))) {
        client.version = *version;
    }
}

}  // namespace

// The members of a message that JSON-RPC gives a meaning to; null when absent.
struct Engine::Envelope {
    const Poco::Dynamic::Var* jsonrpc = nullptr;
    const Poco::Dynamic::Var* id = nullptr;
    const Poco::Dynamic::Var* method = nullptr;
    const Poco::Dynamic::Var* params = nullptr;
    const Poco::Dynamic::Var* result = nullptr;
    const Poco::Dynamic::Var* error = nullptr;

    explicit Envelope(const Poco::JSON::Object& object) {
        for (const auto& [key, value] : object) {
            if (key == "jsonrpc") {
                jsonrpc = &value;
            } else if (key == "id") {
                id = &value;
            } else if (key == "method") {
                method = &value;
            } else if (key == "params") {
                params = &value;
            } else if (key == "result") {
                result = &value;
            } else if (key == "error") {
                error = &value;
            }
        }
    }
};

Engine::Engine(ServerInfo info, Options options, Sink sink, Validator validator, Hooks hooks)
    : info_(std::move(info)),
      options_(std::move(options)),
      validator_(std::move(validator)),
      hooks_(std::move(hooks)),
      outgoing_(std::move(sink), options_.max_output_line),
      reader_({options_.max_depth, options_.max_values}),
      subscriptions_(outgoing_, options_.congested,
                     {options_.max_subscribed_uris, options_.max_listens}),
      request_state_(options_.now, options_.input_lifetime) {
    modern_server_info_ = server_info(rules_of(Revision::k2026_07_28));
    auto nobody = std::make_shared<Client>();
    nobody->revision = negotiate("");
    nobody->capabilities = empty_object();
    nobody_ = std::move(nobody);
}

bool Engine::on_owner_thread() const noexcept {
    return owner_ == std::thread::id() || owner_ == std::this_thread::get_id();
}

void Engine::trouble(std::string_view text) const {
    if (hooks_.on_trouble) {
        hooks_.on_trouble(text);
    }
}

void Engine::receive(std::string_view line) {
    if (owner_ == std::thread::id()) {
        owner_ = std::this_thread::get_id();
    }
    assert(on_owner_thread());
    if (is_blank(line)) {
        return;
    }
    Poco::Dynamic::Var message;
    const JsonStatus status = reader_.parse(line, message);
    if (status != JsonStatus::kOk) {
        refuse_status(status);
    } else if (message.type() == typeid(Poco::JSON::Array::Ptr)) {
        receive_batch(*message.extract<Poco::JSON::Array::Ptr>());
    } else {
        receive_message(message, nullptr);
    }
}

void Engine::receive_oversize(std::size_t limit) {
    refuse({}, kInvalidRequest,
           "the message is longer than the limit of " + std::to_string(limit) + " bytes", nullptr);
}

void Engine::receive_failed(std::string_view what) {
    trouble("a message was given up: " + std::string(what));
    outgoing_.answer({}, error_line({}, kInternalError, "internal error", {}), nullptr);
}

void Engine::change_failed(std::string_view what) {
    trouble("a change was not told: " + std::string(what));
}

void Engine::refuse(std::string_view id, int code, std::string_view message, Batch* batch) {
    trouble("refused a message: " + std::string(message));
    outgoing_.answer(id, error_line(id, code, message, {}), batch);
}

void Engine::refuse_status(JsonStatus status) {
    switch (status) {
        case JsonStatus::kOk:
            return;
        case JsonStatus::kSyntax:
            refuse({}, kParseError, "the line is not a JSON text in UTF-8", nullptr);
            return;
        case JsonStatus::kScalar:
            refuse({}, kInvalidRequest, "a message must be an object", nullptr);
            return;
        case JsonStatus::kTooDeep:
            refuse({}, kInvalidRequest,
                   "the message is nested more than " + std::to_string(options_.max_depth) +
                       " levels deep",
                   nullptr);
            return;
        case JsonStatus::kTooManyValues:
            refuse({}, kInvalidRequest,
                   "the message has more than " + std::to_string(options_.max_values) + " values",
                   nullptr);
            return;
        case JsonStatus::kUnusable:
            refuse({}, kInvalidRequest,
                   "the message has a number beyond the range of double, or a member name with "
                   "U+0000",
                   nullptr);
            return;
    }
}

void Engine::receive_batch(const Poco::JSON::Array& array) {
    if (!session_ || !rules_of(session_->revision).batches) {
        refuse({}, kInvalidRequest, "batches are not part of this protocol revision", nullptr);
        return;
    }
    if (array.empty() || array.size() > options_.max_batch) {
        refuse({}, kInvalidRequest,
               "a batch must have 1 to " + std::to_string(options_.max_batch) + " messages (got " +
                   std::to_string(array.size()) + ")",
               nullptr);
        return;
    }
    const auto batch = std::make_shared<Batch>();
    batch->open = 1;  // held until all messages are dispatched, so that the answers stay together
    for (const auto& message : array) {
        receive_message(message, batch);
    }
    outgoing_.close_one(*batch);
}

std::optional<std::string> Engine::read_id(const Poco::Dynamic::Var& id) const {
    std::string text;
    if (const auto number = as_integer(&id)) {
        append_json_integer(text, *number);
    } else if (const auto* string = as_string(&id)) {
        if (string->size() > options_.max_id_bytes) {
            return std::nullopt;
        }
        append_json_string(text, *string);
    } else {
        return std::nullopt;
    }
    return text;
}

void Engine::receive_message(const Poco::Dynamic::Var& message,
                             const std::shared_ptr<Batch>& batch) {
    const auto object = as_object(&message);
    if (object.isNull()) {
        refuse({}, kInvalidRequest, "a message must be an object", batch.get());
        return;
    }
    const Envelope envelope(*object);
    if (envelope.method == nullptr && (envelope.result != nullptr || envelope.error != nullptr)) {
        receive_response(envelope.id, envelope.result, envelope.error);
        return;
    }
    std::string id;
    if (envelope.id != nullptr) {
        auto text = read_id(*envelope.id);
        if (!text) {
            refuse({}, kInvalidRequest,
                   "id must be an integer within 64 bits or a string of at most " +
                       std::to_string(options_.max_id_bytes) + " bytes",
                   batch.get());
            return;
        }
        id = std::move(*text);
    }
    const auto* jsonrpc = as_string(envelope.jsonrpc);
    if (jsonrpc == nullptr || *jsonrpc != "2.0") {
        refuse(id, kInvalidRequest, "jsonrpc must be \"2.0\"", batch.get());
        return;
    }
    const auto* method = as_string(envelope.method);
    if (method == nullptr) {
        refuse(id, kInvalidRequest, "method must be a string", batch.get());
        return;
    }
    if (envelope.id == nullptr) {
        receive_notification(*method, envelope.params);
        return;
    }
    if (calls_.count(id) != 0 || subscriptions_.is_listening(id)) {
        refuse(id, kInvalidRequest, "a request with this id is still being worked on", batch.get());
        return;
    }
    auto request = std::make_shared<Request>();
    request->id = std::move(id);
    request->method = *method;
    request->batch = batch;
    if (batch) {
        ++batch->open;
    }
    receive_request(request, envelope.params);
}

void Engine::receive_request(const RequestPtr& request, const Poco::Dynamic::Var* params) {
    request->client = session_ ? session_ : nobody_;
    request->rules = &rules_of(request->client->revision);
    if (read_params(*request, params)) {
        dispatch(request);
    }
}

// Reads what all methods have in common, the era above all. False: the request is answered.
bool Engine::read_params(Request& request, const Poco::Dynamic::Var* params) {
    if (params == nullptr) {
        return true;
    }
    request.params = as_object(params);
    if (request.params.isNull()) {
        fail(request, kInvalidParams, "params must be an object");
        return false;
    }
    const auto* meta_value = find_member(*request.params, "_meta");
    if (meta_value == nullptr) {
        return true;
    }
    const auto meta = as_object(meta_value);
    if (meta.isNull()) {
        fail(request, kInvalidParams, "params._meta must be an object");
        return false;
    }
    if (const auto* token = find_member(*meta, "progressToken")) {
        auto text = read_id(*token);
        if (!text) {
            fail(request, kInvalidParams, "params._meta.progressToken must be a string or integer");
            return false;
        }
        request.progress_token = std::move(*text);
    }
    const auto* version = find_member(*meta, kMetaProtocolVersion);
    // No legacy client sends the other two: there the version has been forgotten.
    const bool modern = version != nullptr ||
                        find_member(*meta, kMetaClientCapabilities) != nullptr ||
                        find_member(*meta, kMetaClientInfo) != nullptr;
    if (!modern) {
        return true;
    }
    const auto* name = as_string(version);
    if (name == nullptr) {
        fail(request, kInvalidParams, meta_fault(kMetaProtocolVersion, "must be a string"));
        return false;
    }
    return read_modern_meta(request, *meta, *name);
}

bool Engine::read_modern_meta(Request& request, const Poco::JSON::Object& meta,
                              const std::string& version) {
    const auto revision = modern_revision(version);
    if (!revision) {
        Poco::JSON::Array::Ptr supported = new Poco::JSON::Array;
        for (const std::string_view name : modern_names()) {
            supported->add(std::string(name));
        }
        auto data = ordered_object();
        data->set("supported", supported);
        data->set("requested", excerpt(version));
        fail(request, kUnsupportedVersion, "unsupported protocol version " + quoted(version), data);
        return false;
    }
    request.rules = &rules_of(*revision);
    auto client = std::make_shared<Client>();
    client->revision = *revision;
    client->capabilities = as_object(find_member(meta, kMetaClientCapabilities));
    if (client->capabilities.isNull()) {
        fail(request, kInvalidParams, meta_fault(kMetaClientCapabilities, "must be an object"));
        return false;
    }
    if (const auto* info = find_member(meta, kMetaClientInfo)) {
        const auto object = as_object(info);
        if (object.isNull()) {
            fail(request, kInvalidParams, meta_fault(kMetaClientInfo, "must be an object"));
            return false;
        }
        read_client_info(*client, *object);
    }
    if (const auto* level = find_member(meta, kMetaLogLevel)) {
        const auto* text = as_string(level);
        request.log_level = text != nullptr ? log_level(*text) : std::nullopt;
        if (!request.log_level) {
            fail(request, kInvalidParams, meta_fault(kMetaLogLevel, "must be a log level"));
            return false;
        }
    }
    request.client = std::move(client);
    return true;
}

const Engine::Method* Engine::find_method(const Request& request) const {
    if (!method_exists(request.rules->modern, request.method)) {
        return nullptr;
    }
    for (const Method& method : methods()) {
        if (method.name == request.method) {
            return (this->*method.available)() ? &method : nullptr;
        }
    }
    return nullptr;
}

void Engine::dispatch(const RequestPtr& request) {
    const Rules& rules = *request->rules;
    if (rules.modern && request->batch) {
        fail(*request, kInvalidRequest, "batches are not part of this protocol revision");
        return;
    }
    const Method* const method = find_method(*request);
    if (method == nullptr && !rules.modern && request->method == "server/discover") {
        // It exists in no legacy revision, so the message is a modern one without its version.
        fail(*request, kInvalidParams, meta_fault(kMetaProtocolVersion, "must be a string"));
        return;
    }
    if (method == nullptr) {
        fail(*request, kMethodNotFound, "unknown method " + quoted(request->method));
        return;
    }
    if (!rules.modern && method->needs_session && !session_) {
        fail(*request, kInvalidRequest,
             "not initialized: send initialize first, or name a revision in params._meta[\"" +
                 std::string(kMetaProtocolVersion) + "\"]");
        return;
    }
    if (!read_inputs(*request)) {
        return;
    }
    if (!rules.modern && method->needs_session) {
        subscriptions_.session_ready();
    }
    (this->*method->handle)(request);
}

void Engine::serving(const Request& request) const {
    if (request.rules->modern && hooks_.on_modern_request) {
        hooks_.on_modern_request(*request.client, request.method);
    }
}

void Engine::receive_notification(const std::string& method, const Poco::Dynamic::Var* params) {
    if (method == "notifications/initialized" && session_) {
        subscriptions_.session_ready();
    }
    if (method != "notifications/cancelled") {
        return;  // all others need nothing, or are unknown
    }
    const auto object = as_object(params);
    if (object.isNull()) {
        return;
    }
    if (const auto* id = find_member(*object, "requestId")) {
        if (const auto text = read_id(*id)) {
            cancel(*text);
        }
    }
}

}  // namespace steward::mcp
