#include "net.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

namespace steward::test {
namespace {

constexpr int kConnectMs = 5000;
constexpr int kReceiveMs = 10000;

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

core::UniqueFd stream_socket(const Name& name) {
    return core::UniqueFd(socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

bool wait_for(int fd, short events, int ms) {
    pollfd entry{fd, events, 0};
    int result = 0;
    do {
        result = poll(&entry, 1, ms);
    } while (result < 0 && errno == EINTR);
    return result == 1;
}

}  // namespace

core::UniqueFd server(const std::string& address, std::uint16_t port, Ends ends, Option option) {
    const Name name = name_of(address, port);
    auto fd = stream_socket(name);
    const int on = 1;
    const int off = 0;
    if (option != Option::kNone) {
        setsockopt(fd.get(), SOL_SOCKET, option == Option::kReusePort ? SO_REUSEPORT : SO_REUSEADDR,
                   &on, sizeof on);
    }
    if (name.storage.ss_family == AF_INET6) {
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd.get(), name.get(), name.size) != 0 ||
        (ends == Ends::kListening && listen(fd.get(), 128) != 0)) {
        const int error = errno;
        fd.reset();
        errno = error;
    }
    return fd;
}

std::uint16_t free_port() {
    return port_of(server("::", 0, Ends::kBound).get());
}

std::uint16_t port_of(int fd) {
    sockaddr_in6 name{};
    socklen_t size = sizeof name;
    getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
    return ntohs(name.sin6_port);
}

core::UniqueFd connect_to(const std::string& address, std::uint16_t port) {
    const Name name = name_of(address, port);
    auto fd = stream_socket(name);
    fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    int error = connect(fd.get(), name.get(), name.size) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t size = sizeof error;
        if (!wait_for(fd.get(), POLLOUT, kConnectMs)) {
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

void send_all(int fd, const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t sent = send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;
        }
        done += static_cast<std::size_t>(sent);
    }
}

Received receive_all(int fd) {
    Received out;
    std::array<char, 4096> buffer;
    for (;;) {
        if (!wait_for(fd, POLLIN, kReceiveMs)) {
            out.late = true;
            return out;
        }
        const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0) {
            out.reset = got < 0;
            return out;
        }
        out.bytes.append(buffer.data(), static_cast<std::size_t>(got));
    }
}

Received get(const std::string& address, std::uint16_t port, const std::string& request) {
    const auto fd = connect_to(address, port);
    if (!fd) {
        return {"", true, false};
    }
    send_all(fd.get(), request);
    return receive_all(fd.get());
}

bool serve_one(int listener, const std::string& text, int wait_ms) {
    if (!wait_for(listener, POLLIN, wait_ms)) {
        return false;
    }
    const core::UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) {
        return false;
    }
    std::string request;
    std::array<char, 4096> buffer;
    while (request.find("\r\n\r\n") == std::string::npos &&
           wait_for(fd.get(), POLLIN, kReceiveMs)) {
        const ssize_t got = recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0) {
            break;
        }
        request.append(buffer.data(), static_cast<std::size_t>(got));
    }
    send_all(fd.get(), text);
    return true;
}

bool is_nonblocking(int fd) {
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}
bool has_close_on_exec(int fd) {
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

int option_of(int fd, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, level, option, &value, &size);
    return value;
}

unsigned backlog_of(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_sacked;
}

bool reaches(std::uint16_t port, int state, std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    do {
        const auto rows = core::socket_rows(port, core::SocketStates::kAll);
        const auto is_it = [state](const core::SocketRow& row) { return row.state == state; };
        if (rows &&
            static_cast<std::size_t>(std::count_if(rows->begin(), rows->end(), is_it)) == count) {
            return true;
        }
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* dir = opendir("/proc/self/fd");
    while (readdir(dir) != nullptr) {
        ++count;
    }
    closedir(dir);
    return count;
}

std::string own_name() {
    std::ifstream file("/proc/self/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

}  // namespace steward::test
