#include "steward/compliance/scripted_http_server.hpp"

#include <Poco/Net/NetException.h>
#include <Poco/Net/SocketAddress.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

namespace steward::compliance {
namespace {

using Kind = Step::Kind;

constexpr std::size_t kLongestRequest = 16U * 1024U;

const char* loopback(Family family) {
    return family == Family::kIpv4 ? "127.0.0.1" : "::1";
}

Poco::Net::ServerSocket bound_socket(Family family) {
    Poco::Net::ServerSocket socket;
    const Poco::Net::SocketAddress address(loopback(family), 0);
    if (family == Family::kIpv4) {
        socket.bind(address, /*reuseAddress=*/false);
    } else {
        socket.bind6(address, /*reuseAddress=*/false, /*ipV6Only=*/true);
    }
    return socket;
}

// Sends all of it; false when the other side is gone.
bool send_all(Poco::Net::StreamSocket& socket, std::string_view bytes) {
    while (!bytes.empty()) {
        const int sent = socket.sendBytes(bytes.data(), static_cast<int>(bytes.size()));
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

namespace script {

std::string message(int status, std::string_view body, std::string_view content_type,
                    std::string_view more_headers) {
    std::string out = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
    out.append("Content-Type: ").append(content_type).append("\r\n").append(more_headers);
    out += "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n";
    return out.append(body);
}

Script respond(int status, std::string_view body, std::string_view content_type,
               std::string_view more_headers) {
    return raw(message(status, body, content_type, more_headers));
}

Script respond_after(std::chrono::milliseconds pause, int status, std::string_view body) {
    return {{Kind::kReadRequest}, {Kind::kPause, {}, pause}, {Kind::kSend, message(status, body)}};
}

Script raw(std::string bytes) {
    return {{Kind::kReadRequest}, {Kind::kSend, std::move(bytes)}};
}

Script drip(std::string_view bytes, std::size_t size, std::chrono::milliseconds pause) {
    Script out{{Kind::kReadRequest}};
    for (std::size_t at = 0; at < bytes.size(); at += size) {
        out.push_back({Kind::kPause, {}, pause});
        out.push_back({Kind::kSend, std::string(bytes.substr(at, size))});
    }
    return out;
}

Script stall_after(std::string bytes) {
    return {{Kind::kReadRequest}, {Kind::kSend, std::move(bytes)}, {Kind::kHold}};
}

Script black_hole() {
    return stall_after({});
}

Script reset_after(std::string bytes) {
    return {{Kind::kReadRequest}, {Kind::kSend, std::move(bytes)}, {Kind::kReset}};
}

Script close_after_request() {
    return {{Kind::kReadRequest}};
}

Script close_at_once() {
    return {};
}

Script huge_body(std::uint64_t bytes) {
    return {{Kind::kReadRequest},
            {Kind::kSend,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"},
            {Kind::kFlood, std::string(64U * 1024U, ' '), {}, bytes}};
}

Script huge_header(std::uint64_t bytes) {
    return {{Kind::kReadRequest},
            {Kind::kSend, "HTTP/1.1 200 OK\r\nX-Long: "},
            {Kind::kFlood, std::string(4096, 'x'), {}, bytes},
            {Kind::kSend, "\r\n\r\n"}};
}

Script chunked(int status, const std::vector<std::string>& chunks) {
    std::string out =
        "HTTP/1.1 " + std::to_string(status) +
        " Scripted\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const std::string& chunk : chunks) {
        std::string size;
        for (std::size_t rest = chunk.size(); rest != 0; rest /= 16) {
            size.insert(size.begin(), kDigits[rest % 16]);
        }
        out += size + "\r\n" + chunk + "\r\n";
    }
    return raw(out + "0\r\n\r\n");
}

Script redirect(std::string_view location) {
    return respond(301, "", "text/html", "Location: " + std::string(location) + "\r\n");
}

}  // namespace script

ScriptedHttpServer::ScriptedHttpServer(Script script, Family family)
    : ScriptedHttpServer([script = std::move(script)](std::size_t) { return script; }, family) {}

ScriptedHttpServer::ScriptedHttpServer(std::function<Script(std::size_t connection)> choose,
                                       Family family)
    : choose_(std::move(choose)), listener_(bound_socket(family)), family_(family) {
    listener_.listen(128);
    acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedHttpServer::~ScriptedHttpServer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        // On Linux this wakes accept() and makes it fail.
        ::shutdown(listener_.impl()->sockfd(), SHUT_RDWR);
        for (Connection& connection : connections_) {
            ::shutdown(connection.socket.impl()->sockfd(), SHUT_RDWR);
        }
    }
    changed_.notify_all();
    acceptor_.join();
    for (Connection& connection : connections_) {
        connection.thread.join();
    }
}

std::string ScriptedHttpServer::address() const {
    return loopback(family_);
}
std::uint16_t ScriptedHttpServer::port() const {
    return listener_.address().port();
}

std::size_t ScriptedHttpServer::connections() const {
    const std::lock_guard lock(mutex_);
    return accepted_;
}

std::vector<std::string> ScriptedHttpServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

bool ScriptedHttpServer::wait_for(const std::function<bool()>& done,
                                  std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, done);
}

bool ScriptedHttpServer::wait_connections(std::size_t count, std::chrono::milliseconds limit) {
    return wait_for([&] { return accepted_ >= count; }, limit);
}

bool ScriptedHttpServer::wait_requests(std::size_t count, std::chrono::milliseconds limit) {
    return wait_for([&] { return requests_.size() >= count; }, limit);
}

bool ScriptedHttpServer::wait_holding(std::size_t count, std::chrono::milliseconds limit) {
    return wait_for([&] { return holding_ >= count; }, limit);
}

bool ScriptedHttpServer::wait_ended(std::size_t count, std::chrono::milliseconds limit) {
    return wait_for([&] { return ended_ >= count; }, limit);
}

void ScriptedHttpServer::accept_all() {
    for (;;) {
        Poco::Net::StreamSocket socket;
        try {
            socket = listener_.acceptConnection();
        } catch (const Poco::Exception&) {
            // A test that takes all descriptors away lets accept fail for a while.
            std::unique_lock lock(mutex_);
            if (changed_.wait_for(lock, std::chrono::milliseconds(1),
                                  [this] { return stopping_; })) {
                return;
            }
            continue;
        }
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            return;
        }
        Connection& connection = connections_.emplace_back();
        connection.socket = socket;
        Script script = choose_(++accepted_);
        connection.thread = std::thread(
            [this, &connection, script = std::move(script)] { serve(connection, script); });
        changed_.notify_all();
    }
}

void ScriptedHttpServer::serve(Connection& connection, const Script& script) {
    Poco::Net::StreamSocket socket = connection.socket;
    try {
        const auto failed = [&](const Step& step) { return !play(socket, step); };
        if (std::none_of(script.begin(), script.end(), failed)) {
            socket.shutdownSend();
        }
    } catch (const Poco::Exception&) {
        // The other side is gone: that is how most of these conversations end.
    }
    const std::lock_guard lock(mutex_);
    // Not closed before the lock is held: the destructor may be about to shut this descriptor down.
    connection.socket.close();
    ++ended_;
    changed_.notify_all();
}

bool ScriptedHttpServer::play(Poco::Net::StreamSocket& socket, const Step& step) {
    switch (step.kind) {
        case Kind::kReadRequest:
            return read_request(socket);
        case Kind::kSend:
            return send_all(socket, step.bytes);
        case Kind::kPause: {
            std::unique_lock lock(mutex_);
            return !changed_.wait_for(lock, step.pause, [this] { return stopping_; });
        }
        case Kind::kFlood: {
            std::uint64_t left = step.count;
            while (left > 0) {
                const std::size_t size = std::min<std::uint64_t>(left, step.bytes.size());
                if (!send_all(socket, std::string_view(step.bytes).substr(0, size))) {
                    return false;
                }
                left -= size;
            }
            return true;
        }
        case Kind::kHold: {
            {
                const std::lock_guard lock(mutex_);
                ++holding_;
                changed_.notify_all();
            }
            char buffer[4096];
            while (socket.receiveBytes(buffer, sizeof buffer) > 0) {
            }
            return false;
        }
        case Kind::kReset:
            socket.setLinger(/*on=*/true, /*seconds=*/0);
            return false;
    }
    return false;
}

bool ScriptedHttpServer::read_request(Poco::Net::StreamSocket& socket) {
    std::string head;
    char buffer[4096];
    while (head.find("\r\n\r\n") == std::string::npos && head.size() < kLongestRequest) {
        const int count = socket.receiveBytes(buffer, sizeof buffer);
        if (count <= 0) {
            return false;
        }
        head.append(buffer, static_cast<std::size_t>(count));
    }
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(head));
    changed_.notify_all();
    return true;
}

ClosedPort::ClosedPort(Family family) : socket_(bound_socket(family)) {}

UnattendedPort::UnattendedPort(Family family) : socket_(bound_socket(family)) {
    socket_.listen(16);
}

}  // namespace steward::compliance
