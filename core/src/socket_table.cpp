#include "socket_table.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <string_view>

#include "steward/core/unique_fd.hpp"
#include "steward/sdk/proc_tree.hpp"

namespace steward::core {
namespace {

// With the pseudo state 13, a socket that is bound and neither listens nor is connected (Linux 6.8
// and later).
constexpr std::uint32_t kAllStates = 0xffffffffU;
constexpr int kDumpTries = 3;

in6_addr mapped(std::uint32_t v4_network_order) {
    in6_addr out{};
    out.s6_addr[10] = 0xff;
    out.s6_addr[11] = 0xff;
    std::memcpy(&out.s6_addr[12], &v4_network_order, sizeof v4_network_order);
    return out;
}

SocketRow make_row(bool v6_socket, const in6_addr& local, unsigned port, unsigned state,
                   std::uint64_t inode) {
    SocketRow row;
    row.port = static_cast<std::uint16_t>(port);
    row.local.bytes = local;
    row.local.v4 = !v6_socket || IN6_IS_ADDR_V4MAPPED(&local);
    row.v6_socket = v6_socket;
    row.state = static_cast<std::uint8_t>(state);
    row.inode = inode;
    return row;
}

// ---- netlink

struct DiagRequest {
    nlmsghdr header;
    inet_diag_req_v2 body;
    nlattr attribute;
    // "port >= P and port <= P": two operators, each followed by its operand. Equality alone is
    // younger.
    inet_diag_bc_op filter[4];
};

DiagRequest make_request(int family, std::uint16_t port, SocketStates states) {
    DiagRequest request{};
    request.header.nlmsg_len = port == 0 ? offsetof(DiagRequest, attribute) : sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.body.sdiag_family = static_cast<std::uint8_t>(family);
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = states == SocketStates::kListening ? 1U << TCP_LISTEN : kAllStates;
    request.attribute.nla_type = INET_DIAG_REQ_BYTECODE;
    request.attribute.nla_len = sizeof request.attribute + sizeof request.filter;
    // `yes` and `no` are how far to go on in bytes; past the end by 4 means "no match".
    constexpr std::uint16_t kTwoOps = 2 * sizeof(inet_diag_bc_op);
    request.filter[0] = {INET_DIAG_BC_S_GE, kTwoOps, 2 * kTwoOps + 4};
    request.filter[1] = {0, 0, port};
    request.filter[2] = {INET_DIAG_BC_S_LE, kTwoOps, kTwoOps + 4};
    request.filter[3] = {0, 0, port};
    return request;
}

const char* payload(const nlmsghdr* message) {
    return reinterpret_cast<const char*>(message) + NLMSG_HDRLEN;
}

void add_diag_row(const nlmsghdr* message, std::uint16_t port, std::vector<SocketRow>& rows) {
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) {
        return;
    }
    inet_diag_msg body{};
    std::memcpy(&body, payload(message), sizeof body);
    if (port != 0 && ntohs(body.id.idiag_sport) != port) {
        return;
    }
    const bool v6 = body.idiag_family == AF_INET6;
    in6_addr local{};
    if (v6) {
        std::memcpy(&local, body.id.idiag_src, sizeof local);
    } else {
        local = mapped(body.id.idiag_src[0]);
    }
    SocketRow row =
        make_row(v6, local, ntohs(body.id.idiag_sport), body.idiag_state, body.idiag_inode);
    row.queued = row.state == TCP_LISTEN ? body.idiag_rqueue : 0;
    const char* at = payload(message) + NLMSG_ALIGN(sizeof body);
    const char* end = reinterpret_cast<const char*>(message) + message->nlmsg_len;
    while (end - at >= static_cast<std::ptrdiff_t>(sizeof(nlattr))) {
        nlattr attribute{};
        std::memcpy(&attribute, at, sizeof attribute);
        if (attribute.nla_len < sizeof attribute || attribute.nla_len > end - at) {
            break;
        }
        if (attribute.nla_type == INET_DIAG_SKV6ONLY && attribute.nla_len > sizeof attribute) {
            row.v6_only = at[sizeof attribute] != 0;
        }
        at += NLMSG_ALIGN(attribute.nla_len);
    }
    rows.push_back(row);
}

enum class Dump { kDone, kInterrupted, kFailed };

// Failure leaves errno. Interrupted: the table changed in a way that may have hidden a row; ask
// again.
Dump dump_family(int netlink, int family, std::uint16_t port, SocketStates states,
                 std::vector<SocketRow>& rows) {
    const DiagRequest request = make_request(family, port, states);
    if (send(netlink, &request, request.header.nlmsg_len, 0) < 0) {
        return Dump::kFailed;
    }
    bool interrupted = false;
    alignas(nlmsghdr) std::array<char, 32768> buffer;
    for (;;) {
        const ssize_t got = recv(netlink, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return Dump::kFailed;
        }
        auto left = static_cast<std::uint32_t>(got);
        for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left)) {
            interrupted = interrupted || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type == NLMSG_DONE) {
                return interrupted ? Dump::kInterrupted : Dump::kDone;
            }
            if (message->nlmsg_type == NLMSG_ERROR) {
                nlmsgerr error{};
                std::memcpy(&error, payload(message), sizeof error);
                errno = -error.error;
                return Dump::kFailed;
            }
            add_diag_row(message, port, rows);
        }
    }
}

