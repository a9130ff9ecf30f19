// StatusSocket: <folder>/status.sock, where `steward status` and `steward logs` ask a running
// server. Read-only.
//
// The format, for people and other programs (docs/status-socket.md says more): a stream socket; the
// client sends one JSON object on one line, the server answers with JSON objects, one per line,
// each with exactly one member and no space before the member's value.
//   {"want":"status"}              {"status":{…}}
//   {"want":"events","count":20}   {"event":{…}}   the last ones, oldest first; 200 by default
//   {"want":"logs","count":20}     {"log":"text"}  likewise
//   "follow":true in any of them   the same, then what comes, until a side ends the connection
//   what cannot be served          {"error":"text"}, then the end
// Without `follow` the server ends the connection after its answer.
//
// Only the user who runs the server, and root, are served (SO_PEERCRED); others find the connection
// closed. All is bounded: 32 connections; 4 KiB per request; 10 s for the request and a finite
// answer; 512 KiB of answer (the oldest lines are left out); 1 MiB that waits for a follower, who
// is dropped beyond that, with an {"error":"too slow: …"} as the last line.
//
// Thread: the loop's, all of it; nothing blocks. The scheduler and what the source refers to
// outlive the object.
#pragma once
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "steward/core/result.hpp"
#include "steward/core/scheduler.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::host {

// What is shown. Called on the loop; may not call back into the StatusSocket. So that a follower
// sees each event and line exactly once, events() and log_lines() give what has been published, and
// nothing that is still to be.
struct StatusSource {
    std::function<std::string()> status_json;                        // one JSON object
    std::function<std::vector<std::string>(std::size_t)> events;     // JSON objects; the last n
    std::function<std::vector<std::string>(std::size_t)> log_lines;  // texts; the last n
};

class StatusSocket {
  public:
    static constexpr std::size_t kMaxClients = 32;
    static constexpr std::size_t kMaxRequestBytes = 4096;
    static constexpr std::size_t kMaxAnswerBytes = std::size_t{512} << 10U;
    static constexpr std::size_t kMaxWaitingBytes = std::size_t{1} << 20U;
    static constexpr std::size_t kMaxCount = 100'000;
    static constexpr core::Duration kPatience = std::chrono::seconds(10);

    StatusSocket(core::Scheduler& scheduler, StatusSource source);
    ~StatusSocket();  // close()
    StatusSocket(const StatusSocket&) = delete;
    StatusSocket& operator=(const StatusSocket&) = delete;

    // Makes `folder`/status.sock, 0600, in place of an old one, and serves it. The path may be of
    // any length. Failure: it is closed as before. Precondition: not open.
    core::Status open(const std::string& folder);
    // Ends all connections, after one attempt to send what waits, and removes the socket. Does
    // nothing when not open.
    void close();

    // To those who follow. The JSON texts are objects; line breaks in them become spaces.
    void publish_status(const std::string& json);
    void publish_event(const std::string& json);
    void publish_log(const std::string& line);
    // Whether anybody does: what nobody follows need not be made.
    bool has_status_followers() const { return has_followers(Want::kStatus); }
    bool has_event_followers() const { return has_followers(Want::kEvents); }
    bool has_log_followers() const { return has_followers(Want::kLogs); }

    std::size_t clients() const { return clients_.size(); }

  private:
    enum class Want { kNothing, kStatus, kEvents, kLogs };
    struct Request;
    struct Client;

    static core::Result<Request> parse(std::string_view line);
    void accept_some();
    void admit(core::UniqueFd fd);
    void on_ready(int fd, bool readable);
    void read_from(Client& client);
    void serve(Client& client, std::string_view line);
    std::vector<std::string> answer(const Request& request);
    void refuse(Client& client, std::string_view text);
    bool has_followers(Want want) const;
    void publish(Want want, const std::string& line);
    void push(Client& client, const std::string& line);
    void drop_slow(Client& client);
    void settle(Client& client);
    void arm_patience(Client& client);
    void drop(int fd);

    core::Scheduler& scheduler_;
    StatusSource source_;
    core::UniqueFd folder_;
    core::UniqueFd listener_;
    core::TimerId accept_timer_ =
        0;  // after an accept that failed for want of memory or descriptors
    std::map<int, std::unique_ptr<Client>> clients_;
};

// The address of a folder's status.sock for bind() and connect(), by way of /proc/self/fd: sun_path
// holds 107 bytes only. Valid while `folder` is open.
struct StatusAddress {
    core::UniqueFd folder;
    sockaddr_un address{};

    static core::Result<StatusAddress> of(const std::string& folder);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

// Is a process of that user served by a server of that user?
bool may_ask(uid_t peer, uid_t server) noexcept;

}  // namespace steward::host
