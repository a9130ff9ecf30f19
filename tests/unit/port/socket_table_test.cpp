// The socket table, read in both ways.
#include "socket_table.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <tuple>

#include "catch.hpp"
#include "net.hpp"

using namespace steward;
using core::Address;
using core::SocketStates;
using test::Ends;
using test::Option;

namespace {

using Plain = std::tuple<std::string, bool, int, std::uint64_t>;

std::vector<Plain> plain(const core::Result<std::vector<core::SocketRow>>& rows) {
    REQUIRE(rows);
    std::vector<Plain> out;
    for (const auto& row : *rows) {
        // /proc does not list sockets that are only bound.
        if (row.state <= TCP_CLOSING) {
            out.emplace_back(row.local.text(), row.v6_socket, row.state, row.inode);
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

core::SocketRow row_at(const std::string& address, bool v6_socket, bool v6_only = false) {
    core::SocketRow row;
    row.local = *Address::parse(address);
    row.v6_socket = v6_socket;
    row.v6_only = v6_only;
    return row;
}

}  // namespace

TEST_CASE("netlink and /proc show the same sockets", "[port]") {
    const auto number = test::free_port();
    const auto v4 = test::server("127.0.0.1", number, Ends::kListening, Option::kReuseAddress);
    const auto v6 = test::server("::1", number, Ends::kListening, Option::kReuseAddress);
    const auto open_client = test::connect_to("127.0.0.1", number);
    const core::UniqueFd accepted(accept4(v4.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto waiting = test::connect_to("::1", number);
    {
        const auto closing = test::connect_to("127.0.0.1", number);
        test::send_all(closing.get(), "\r\n\r\n");
        REQUIRE(test::serve_one(v4.get(), "x"));
        REQUIRE(test::receive_all(closing.get()).bytes == "x");
    }
    REQUIRE(test::reaches(number, TCP_TIME_WAIT, 1));

    const auto all = plain(core::socket_rows_from_netlink(number, SocketStates::kAll));
    CHECK(all == plain(core::socket_rows_from_proc(number, SocketStates::kAll)));
    CHECK(all.size() == 5);
    const auto listening = plain(core::socket_rows_from_netlink(number, SocketStates::kListening));
    CHECK(listening == plain(core::socket_rows_from_proc(number, SocketStates::kListening)));
    CHECK(listening ==
          std::vector<Plain>{{"127.0.0.1", false, TCP_LISTEN, core::socket_inode(v4.get())},
                             {"::1", true, TCP_LISTEN, core::socket_inode(v6.get())}});
}

TEST_CASE("a connection counts as ownerless only when it is closing and belongs to no process",
          "[port]") {
    core::SocketRow row;
    for (const int state :
         {TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT, TCP_LAST_ACK, TCP_CLOSING}) {
        row.state = static_cast<std::uint8_t>(state);
        row.inode = 0;
        CHECK(row.ownerless());
        row.inode = 7;
        CHECK_FALSE(row.ownerless());
    }
    row.inode = 0;
    for (const int state : {TCP_ESTABLISHED, TCP_SYN_RECV, TCP_CLOSE_WAIT, TCP_LISTEN, TCP_CLOSE}) {
        row.state = static_cast<std::uint8_t>(state);
        CHECK_FALSE(row.ownerless());
    }
}

TEST_CASE("a port is shared with closing connections only if there are some and nothing else",
          "[port]") {
    core::SocketRow closing;
    closing.state = TCP_TIME_WAIT;
    core::SocketRow listening;
    listening.state = TCP_LISTEN;
    listening.inode = 7;
    CHECK(core::only_closing({closing}));
    CHECK(core::only_closing({closing, closing}));
    CHECK_FALSE(core::only_closing({closing, listening}));
    CHECK_FALSE(core::only_closing({}));
}

TEST_CASE("a socket stands in the way of an address when it covers it", "[port]") {
    const auto loopback = *Address::parse("127.0.0.1");
    const auto loopback6 = *Address::parse("::1");
    const auto any = *Address::parse("0.0.0.0");
    const auto any6 = *Address::parse("::");
    CHECK(row_at("127.0.0.1", false).overlaps(loopback));
    CHECK(row_at("0.0.0.0", false).overlaps(loopback));
    CHECK(row_at("::", true).overlaps(loopback));
    CHECK(row_at("::ffff:127.0.0.1", true).overlaps(loopback));
    CHECK_FALSE(row_at("::", true, /*v6_only=*/true).overlaps(loopback));
    CHECK_FALSE(row_at("192.0.2.1", false).overlaps(loopback));
    CHECK_FALSE(row_at("::1", true).overlaps(loopback));
    CHECK(row_at("::1", true).overlaps(loopback6));
    CHECK(row_at("::", true, /*v6_only=*/true).overlaps(loopback6));
    CHECK_FALSE(row_at("0.0.0.0", false).overlaps(loopback6));
    CHECK(row_at("192.0.2.1", false).overlaps(any));
    CHECK_FALSE(row_at("::1", true).overlaps(any));
    CHECK(row_at("192.0.2.1", false).overlaps(any6));
    CHECK(row_at("::1", true).overlaps(any6));
}

TEST_CASE("addresses are read and written as literals", "[port]") {
    CHECK(Address::parse("127.0.0.1")->with_port(5000) == "127.0.0.1:5000");
    CHECK(Address::parse("::1")->with_port(5000) == "[::1]:5000");
    CHECK(Address::parse("::ffff:127.0.0.1")->text() == "127.0.0.1");
    CHECK_FALSE(Address::parse("localhost"));
    CHECK_FALSE(Address::parse("127.1"));
    CHECK_FALSE(Address::parse(" 127.0.0.1"));
}
