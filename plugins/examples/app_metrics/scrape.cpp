#include "scrape.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace examples::app_metrics {
namespace {

// Closed at the end of the scope.
class Socket {
  public:
    explicit Socket(int family)
        : fd_(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
    ~Socket() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

[[noreturn]] void fail(const Endpoint& endpoint, int error) {
    if (error == ECONNREFUSED) {
        throw sdk::Failure(STEWARD_E_GONE, endpoint.text + ": connection refused", error);
    }
    // Not strerror: its text depends on the locale.
    const char* const text = strerrordesc_np(error);
    throw sdk::Failure(STEWARD_E_IO, endpoint.text + ": " + (text != nullptr ? text : "failed"),
                       error);
}

class Exchange {
  public:
    Exchange(sdk::Host host, const Endpoint& endpoint, sdk::TimePoint deadline)
        : host_(host),
          endpoint_(endpoint),
          deadline_(deadline),
          socket_(endpoint.address.ss_family) {
        if (socket_.get() < 0) {
            fail(endpoint_, errno);
        }
    }

    void connect() {
        // A sockaddr_storage may be seen as a sockaddr; the socket calls are made for it.
        const auto* const address =
            static_cast<const sockaddr*>(static_cast<const void*>(&endpoint_.address));
        if (::connect(socket_.get(), address, endpoint_.length) == 0) {
            return;
        }
        if (errno != EINPROGRESS && errno != EINTR) {
            fail(endpoint_, errno);
        }
        wait(POLLOUT);
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
        if (error != 0) {
            fail(endpoint_, error);
        }
    }

    void send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t count = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (count >= 0) {
                text.remove_prefix(static_cast<std::size_t>(count));
            } else if (errno == EAGAIN) {
                wait(POLLOUT);
            } else if (errno != EINTR) {
                fail(endpoint_, errno);
            }
        }
    }

    HttpResponse receive() {
        HttpResponse response;
        char buffer[16U * 1024U];
        for (;;) {
            wait(POLLIN);
            const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (count > 0) {
                if (response.put({buffer, static_cast<std::size_t>(count)})) {
                    return response;
                }
            } else if (count == 0) {
                if (response.put_end()) {
                    return response;
                }
                throw sdk::Failure(STEWARD_E_IO,
                                   endpoint_.text + ": closed before the answer's end");
            } else if (errno != EAGAIN && errno != EINTR) {
                fail(endpoint_, errno);
            }
        }
    }

  private:
    // Until the socket is ready; TIMEOUT at the deadline. The time is rounded down: to come back
    // after the deadline would be an offence, a moment before it is none.
    void wait(short events) {
        for (;;) {
            const auto left =
                std::chrono::floor<std::chrono::milliseconds>(deadline_ - host_.now()).count();
            pollfd entry{socket_.get(), events, 0};
            const int ready =
                left <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(std::min<long>(left, 60'000)));
            if (ready > 0) {
                return;
            }
            if (ready == 0) {
                throw sdk::Failure(STEWARD_E_TIMEOUT,
                                   endpoint_.text + ": no complete answer by the deadline");
            }
            if (errno != EINTR) {
                fail(endpoint_, errno);
            }
        }
    }

    sdk::Host host_;
    const Endpoint& endpoint_;
    sdk::TimePoint deadline_;
    Socket socket_;
};

}  // namespace

HttpResponse scrape(sdk::Host host, const Endpoint& endpoint, std::string_view path,
                    sdk::TimePoint deadline) {
    Exchange exchange(host, endpoint, deadline);
    exchange.connect();
    exchange.send("GET " + std::string(path) + " HTTP/1.0\r\nHost: " + endpoint.text +
                  "\r\nConnection: close\r\nUser-Agent: steward-app-metrics/" STEWARD_PLUGIN_VERSION
                  "\r\nAccept: application/openmetrics-text;version=1.0.0, "
                  "text/plain;version=0.0.4;q=0.5\r\n\r\n");
    return exchange.receive();
}

}  // namespace examples::app_metrics
