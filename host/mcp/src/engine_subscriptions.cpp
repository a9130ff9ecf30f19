// Who hears of changes: resources/subscribe (legacy) and subscriptions/listen (modern).
#include <cassert>
#include <utility>

#include <Poco/JSON/Array.h>

#include "engine.hpp"
#include "steward/mcp/errors.hpp"

namespace steward::mcp {

bool Engine::is_watchable(const std::string& uri) const {
    UriVariables variables;
    return uri.size() <= options_.max_subscribed_uri_bytes &&
           (catalog_.find_resource(uri) != nullptr ||
            catalog_.find_template(uri, variables) != nullptr);
}

const std::string* Engine::watched_uri(Request& request) {
    const auto* uri =
        request.params.isNull() ? nullptr : as_string(find_member(*request.params, "uri"));
    if (uri == nullptr) {
        fail(request, kInvalidParams, "params.uri must be a string");
        return nullptr;
    }
    if (!is_watchable(*uri)) {
        request.target = *uri;
        answer_not_found(request);
        return nullptr;
    }
    return uri;
}

void Engine::on_subscribe(const RequestPtr& request) {
    const std::string* const uri = watched_uri(*request);
    if (uri == nullptr) {
        return;
    }
    tell_watched({}, {*uri});
    if (!subscriptions_.subscribe(*uri)) {
        fail(*request, kInternalError,
             "more than " + std::to_string(options_.max_subscribed_uris) +
                 " resources are subscribed to; unsubscribe from some");
        return;
    }
    finish_result(*request, ResultWriter(request->id, *request->rules, 0));
}

void Engine::on_unsubscribe(const RequestPtr& request) {
    if (const std::string* const uri = watched_uri(*request)) {
        subscriptions_.unsubscribe(*uri);
        finish_result(*request, ResultWriter(request->id, *request->rules, 0));
    }
}

// Before the client is told that it will hear of them.
void Engine::tell_watched(const ListFlags& lists, const std::vector<std::string>& uris) const {
    if (!hooks_.on_watch) {
        return;
    }
    for (const ListKind kind : {ListKind::kTools, ListKind::kPrompts, ListKind::kResources}) {
        if (lists.at(static_cast<std::size_t>(kind))) {
            hooks_.on_watch(list_method(kind));
        }
    }
    for (const auto& uri : uris) {
        hooks_.on_watch(uri);
    }
}

void Engine::on_listen(const RequestPtr& request) {
    const auto filter = as_object(find_member(*request->params, "notifications"));
    if (filter.isNull()) {
        fail(*request, kInvalidParams, "params.notifications must be an object");
        return;
    }
    ListFlags lists = changing_lists();
    for (const ListKind kind : {ListKind::kTools, ListKind::kPrompts, ListKind::kResources}) {
        const auto* wanted = find_member(*filter, filter_member(kind));
        if (wanted != nullptr && wanted->type() != typeid(bool)) {
            fail(*request, kInvalidParams,
                 "params.notifications." + std::string(filter_member(kind)) + " must be a boolean");
            return;
        }
        bool& honoured = lists.at(static_cast<std::size_t>(kind));
        honoured = honoured && wanted != nullptr && wanted->extract<bool>();
    }
    std::vector<std::string> uris;
    if (const auto* wanted = find_member(*filter, "resourceSubscriptions")) {
        const bool is_array = wanted->type() == typeid(Poco::JSON::Array::Ptr);
        bool good = is_array;
        if (is_array) {
            for (const auto& element : *wanted->extract<Poco::JSON::Array::Ptr>()) {
                const auto* uri = as_string(&element);
                good = good && uri != nullptr;
                if (good && options_.subscriptions && uris.size() < options_.max_subscribed_uris &&
                    is_watchable(*uri)) {
                    uris.push_back(*uri);
                }
            }
        }
        if (!good) {
            fail(*request, kInvalidParams,
                 "params.notifications.resourceSubscriptions must be an array of strings");
            return;
        }
    }
    tell_watched(lists, uris);
    if (!subscriptions_.listen(request->id, *request->rules, lists, uris)) {
        fail(*request, kInternalError,
             "more than " + std::to_string(options_.max_listens) +
                 " subscriptions are open; cancel some");
        return;
    }
    serving(*request);
}

void Engine::resource_updated(const std::string& uri) {
    assert(on_owner_thread());
    subscriptions_.resource_updated(uri);
}

void Engine::resources_updated_if(const std::function<bool(std::string_view uri)>& affected) {
    assert(on_owner_thread());
    subscriptions_.resources_updated_if(affected);
}

void Engine::list_changed(ListKind kind) {
    assert(on_owner_thread());
    subscriptions_.list_changed(kind);
}

void Engine::flush_updates() {
    assert(on_owner_thread());
    subscriptions_.flush();
}

void Engine::close_subscriptions() {
    assert(on_owner_thread());
    for (const auto& [id, rules] : subscriptions_.end_listens()) {
        ResultWriter writer(id, *rules, 0);
        outgoing_.answer(id, std::move(writer).finish(std::nullopt, modern_server_info_, id),
                         nullptr);
    }
}

}  // namespace steward::mcp
