#include "endpoint.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

namespace examples::tcp_connect {
namespace {

template <class T>
void store(Endpoint& endpoint, const T& address) {
    std::memcpy(&endpoint.address, &address, sizeof address);
    endpoint.length = sizeof address;
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view address, std::uint16_t port) {
    // inet_pton reads a C string: a NUL inside would end it early and hide the rest.
    if (address.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t percent = address.find('%');
    const std::string literal(address.substr(0, percent));
    Endpoint endpoint;
    sockaddr_in v4{};
    if (percent == std::string_view::npos &&
        inet_pton(AF_INET, literal.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        store(endpoint, v4);
        endpoint.text = literal + ":" + std::to_string(port);
        return endpoint;
    }
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET6, literal.c_str(), &v6.sin6_addr) != 1) {
        return std::nullopt;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (percent != std::string_view::npos) {
        v6.sin6_scope_id = if_nametoindex(std::string(address.substr(percent + 1)).c_str());
        if (v6.sin6_scope_id == 0) {
            return std::nullopt;
        }
    }
    store(endpoint, v6);
    endpoint.text.append("[").append(address).append("]:").append(std::to_string(port));
    return endpoint;
}

}  // namespace examples::tcp_connect
