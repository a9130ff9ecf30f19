// Servers that misbehave on purpose, for tests of whatever asks an HTTP server something.
//
// Each listens on 127.0.0.1 or ::1 with a port that the kernel chose. A connection is served by a
// script: what is sent, in which pieces, with which pauses, and how it ends. The functions in
// `script` name the usual misbehaviours. Members may be called from any thread; the destructor ends
// every connection and returns when no thread is left.
#pragma once

#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/StreamSocket.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace steward::compliance {

enum class Family { kIpv4, kIpv6 };

struct Step {
    enum class Kind {
        kReadRequest,  // until the empty line
        kSend,         // `bytes`
        kPause,        // `pause`, a part of the behaviour
        kFlood,  // `bytes` again and again, `count` bytes in all or until the other side closes
        kHold,   // nothing, until the other side closes
        kReset   // ends the connection with RST
    };
    Kind kind;
    std::string bytes{};
    std::chrono::milliseconds pause{};
    std::uint64_t count = 0;
};
// At its end the connection is closed in the orderly way.
using Script = std::vector<Step>;

namespace script {

// "HTTP/1.1 <status> …" with Content-Type, Content-Length and Connection: close, and the body.
[[nodiscard]] std::string message(int status, std::string_view body,
                                  std::string_view content_type = "application/json",
                                  std::string_view more_headers = {});
[[nodiscard]] Script respond(int status, std::string_view body,
                             std::string_view content_type = "application/json",
                             std::string_view more_headers = {});
[[nodiscard]] Script respond_after(std::chrono::milliseconds pause, int status,
                                   std::string_view body);
// Reads the request, then sends these bytes as they are and closes.
[[nodiscard]] Script raw(std::string bytes);
// The same in pieces of `size` bytes with a pause before each.
[[nodiscard]] Script drip(std::string_view bytes, std::size_t size,
                          std::chrono::milliseconds pause);
// Reads the request, sends these bytes, then neither sends nor closes.
[[nodiscard]] Script stall_after(std::string bytes);
// Accepts, reads, never answers.
[[nodiscard]] Script black_hole();
// Reads the request, sends these bytes, then resets.
[[nodiscard]] Script reset_after(std::string bytes);
// Closes in the orderly way after the request, without an answer.
[[nodiscard]] Script close_after_request();
// Closes at once, without reading the request: the kernel answers that with FIN, RST or both.
[[nodiscard]] Script close_at_once();
[[nodiscard]] Script huge_body(std::uint64_t bytes);
[[nodiscard]] Script huge_header(std::uint64_t bytes);
[[nodiscard]] Script chunked(int status, const std::vector<std::string>& chunks);
[[nodiscard]] Script redirect(std::string_view location);

}  // namespace script

class ScriptedHttpServer {
  public:
    explicit ScriptedHttpServer(Script script, Family family = Family::kIpv4);
    // `choose` gives the script of each connection, counted from 1; it is called on the server's
    // threads.
    explicit ScriptedHttpServer(std::function<Script(std::size_t connection)> choose,
                                Family family = Family::kIpv4);
    ~ScriptedHttpServer();
    ScriptedHttpServer(const ScriptedHttpServer&) = delete;
    ScriptedHttpServer& operator=(const ScriptedHttpServer&) = delete;

    [[nodiscard]] std::string address() const;
    [[nodiscard]] std::uint16_t port() const;

    // Connections accepted until now, and the request heads that were read, in the order of
    // arrival.
    [[nodiscard]] std::size_t connections() const;
    [[nodiscard]] std::vector<std::string> requests() const;
    // Waits until so many connections have been accepted, requests read, connections ended; false
    // after `limit`.
    bool wait_connections(std::size_t count,
                          std::chrono::milliseconds limit = std::chrono::seconds(10));
    bool wait_requests(std::size_t count,
                       std::chrono::milliseconds limit = std::chrono::seconds(10));
    // Waits until so many connections have come to a kHold: what they send is in the kernel's hands
    // then.
    bool wait_holding(std::size_t count,
                      std::chrono::milliseconds limit = std::chrono::seconds(10));
    bool wait_ended(std::size_t count, std::chrono::milliseconds limit = std::chrono::seconds(10));

  private:
    struct Connection {
        Poco::Net::StreamSocket socket;
        std::thread thread;
    };

    void accept_all();
    void serve(Connection& connection, const Script& script);
    bool play(Poco::Net::StreamSocket& socket, const Step& step);
    bool read_request(Poco::Net::StreamSocket& socket);
    bool wait_for(const std::function<bool()>& done, std::chrono::milliseconds limit);

    std::function<Script(std::size_t connection)> choose_;
    Poco::Net::ServerSocket listener_;
    Family family_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::size_t accepted_ = 0;
    std::size_t holding_ = 0;
    std::size_t ended_ = 0;
    std::vector<std::string> requests_;
    std::list<Connection> connections_;
    std::thread acceptor_;
};

// A port that refuses every connection, and that nobody else can get meanwhile: bound, not
// listening.
class ClosedPort {
  public:
    explicit ClosedPort(Family family = Family::kIpv4);
    [[nodiscard]] std::uint16_t port() const { return socket_.address().port(); }

  private:
    Poco::Net::ServerSocket socket_;
};

// A port whose connections are established by the kernel and never accepted.
class UnattendedPort {
  public:
    explicit UnattendedPort(Family family = Family::kIpv4);
    [[nodiscard]] std::uint16_t port() const { return socket_.address().port(); }

  private:
    Poco::Net::ServerSocket socket_;
};

}  // namespace steward::compliance
