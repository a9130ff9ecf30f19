#include "address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <steward/sdk/text.hpp>

namespace steward::health_http {
namespace {

template <class T>
void store(Endpoint& endpoint, const T& address) {
    std::memcpy(&endpoint.address, &address, sizeof address);
    endpoint.length = sizeof address;
}

// The index of an interface by number or name, 0 if there is none.
std::uint32_t scope_id(const std::string& scope) {
    std::uint32_t index = 0;
    const char* end = scope.data() + scope.size();
    const auto [stop, error] = std::from_chars(scope.data(), end, index);
    if (error == std::errc{} && stop == end) {
        return index;
    }
    return if_nametoindex(scope.c_str());
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view address, std::uint16_t port) {
    const std::size_t percent = address.find('%');
    const std::string literal(address.substr(0, percent));
    // inet_pton reads a C string: a NUL inside would end it early and hide the rest.
    if (address.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    Endpoint endpoint;
    const std::string port_text = ":" + sdk::number_text(std::int64_t{port});
    sockaddr_in v4{};
    if (percent == std::string_view::npos &&
        inet_pton(AF_INET, literal.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        store(endpoint, v4);
        endpoint.host_header = literal + port_text;
        return endpoint;
    }
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET6, literal.c_str(), &v6.sin6_addr) != 1) {
        return std::nullopt;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (percent != std::string_view::npos) {
        v6.sin6_scope_id = scope_id(std::string(address.substr(percent + 1)));
        if (v6.sin6_scope_id == 0) {
            return std::nullopt;
        }
    }
    store(endpoint, v6);
    endpoint.host_header = "[" + literal + "]" + port_text;
    return endpoint;
}

}  // namespace steward::health_http