// ---- /proc/net

// One line: "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 12345
// 1 …"
std::optional<SocketRow> parse_proc_line(const std::string& line, std::uint16_t port, bool v6) {
    char address[33] = {};
    unsigned row_port = 0;
    unsigned state = 0;
    unsigned queued = 0;
    unsigned long long inode = 0;
    if (std::sscanf(
            line.c_str(),
            " %*u: %32[0-9A-Fa-f]:%4x %*32[0-9A-Fa-f]:%*4x %2x %*x:%x %*x:%*x %*x %*u %*u %llu",
            address, &row_port, &state, &queued, &inode) != 5 ||
        (port != 0 && row_port != port) || std::strlen(address) != (v6 ? 32U : 8U)) {
        return std::nullopt;
    }
    // Each group of 8 digits is one 32-bit word of the address as it lies in memory.
    std::array<std::uint32_t, 4> words{};
    for (std::size_t i = 0; i < (v6 ? 4U : 1U); ++i) {
        std::from_chars(address + 8 * i, address + 8 * i + 8, words[i], 16);
    }
    in6_addr local{};
    if (v6) {
        std::memcpy(&local, words.data(), sizeof local);
    } else {
        local = mapped(words[0]);
    }
    SocketRow row = make_row(v6, local, row_port, state, inode);
    row.queued = row.state == TCP_LISTEN ? queued : 0;
    return row;
}

// ---- /proc/PID

