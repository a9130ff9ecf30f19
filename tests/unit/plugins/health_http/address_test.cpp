#include "address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

#include "catch.hpp"

using steward::health_http::parse_endpoint;

namespace {

template <class T>
T address_as(const steward::health_http::Endpoint& endpoint) {
    T out{};
    std::memcpy(&out, &endpoint.address, sizeof out);
    return out;
}

}  // namespace

TEST_CASE("a literal IPv4 address becomes a socket address and a Host header", "[health_http]") {
    const auto endpoint = parse_endpoint("127.0.0.1", 5000);
    REQUIRE(endpoint);
    const auto v4 = address_as<sockaddr_in>(*endpoint);
    CHECK(v4.sin_family == AF_INET);
    CHECK(ntohs(v4.sin_port) == 5000);
    CHECK(ntohl(v4.sin_addr.s_addr) == INADDR_LOOPBACK);
    CHECK(endpoint->length == sizeof(sockaddr_in));
    CHECK(endpoint->host_header == "127.0.0.1:5000");
}

TEST_CASE("a literal IPv6 address stands in brackets in the Host header", "[health_http]") {
    const auto endpoint = parse_endpoint("::1", 8080);
    REQUIRE(endpoint);
    const auto v6 = address_as<sockaddr_in6>(*endpoint);
    CHECK(v6.sin6_family == AF_INET6);
    CHECK(ntohs(v6.sin6_port) == 8080);
    CHECK(std::memcmp(&v6.sin6_addr, &in6addr_loopback, sizeof v6.sin6_addr) == 0);
    CHECK(endpoint->host_header == "[::1]:8080");
}

TEST_CASE("an IPv6 scope is an index or the name of an interface", "[health_http]") {
    const auto by_name = parse_endpoint("fe80::1%lo", 80);
    REQUIRE(by_name);
    CHECK(address_as<sockaddr_in6>(*by_name).sin6_scope_id == if_nametoindex("lo"));
    CHECK(by_name->host_header == "[fe80::1]:80");
    const auto by_index = parse_endpoint("fe80::1%7", 80);
    REQUIRE(by_index);
    CHECK(address_as<sockaddr_in6>(*by_index).sin6_scope_id == 7);
    CHECK_FALSE(parse_endpoint("fe80::1%no_such_interface", 80));
    CHECK_FALSE(parse_endpoint("fe80::1%", 80));
}

TEST_CASE("whatever is not a literal address is refused", "[health_http]") {
    const auto address = GENERATE(
        as<std::string>{}, "", "localhost", "example.org", "127.0.0.1:80", "[::1]", "127.1",
        "127.0.0.1%lo", "256.0.0.1", "127.0.0.1 ", " 127.0.0.1", "/run/app.sock",
        "::1::", "0x7f000001", std::string("127.0.0.1\0x", 11), std::string("fe80::1%lo\0x", 12));
    INFO(address);
    CHECK_FALSE(parse_endpoint(address, 80));
}
