// The kernel's TCP sockets on one port, and the processes that own them.
//
// Read through NETLINK_SOCK_DIAG, which filters by port and state inside the kernel; where that is
// not available, from /proc/net/tcp and tcp6.
//
// Thread: any. Nothing here waits for anything; the walks through /proc end at the given time.
#pragma once
#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "steward/core/result.hpp"

namespace steward::core {

// An IPv4 or IPv6 address; IPv4 is kept in its v4-mapped form.
struct Address {
    in6_addr bytes{};
    bool v4 = false;

    bool operator==(const Address& other) const;
    bool is_any() const;
    // "127.0.0.1", "::1"
    std::string text() const;
    // "127.0.0.1:5000", "[::1]:5000"
    std::string with_port(std::uint16_t port) const;
    // Nothing unless the text is a literal address. A v4-mapped literal is the IPv4 address.
    static std::optional<Address> parse(const std::string& text);
};

struct SocketRow {
    Address local;
    bool v6_socket = false;  // an IPv6 socket; its local address may be a v4-mapped one
    bool v6_only = false;    // known for listening sockets only, and not from /proc
    std::uint8_t state =
        0;  // TCP_LISTEN, TCP_TIME_WAIT, …; 13: bound, not listening (Linux 6.8 and later)
    std::uint64_t inode = 0;   // 0: belongs to no process
    std::uint16_t port = 0;    // the local one
    std::uint32_t queued = 0;  // of a listening socket: connections that have not been accepted

    // A connection that is closing and belongs to no process.
    bool ownerless() const;
    // Would it stand in the way of a socket that is bound to this address?
    bool overlaps(const Address& address) const;
};

// Is there at least one, and are all of them ownerless? No row at all is no such thing: older
// kernels do not show sockets that are only bound.
bool only_closing(const std::vector<SocketRow>& rows);

enum class SocketStates { kAll, kListening };

// Every socket whose local port this is; port 0: every socket. Failure: the table cannot be read.
Result<std::vector<SocketRow>> socket_rows(std::uint16_t port, SocketStates states);
// The two ways to the same answer.
Result<std::vector<SocketRow>> socket_rows_from_netlink(std::uint16_t port, SocketStates states);
Result<std::vector<SocketRow>> socket_rows_from_proc(std::uint16_t port, SocketStates states);

// A process that holds a socket.
struct SocketOwner {
    std::int32_t pid = 0;
    std::string name;
};
// Looks through /proc/*/fd, at this process first, until one of the sockets is found or stop() says
// so, asked before each other process. `from` is the lowest pid to look at and becomes the one to
// go on with: the owner, the first that was not looked at, or 0 when none is left.
std::optional<SocketOwner> find_owner(const std::set<std::uint64_t>& inodes, std::int32_t& from,
                                      const std::function<bool()>& stop);

// Those of the sockets that a process below `ancestor` holds, as far as the search got until stop()
// said so, asked before each process and each open file of it. Processes that cannot be looked into
// hold none.
std::set<std::uint64_t> held_below(
    std::int32_t ancestor, const std::set<std::uint64_t>& inodes,
    const std::function<bool()>& stop = [] { return false; });

// What processes below `ancestor` listen on but this socket, "127.0.0.1:8000", sorted, as far as the
// search got until stop() said so; empty as well if the table cannot be read.
std::vector<std::string> listening_below(std::int32_t ancestor, std::uint64_t but,
                                         const std::function<bool()>& stop);

// The inode of an open socket; 0 if it has none.
std::uint64_t socket_inode(int fd);

}  // namespace steward::core