struct DirCloser {
    void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, DirCloser>;

std::optional<std::int32_t> to_number(std::string_view text) {
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

// Calls visit(inode) for each socket that the process has open, until it returns false or stop(),
// asked before each open file, says so.
template <class Visit, class Stop>
void for_each_socket(std::int32_t pid, Visit visit, Stop stop) {
    const Dir dir(opendir(("/proc/" + std::to_string(pid) + "/fd").c_str()));
    if (!dir) {
        return;
    }
    constexpr std::string_view kPrefix = "socket:[";
    while (const dirent* entry = stop() ? nullptr : readdir(dir.get())) {
        std::array<char, 64> target{};
        const ssize_t length =
            readlinkat(dirfd(dir.get()), entry->d_name, target.data(), target.size());
        if (length <= 0) {
            continue;
        }
        std::string_view text(target.data(), static_cast<std::size_t>(length));
        if (!text.starts_with(kPrefix)) {
            continue;
        }
        text.remove_prefix(kPrefix.size());
        std::uint64_t inode = 0;
        std::from_chars(text.data(), text.data() + text.size(), inode);
        if (!visit(inode)) {
            return;
        }
    }
}

bool holds_any(std::int32_t pid, const std::set<std::uint64_t>& inodes) {
    bool found = false;
    for_each_socket(
        pid,
        [&](std::uint64_t inode) {
            found = inodes.count(inode) != 0;
            return !found;
        },
        [] { return false; });
    return found;
}

std::string process_name(std::int32_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

}  // namespace

// ---- Address

bool Address::operator==(const Address& other) const {
    return std::memcmp(&bytes, &other.bytes, sizeof bytes) == 0;
}

bool Address::is_any() const {
    if (v4) {
        const in6_addr any = mapped(0);
        return std::memcmp(&bytes, &any, sizeof bytes) == 0;
    }
    return IN6_IS_ADDR_UNSPECIFIED(&bytes);
}

std::string Address::text() const {
    std::array<char, INET6_ADDRSTRLEN> out{};
    if (v4) {
        inet_ntop(AF_INET, &bytes.s6_addr[12], out.data(), out.size());
    } else {
        inet_ntop(AF_INET6, &bytes, out.data(), out.size());
    }
    return out.data();
}

std::string Address::with_port(std::uint16_t port) const {
    return (v4 ? text() : "[" + text() + "]") + ":" + std::to_string(port);
}

std::optional<Address> Address::parse(const std::string& text) {
    Address out;
    std::uint32_t v4_bytes = 0;
    if (inet_pton(AF_INET, text.c_str(), &v4_bytes) == 1) {
        out.bytes = mapped(v4_bytes);
        out.v4 = true;
        return out;
    }
    if (inet_pton(AF_INET6, text.c_str(), &out.bytes) == 1) {
        out.v4 = IN6_IS_ADDR_V4MAPPED(&out.bytes);
        return out;
    }
    return std::nullopt;
}

// ---- SocketRow

bool SocketRow::ownerless() const {
    switch (state) {
        case TCP_FIN_WAIT1:
        case TCP_FIN_WAIT2:
        case TCP_TIME_WAIT:
        case TCP_LAST_ACK:
        case TCP_CLOSING:
            return inode == 0;
        default:
            return false;
    }
}

bool only_closing(const std::vector<SocketRow>& rows) {
    return !rows.empty() && std::all_of(rows.begin(), rows.end(),
                                        [](const SocketRow& row) { return row.ownerless(); });
}

bool SocketRow::overlaps(const Address& address) const {
    if (local == address) {
        return true;
    }
    if (local.is_any()) {
        const bool both_families = v6_socket && !local.v4 && !v6_only;
        return local.v4 == address.v4 || both_families;
    }
    // "::" takes IPv4 along, so everything is in its way.
    return address.is_any() && (!address.v4 || local.v4);
}

// ---- reading

Result<std::vector<SocketRow>> socket_rows_from_netlink(std::uint16_t port, SocketStates states) {
    const UniqueFd netlink(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink) {
        return system_error("the socket table cannot be read");
    }
    std::vector<SocketRow> rows;
    for (const int family : {AF_INET, AF_INET6}) {
        const std::size_t before = rows.size();
        Dump result = Dump::kInterrupted;
        for (int i = 0; i < kDumpTries && result == Dump::kInterrupted; ++i) {
            rows.resize(before);
            result = dump_family(netlink.get(), family, port, states, rows);
        }
        // A kernel without IPv6 has no table for it.
        if (result == Dump::kFailed && (family == AF_INET || errno != ENOENT)) {
            return system_error("the socket table cannot be read");
        }
    }
    return rows;
}

Result<std::vector<SocketRow>> socket_rows_from_proc(std::uint16_t port, SocketStates states) {
    std::vector<SocketRow> rows;
    for (const bool v6 : {false, true}) {
        const char* const path = v6 ? "/proc/net/tcp6" : "/proc/net/tcp";
        std::ifstream file(path);
        if (!file) {
            if (v6) {
                break;
            }
            return system_error(std::string(path) + " cannot be read");
        }
        std::string line;
        while (std::getline(file, line)) {
            const auto row = parse_proc_line(line, port, v6);
            if (row && (states == SocketStates::kAll || row->state == TCP_LISTEN)) {
                rows.push_back(*row);
            }
        }
    }
    return rows;
}

Result<std::vector<SocketRow>> socket_rows(std::uint16_t port, SocketStates states) {
    auto rows = socket_rows_from_netlink(port, states);
    if (!rows) {
        return socket_rows_from_proc(port, states);
    }
    return rows;
}

// ---- owners

std::optional<SocketOwner> find_owner(const std::set<std::uint64_t>& inodes, std::int32_t& from,
                                      const std::function<bool()>& stop) {
    const Dir proc(opendir("/proc"));
    if (!proc || inodes.empty()) {
        return std::nullopt;
    }
    if (holds_any(getpid(), inodes)) {
        return SocketOwner{getpid(), process_name(getpid())};
    }
    while (const dirent* entry = readdir(proc.get())) {
        // In the order of their numbers.
        const auto pid = to_number(entry->d_name);
        if (!pid || *pid < from) {
            continue;
        }
        from = *pid;
        if (stop()) {
            return std::nullopt;
        }
        if (holds_any(*pid, inodes)) {
            return SocketOwner{*pid, process_name(*pid)};
        }
    }
    from = 0;
    return std::nullopt;
}

std::set<std::uint64_t> held_below(std::int32_t ancestor, const std::set<std::uint64_t>& inodes,
                                   const std::function<bool()>& stop) {
    std::set<std::uint64_t> found;
    if (ancestor <= 0 || inodes.empty()) {
        return found;
    }
    for (const auto pid :
         sdk::descendants("/proc", ancestor, std::numeric_limits<std::size_t>::max())) {
        if (found.size() == inodes.size() || stop()) {
            break;
        }
        for_each_socket(
            pid,
            [&](std::uint64_t inode) {
                if (inodes.count(inode) != 0) {
                    found.insert(inode);
                }
                return true;
            },
            stop);
    }
    return found;
}

std::vector<std::string> listening_below(std::int32_t ancestor, std::uint64_t but,
                                         const std::function<bool()>& stop) {
    const auto rows = socket_rows(0, SocketStates::kListening);
    if (!rows) {
        return {};
    }
    std::set<std::uint64_t> inodes;
    for (const auto& row : *rows) {
        inodes.insert(row.inode);
    }
    inodes.erase(but);
    const auto held = held_below(ancestor, inodes, stop);
    std::set<std::string> names;
    for (const auto& row : *rows) {
        if (held.count(row.inode) != 0) {
            names.insert(row.local.with_port(row.port));
        }
    }
    return {names.begin(), names.end()};
}

std::uint64_t socket_inode(int fd) {
    struct stat info {};
    if (fstat(fd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return 0;
    }
    return info.st_ino;
}

}  // namespace steward::core
