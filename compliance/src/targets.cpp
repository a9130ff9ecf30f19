#include "targets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "process_look.hpp"

namespace steward::compliance {

std::string healthy_body(std::string_view instance) {
    return R"({"status":"healthy","instance":")" + std::string(instance) + "\"}";
}

SilentPort::SilentPort() {
    constexpr int kMostFillers = 8;
    constexpr int kPatience = 20;  // ms; a connection over the loopback device is there at once
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const raw = static_cast<sockaddr*>(static_cast<void*>(&address));
    socklen_t length = sizeof address;
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds_.push_back(listener);
    if (::bind(listener, raw, length) != 0 || ::listen(listener, 0) != 0 ||
        ::getsockname(listener, raw, &length) != 0) {
        throw std::runtime_error("cannot listen on 127.0.0.1");
    }
    port_ = ntohs(address.sin_port);
    for (int i = 0; i < kMostFillers && !silent_; ++i) {
        const int filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        fds_.push_back(filler);
        (void)::connect(filler, raw, length);
        pollfd waiting{filler, POLLOUT, 0};
        silent_ = ::poll(&waiting, 1, kPatience) == 0;
    }
}

SilentPort::~SilentPort() {
    for (const int fd : fds_) {
        ::close(fd);
    }
}

DescriptorFamine::DescriptorFamine() {
    struct rlimit limit {};
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
    limit_before_ = limit.rlim_cur;
    // Not lower: poll() refuses more descriptors than the limit.
    limit.rlim_cur = static_cast<rlim_t>(open_descriptors().rbegin()->first) + 1;
    on_ = ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
    for (;;) {
        const int fd = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            break;
        }
        fillers_.push_back(fd);
    }
    if (!on_ || errno != EMFILE) {
        end();
        throw std::runtime_error("cannot use up the descriptors");
    }
}

void DescriptorFamine::end() noexcept {
    for (const int fd : fillers_) {
        ::close(fd);
    }
    fillers_.clear();
    if (on_) {
        on_ = false;
        struct rlimit limit {};
        (void)::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit_before_;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace steward::compliance
