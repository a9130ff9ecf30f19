// Who wants to hear of which changes, and what still has to be told.
//
// A subscriber is the legacy session, or one open subscriptions/listen request. A change is told to
// each subscriber that wants it, once. While nothing may be sent it is only marked: per subscriber
// one mark for each list and each uri, so that a burst takes no memory and the last state is never
// lost.
//
// Thread rule: the mcp thread.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message.hpp"

namespace steward::mcp {

enum class ListKind { kTools, kPrompts, kResources };
inline constexpr std::size_t kListKinds = 3;
using ListFlags = std::array<bool, kListKinds>;

// The member of the filter of subscriptions/listen that asks for it.
[[nodiscard]] std::string_view filter_member(ListKind kind) noexcept;
// The method that returns the list.
[[nodiscard]] std::string_view list_method(ListKind kind) noexcept;

class Subscriptions {
  public:
    struct Limits {
        std::size_t uris;     // over all subscribers
        std::size_t listens;  // open at once
    };

    // `congested` may be empty.
    Subscriptions(Outgoing& outgoing, std::function<bool()> congested, Limits limits);

    // The legacy session. It is told nothing before it is ready; marks are kept until then.
    void open_session(ListFlags lists);
    void session_ready();
    // False: there are too many subscriptions.
    [[nodiscard]] bool subscribe(const std::string& uri);
    void unsubscribe(const std::string& uri);

    // One listen request with that id (JSON text), acknowledged with what it gets: uris beyond the
    // limit are left out. False: there are too many; nothing was sent.
    [[nodiscard]] bool listen(const std::string& id, const Rules& rules, ListFlags lists,
                              const std::vector<std::string>& uris);
    [[nodiscard]] bool is_listening(const std::string& id) const;
    void end_listen(const std::string& id);
    struct Ended {
        std::string id;
        const Rules* rules;
    };
    // Ends all of them, in no particular order.
    std::vector<Ended> end_listens();

    void resource_updated(const std::string& uri);
    void resources_updated_if(const std::function<bool(std::string_view uri)>& affected);
    void list_changed(ListKind kind);
    // Sends what is marked, as far as it may be sent.
    void flush();

  private:
    struct Subscriber {
        std::string meta;  // what each of its notifications carries, as JSON; empty: nothing
        const Rules* rules = nullptr;  // of the listen request
        bool ready = true;
        ListFlags lists{};
        ListFlags marked_lists{};
        std::map<std::string, bool, std::less<>> uris;  // true: marked
    };
    using Watched = std::pair<const std::string, bool>;

    [[nodiscard]] bool may_send(const Subscriber& subscriber) const;
    void flush(Subscriber& subscriber);
    void tell_updated(const Subscriber& subscriber, Watched& watched);
    void send_updated(const Subscriber& subscriber, std::string_view uri);
    void send_changed(const Subscriber& subscriber, ListKind kind);
    template <typename Work>
    void for_each(Work work);

    Outgoing& outgoing_;
    std::function<bool()> congested_;
    LineKind kind_;  // of changes
    Limits limits_;
    std::size_t uri_count_ = 0;
    Subscriber session_;
    std::map<std::string, Subscriber> listens_;  // by id
};

}  // namespace steward::mcp
