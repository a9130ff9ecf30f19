// A literal address and a port as the socket calls want them. Names are never resolved: that could
// block.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace examples::app_metrics {

struct Endpoint {
    sockaddr_storage address{};
    socklen_t length = 0;
    std::string text;  // "127.0.0.1:5000", "[::1]:5000"; the Host header too
};

// Nothing, if `address` is not a literal IPv4 or IPv6 address ("fe80::1%eth0" is one if the
// interface exists).
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view address, std::uint16_t port);

}  // namespace examples::app_metrics
