// A literal address and a port, as the socket calls want them. Names are never resolved.
//
// Pure, but for the index of a named IPv6 scope, which the kernel is asked for. Any thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace steward::health_http {

struct Endpoint {
    sockaddr_storage address{};
    socklen_t length = 0;
    std::string host_header;  // "127.0.0.1:5000", "[::1]:5000"
};

// Nothing, if `address` is not a literal IPv4 or IPv6 address ("fe80::1%eth0" is one if the
// interface exists).
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view address, std::uint16_t port);

}  // namespace steward::health_http
