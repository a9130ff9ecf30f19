#include "port_responder.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "unavailable_answer.hpp"

namespace steward::core {
namespace {

constexpr std::size_t kDrainPerWakeUp = 65536;

void set_nonblocking(int fd, bool on) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
    }
}

enum class Read { kData, kNothingYet, kEnd };

// Reads up to `limit` bytes, appending them to `out` if there is one.
Read read_some(int fd, std::size_t limit, std::string* out) {
    std::array<char, 8192> buffer;
    bool any = false;
    while (limit > 0) {
        const ssize_t got = recv(fd, buffer.data(), std::min(limit, buffer.size()), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return any ? Read::kData : Read::kNothingYet;
        }
        if (got <= 0) {
            return Read::kEnd;
        }
        any = true;
        limit -= static_cast<std::size_t>(got);
        if (out != nullptr) {
            out->append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    return Read::kData;
}

}  // namespace

PortResponder::~PortResponder() {
    stop();
    while (!connections_.empty()) {
        drop(connections_.begin()->first);
    }
}

// ---- accepting

void PortResponder::start(int listener, const PortAnswer& answer) {
    answer_ = answer;
    if (listener_ == listener) {
        return;
    }
    stop();
    listener_ = listener;
    set_nonblocking(listener, true);
    watch_listener();
}

void PortResponder::stop() {
    if (listener_ < 0) {
        return;
    }
    const int listener = listener_;
    listener_ = -1;
    scheduler_.disarm(pause_);
    pause_ = 0;
    if (watching_) {
        scheduler_.unwatch(listener);
        watching_ = false;
    }
    set_nonblocking(listener, false);
}

void PortResponder::watch_listener() {
    if (listener_ < 0 || watching_ || pause_ != 0 || connections_.size() >= kMaxConnections) {
        return;
    }
    watching_ = scheduler_.watch(listener_, Interest::kRead, [this](bool, bool) { accept_some(); });
    if (!watching_) {
        pause_listener();
    }
}

// For want of descriptors or memory: the connections stay in the backlog, and the loop does not
// spin over them.
void PortResponder::pause_listener() {
    if (watching_) {
        scheduler_.unwatch(listener_);
        watching_ = false;
    }
    pause_ = scheduler_.arm(scheduler_.now() + kAcceptPause, [this] {
        pause_ = 0;
        watch_listener();
    });
}

void PortResponder::accept_some() {
    for (int i = 0; i < kAcceptsPerWakeUp && listener_ >= 0; ++i) {
        if (connections_.size() >= kMaxConnections) {
            scheduler_.unwatch(listener_);
            watching_ = false;
            return;
        }
        UniqueFd fd(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (fd) {
            add(std::move(fd));
            continue;
        }
        switch (errno) {
            case EAGAIN:
                return;
            // What the network did to this one connection; the next may be well.
            case EINTR:
            case ECONNABORTED:
            case EPROTO:
            case EPERM:
            case ENETDOWN:
            case ENOPROTOOPT:
            case EHOSTDOWN:
            case ENONET:
            case EHOSTUNREACH:
            case EOPNOTSUPP:
            case ENETUNREACH:
                continue;
            case EINVAL:
                // Somebody who shares the socket has shut it down.
                if (listen(listener_, SOMAXCONN) == 0) {
                    return;
                }
                [[fallthrough]];
            default:
                pause_listener();
                return;
        }
    }
}

void PortResponder::add(UniqueFd fd) {
    const int number = fd.get();
    Connection& connection = connections_[number];
    connection.fd = std::move(fd);
    limit(connection, kReadLimit);
    watch(number, Interest::kRead);
}

void PortResponder::drop(int fd) {
    const auto it = connections_.find(fd);
    if (it == connections_.end()) {
        return;
    }
    scheduler_.disarm(it->second.timer);
    scheduler_.unwatch(fd);
    connections_.erase(it);
    watch_listener();
}

void PortResponder::watch(int fd, Interest interest) {
    if (!scheduler_.watch(fd, interest, [this, fd](bool, bool) { ready(fd); })) {
        drop(fd);
    }
}

void PortResponder::limit(Connection& connection, Duration time) {
    scheduler_.disarm(connection.timer);
    connection.timer = scheduler_.arm(scheduler_.now() + time,
                                      [this, fd = connection.fd.get()] { timed_out(fd); });
}

// ---- one connection; each step may drop it, so nothing of it is touched afterwards

void PortResponder::ready(int fd) {
    const auto it = connections_.find(fd);
    if (it == connections_.end()) {
        return;
    }
    switch (it->second.step) {
        case Step::kReading:
            read_request(it->second);
            return;
        case Step::kWriting:
            write_response(it->second);
            return;
        case Step::kDraining:
            drain(it->second);
            return;
    }
}

void PortResponder::timed_out(int fd) {
    const auto it = connections_.find(fd);
    if (it == connections_.end()) {
        return;
    }
    it->second.timer = 0;
    // Who has begun a request is told; a connection that was only opened in advance just ends.
    if (it->second.step == Step::kReading && !it->second.request.empty()) {
        begin_response(it->second);
        return;
    }
    drop(fd);
}

void PortResponder::read_request(Connection& connection) {
    const Read result = read_some(connection.fd.get(), kMaxRequestHead - connection.request.size(),
                                  &connection.request);
    if (connection.request.size() >= kMaxRequestHead || request_head_complete(connection.request)) {
        begin_response(connection);
    } else if (result == Read::kEnd) {
        // It may have closed only its own direction.
        if (connection.request.empty()) {
            drop(connection.fd.get());
        } else {
            begin_response(connection);
        }
    }
}

void PortResponder::begin_response(Connection& connection) {
    connection.response = unavailable_response(answer_, answer_form(connection.request));
    connection.step = Step::kWriting;
    limit(connection, kWriteLimit);
    write_response(connection);
}

void PortResponder::write_response(Connection& connection) {
    const int fd = connection.fd.get();
    while (connection.sent < connection.response.size()) {
        const ssize_t written =
            send(fd, connection.response.data() + connection.sent,
                 connection.response.size() - connection.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(fd, Interest::kWrite);
            return;
        }
        if (written < 0) {
            drop(fd);
            return;
        }
        connection.sent += static_cast<std::size_t>(written);
    }
    if (is_whole_request(connection.request) || shutdown(fd, SHUT_WR) != 0) {
        drop(fd);
        return;
    }
    connection.step = Step::kDraining;
    limit(connection, kDrainLimit);
    watch(fd, Interest::kRead);
}

void PortResponder::drain(Connection& connection) {
    if (read_some(connection.fd.get(), kDrainPerWakeUp, nullptr) == Read::kEnd) {
        drop(connection.fd.get());
    }
}

// ---- the end

void PortResponder::finish(int listener, const PortAnswer& answer) {
    stop();
    answer_ = answer;
    std::vector<int> reading;
    for (const auto& [fd, connection] : connections_) {
        if (connection.step == Step::kReading) {
            reading.push_back(fd);
        }
    }
    for (const int fd : reading) {
        begin_response(connections_.at(fd));
    }
    set_nonblocking(listener, true);
    const TimePoint end = scheduler_.now() + kFinishLimit;
    for (int i = 0; i < kFinishConnections; ++i) {
        if (i >= kFinishAtLeast && scheduler_.now() >= end) {
            break;
        }
        UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            break;
        }
        if (!answer_now(fd.get(), answer) || connections_.size() >= kMaxConnections) {
            continue;
        }
        // What it still sends would meet a closed socket, and the reset would take the answer with
        // it.
        const int number = fd.get();
        Connection& connection = connections_[number];
        connection.fd = std::move(fd);
        connection.step = Step::kDraining;
        limit(connection, kDrainLimit);
        watch(number, Interest::kRead);
    }
    set_nonblocking(listener, false);
}

bool PortResponder::answer_now(int fd, const PortAnswer& answer) {
    std::string request;
    const Read result = read_some(fd, kMaxRequestHead, &request);
    const std::string response = unavailable_response(answer, answer_form(request));
    (void)send(fd, response.data(), response.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (result == Read::kEnd || is_whole_request(request)) {
        return false;
    }
    shutdown(fd, SHUT_WR);
    (void)read_some(fd, kDrainPerWakeUp, nullptr);
    return true;
}

}  // namespace steward::core
