#include "subscriptions.hpp"

#include <utility>

#include "steward/mcp/json.hpp"

namespace steward::mcp {
namespace {

struct ListNames {
    std::string_view filter;  // member of the filter of subscriptions/listen
    std::string_view list;    // the method that returns it
    std::string_view method;  // of the notification
};

// In the order of ListKind.
constexpr std::array<ListNames, kListKinds> kListNames = {{
    {"toolsListChanged", "tools/list", "notifications/tools/list_changed"},
    {"promptsListChanged", "prompts/list", "notifications/prompts/list_changed"},
    {"resourcesListChanged", "resources/list", "notifications/resources/list_changed"},
}};

// Keeps the acknowledgement, which names what is honoured, far below the limit of a line.
constexpr std::size_t kMaxHonouredBytes = 1024U * 1024;

std::string subscription_meta(const std::string& id) {
    std::string meta = R"("_meta":{")";
    meta += kMetaSubscriptionId;
    meta += "\":";
    meta += id;
    meta += '}';
    return meta;
}

}  // namespace

std::string_view filter_member(ListKind kind) noexcept {
    return kListNames.at(static_cast<std::size_t>(kind)).filter;
}

std::string_view list_method(ListKind kind) noexcept {
    return kListNames.at(static_cast<std::size_t>(kind)).list;
}

Subscriptions::Subscriptions(Outgoing& outgoing, std::function<bool()> congested, Limits limits)
    : outgoing_(outgoing),
      congested_(std::move(congested)),
      // What is sent only while there is room need not be dropped, not even the one that fills it:
      // its mark is gone.
      kind_(congested_ ? LineKind::kAnswer : LineKind::kNotification),
      limits_(limits) {
    session_.ready = false;
}

template <typename Work>
void Subscriptions::for_each(Work work) {
    work(session_);
    for (auto& [id, subscriber] : listens_) {
        work(subscriber);
    }
}

void Subscriptions::open_session(ListFlags lists) {
    session_.lists = lists;
}

void Subscriptions::session_ready() {
    if (!session_.ready) {
        session_.ready = true;
        flush(session_);
    }
}

bool Subscriptions::subscribe(const std::string& uri) {
    if (session_.uris.count(uri) != 0) {
        return true;
    }
    if (uri_count_ >= limits_.uris) {
        return false;
    }
    session_.uris.emplace(uri, false);
    ++uri_count_;
    return true;
}

void Subscriptions::unsubscribe(const std::string& uri) {
    uri_count_ -= session_.uris.erase(uri);
}

bool Subscriptions::listen(const std::string& id, const Rules& rules, ListFlags lists,
                           const std::vector<std::string>& uris) {
    if (listens_.size() >= limits_.listens) {
        return false;
    }
    Subscriber& subscriber = listens_[id];
    subscriber.meta = subscription_meta(id);
    subscriber.rules = &rules;
    subscriber.lists = lists;
    std::string params = R"({"notifications":{)";
    for (std::size_t i = 0; i < kListKinds; ++i) {
        if (lists[i]) {
            params += params.back() == '{' ? "\"" : ",\"";
            params += kListNames[i].filter;
            params += "\":true";
        }
    }
    std::string honoured;
    for (const std::string& uri : uris) {
        if (uri_count_ >= limits_.uris || honoured.size() > kMaxHonouredBytes ||
            !subscriber.uris.emplace(uri, false).second) {
            continue;
        }
        ++uri_count_;
        honoured += honoured.empty() ? "" : ",";
        append_json_string(honoured, uri);
    }
    if (!honoured.empty()) {
        params += params.back() == '{' ? "" : ",";
        params += R"("resourceSubscriptions":[)" + honoured + ']';
    }
    params += "}," + subscriber.meta + '}';
    outgoing_.notification("notifications/subscriptions/acknowledged", params, LineKind::kAnswer);
    return true;
}

bool Subscriptions::is_listening(const std::string& id) const {
    return listens_.count(id) != 0;
}

void Subscriptions::end_listen(const std::string& id) {
    const auto found = listens_.find(id);
    if (found != listens_.end()) {
        uri_count_ -= found->second.uris.size();
        listens_.erase(found);
    }
}

std::vector<Subscriptions::Ended> Subscriptions::end_listens() {
    std::vector<Ended> ended;
    for (const auto& [id, subscriber] : listens_) {
        ended.push_back({id, subscriber.rules});
        uri_count_ -= subscriber.uris.size();
    }
    listens_.clear();
    return ended;
}

bool Subscriptions::may_send(const Subscriber& subscriber) const {
    return subscriber.ready && !(congested_ && congested_());
}

void Subscriptions::resource_updated(const std::string& uri) {
    for_each([&](Subscriber& subscriber) {
        const auto found = subscriber.uris.find(uri);
        if (found != subscriber.uris.end()) {
            tell_updated(subscriber, *found);
        }
    });
}

void Subscriptions::resources_updated_if(
    const std::function<bool(std::string_view uri)>& affected) {
    for_each([&](Subscriber& subscriber) {
        for (auto& watched : subscriber.uris) {
            if (affected(watched.first)) {
                tell_updated(subscriber, watched);
            }
        }
    });
}

void Subscriptions::tell_updated(const Subscriber& subscriber, Watched& watched) {
    watched.second = !may_send(subscriber);
    if (!watched.second) {
        send_updated(subscriber, watched.first);
    }
}

void Subscriptions::list_changed(ListKind kind) {
    const auto index = static_cast<std::size_t>(kind);
    for_each([&](Subscriber& subscriber) {
        if (!subscriber.lists[index]) {
            return;
        }
        subscriber.marked_lists[index] = !may_send(subscriber);
        if (!subscriber.marked_lists[index]) {
            send_changed(subscriber, kind);
        }
    });
}

void Subscriptions::flush() {
    for_each([this](Subscriber& subscriber) { flush(subscriber); });
}

void Subscriptions::flush(Subscriber& subscriber) {
    for (std::size_t i = 0; i < kListKinds; ++i) {
        if (subscriber.marked_lists[i] && may_send(subscriber)) {
            subscriber.marked_lists[i] = false;
            send_changed(subscriber, static_cast<ListKind>(i));
        }
    }
    for (auto& [uri, marked] : subscriber.uris) {
        if (marked && may_send(subscriber)) {
            marked = false;
            send_updated(subscriber, uri);
        }
    }
}

void Subscriptions::send_updated(const Subscriber& subscriber, std::string_view uri) {
    std::string params = R"({"uri":)";
    append_json_string(params, uri);
    if (!subscriber.meta.empty()) {
        params += ',';
        params += subscriber.meta;
    }
    params += '}';
    outgoing_.notification("notifications/resources/updated", params, kind_);
}

void Subscriptions::send_changed(const Subscriber& subscriber, ListKind kind) {
    const std::string_view method = kListNames.at(static_cast<std::size_t>(kind)).method;
    outgoing_.notification(method, subscriber.meta.empty() ? "" : "{" + subscriber.meta + "}",
                           kind_);
}

}  // namespace steward::mcp
