#include "net_kit.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace steward::tests {
namespace {

using core::UniqueFd;

struct Name {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Name name_of(const std::string& address, std::uint16_t port) {
    Name name;
    if (address.find(':') == std::string::npos) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&name.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        inet_pton(AF_INET, address.c_str(), &v4->sin_addr);
        name.size = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&name.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr);
        name.size = sizeof *v6;
    }
    return name;
}

bool wait_for(int fd, short events, Clock::time_point until) {
    for (;;) {
        const auto left = std::chrono::ceil<Milliseconds>(until - Clock::now()).count();
        if (left <= 0) {
            return false;
        }
        pollfd entry{fd, events, 0};
        const int ready = poll(&entry, 1, static_cast<int>(left));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 || errno != EINTR) {
            return false;
        }
    }
}

std::size_t content_length(const Answer& answer) {
    const std::string text = answer.header("Content-Length");
    std::size_t length = std::string::npos;
    std::from_chars(text.data(), text.data() + text.size(), length);
    return length;
}

void split_head(Answer& answer, std::string& received) {
    const auto end = received.find("\r\n\r\n");
    if (!answer.head.empty() || end == std::string::npos) {
        return;
    }
    answer.head = received.substr(0, end + 2);
    received.erase(0, end + 4);
    if (answer.head.size() > 12) {
        std::from_chars(answer.head.data() + 9, answer.head.data() + 12, answer.status);
    }
}

}  // namespace

UniqueFd occupy(const std::string& address, std::uint16_t port, Ends ends, Reuse reuse) {
    const Name name = name_of(address, port);
    UniqueFd fd(socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    const int off = 0;
    if (reuse != Reuse::kNo) {
        setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (reuse == Reuse::kPort) {
        setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (name.storage.ss_family == AF_INET6) {
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd.get(), name.get(), name.size) != 0 ||
        (ends == Ends::kListening && listen(fd.get(), 128) != 0)) {
        throw std::runtime_error(address + ", port " + std::to_string(port) + ": " +
                                 std::strerror(errno));
    }
    return fd;
}

UniqueFd connect_to(std::uint16_t port, const std::string& address) {
    const Name name = name_of(address, port);
    UniqueFd fd(socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int error = connect(fd.get(), name.get(), name.size) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t size = sizeof error;
        if (!wait_for(fd.get(), POLLOUT, Clock::now() + Milliseconds(5000))) {
            error = ETIMEDOUT;
        } else {
            getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        }
    }
    if (error != 0) {
        fd.reset();
        errno = error;
        return fd;
    }
    fcntl(fd.get(), F_SETFL, 0);
    return fd;
}

std::string Answer::header(const std::string& name) const {
    std::size_t at = head.find("\r\n");
    while (at != std::string::npos && at + 2 < head.size()) {
        at += 2;
        const auto end = head.find("\r\n", at);
        if (strncasecmp(head.c_str() + at, name.c_str(), name.size()) == 0 &&
            head[at + name.size()] == ':') {
            const auto value = head.find_first_not_of(' ', at + name.size() + 1);
            return head.substr(value, end - value);
        }
        at = end;
    }
    return {};
}

void send_get(int fd, const std::string& path, const std::string& headers) {
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + "\r\n";
    (void)send(fd, request.data(), request.size(), MSG_NOSIGNAL);
}

Answer read_answer(int fd, Milliseconds limit) {
    const auto until = Clock::now() + limit;
    Answer answer;
    std::string received;
    for (;;) {
        split_head(answer, received);
        if (!answer.head.empty() && received.size() >= content_length(answer)) {
            break;
        }
        if (!wait_for(fd, POLLIN, until)) {
            answer.trouble = "late";
            break;
        }
        char buffer[16384];
        const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got > 0) {
            received.append(buffer, static_cast<std::size_t>(got));
            continue;
        }
        const bool complete =
            got == 0 && !answer.head.empty() && content_length(answer) == std::string::npos;
        answer.trouble = complete ? "" : got == 0 ? "ended early" : "reset";
        break;
    }
    answer.body = std::move(received);
    return answer;
}

Answer fetch(std::uint16_t port, const std::string& path, const std::string& headers,
             Milliseconds limit) {
    const UniqueFd fd = connect_to(port);
    if (!fd) {
        Answer answer;
        answer.trouble = errno == ECONNREFUSED ? "refused" : errno == ETIMEDOUT ? "late" : "reset";
        return answer;
    }
    send_get(fd.get(), path, "Connection: close\r\n" + headers);
    return read_answer(fd.get(), limit);
}

// ---- a server of this process

struct AnsweringListener::Impl {
    UniqueFd listener;
    std::string body;
    UniqueFd stop;
    std::thread thread;

    void run() const {
        for (;;) {
            pollfd fds[2] = {{listener.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
            poll(fds, 2, -1);
            if (fds[1].revents != 0) {
                return;
            }
            const UniqueFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            char request[4096];
            if (!fd || !wait_for(fd.get(), POLLIN, Clock::now() + Milliseconds(1000)) ||
                recv(fd.get(), request, sizeof request, 0) <= 0) {
                continue;
            }
            const std::string text =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: "
                "close\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body;
            (void)send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        }
    }
};

AnsweringListener::AnsweringListener(UniqueFd listener, std::string body)
    : impl_(new Impl{std::move(listener), std::move(body), UniqueFd(eventfd(0, EFD_CLOEXEC)), {}}) {
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

AnsweringListener::~AnsweringListener() {
    eventfd_write(impl_->stop.get(), 1);
    impl_->thread.join();
}

}  // namespace steward::tests
