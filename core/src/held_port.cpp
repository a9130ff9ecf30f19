#include "steward/core/held_port.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "port_responder.hpp"
#include "socket_table.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::core {
namespace {

constexpr Duration kOwnerSearch = std::chrono::milliseconds(20);
constexpr std::size_t kMaxNamed = 3;
constexpr Duration kOwnerSearchEvery = std::chrono::seconds(1);

enum class Reuse { kNo, kBeforeBind };

void set_option(int fd, int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof value);
}

bool is_listening(int fd) {
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

// How many wait in the backlog of a listening socket: for those the kernel tells it there.
unsigned waiting_connections(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    const bool told = getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
    return told && info.tcpi_state == TCP_LISTEN ? info.tcpi_unacked : 0;
}

// Failure leaves errno.
UniqueFd bound_socket(const Address& address, std::uint16_t port, Reuse reuse) {
    UniqueFd fd(socket(address.v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) {
        return {};
    }
    if (reuse == Reuse::kBeforeBind) {
        set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    }
    int result = 0;
    if (address.v4) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        std::copy_n(&address.bytes.s6_addr[12], sizeof name.sin_addr,
                    reinterpret_cast<unsigned char*>(&name.sin_addr));
        result = bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
    } else {
        set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, address.is_any() ? 0 : 1);
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(port);
        name.sin6_addr = address.bytes;
        result = bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
    }
    if (result != 0) {
        const int error = errno;
        fd.reset();
        errno = error;
    }
    return fd;
}

// Not a socket that listens, or is only bound.
bool is_connection(const SocketRow& row) {
    return row.state == TCP_ESTABLISHED || row.state == TCP_CLOSE_WAIT ||
           row.state == TCP_FIN_WAIT1 || row.state == TCP_FIN_WAIT2 || row.state == TCP_LAST_ACK ||
           row.state == TCP_CLOSING;
}

// The other family's loopback address.
std::optional<Address> companion_of(const Address& address) {
    if (!address.v4 && address.is_any()) {
        return std::nullopt;
    }
    return Address::parse(address.v4 ? "::1" : "127.0.0.1");
}

// Says that the machine, not the port, is the reason.
bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

Error bind_error(const Address& address, std::uint16_t port, int error) {
    const std::string name = address.with_port(port);
    switch (error) {
        case EACCES:
            return {
                name + " may not be bound by this user: permission denied; use a port from 1024 on",
                error};
        case EADDRNOTAVAIL:
            return {name + " cannot be bound: this machine has no address " + address.text(),
                    error};
        default:
            return system_error(name + " cannot be bound", error);
    }
}

}  // namespace

struct HeldPort::Impl {
    explicit Impl(Scheduler& scheduler_in) : scheduler(scheduler_in), responder(scheduler_in) {}

    struct Bound {
        UniqueFd main;
        UniqueFd companion;
    };

    Result<Bound> bind_both(const std::string& host, std::uint16_t number);
    Result<UniqueFd> bind_one(const Address& at, std::uint16_t number, bool is_companion);
    static std::vector<SocketRow> rows_at(const Address& at, std::uint16_t number,
                                          SocketStates states, std::uint64_t but);
    Error in_use(const Address& at, std::uint16_t number, bool is_companion);
    Error in_use_by(const Address& at, std::uint16_t number, const std::vector<SocketRow>& rows,
                    bool is_companion);
    std::optional<SocketOwner> owner_of(const std::vector<SocketRow>& rows);
    std::optional<SocketOwner> search_owner(const std::set<std::uint64_t>& inodes);
    bool begin_search();
    void end_search(TimePoint begin);
    std::vector<SocketRow> answering_rows(const std::vector<SocketRow>& rows) const;
    void let_go();

    Scheduler& scheduler;
    PortResponder responder;
    UniqueFd socket;     // listening
    UniqueFd duplicate;  // of it: what the responder watches, so that no copy given away matters to
                         // the loop
    UniqueFd companion;  // bound, not listening
    std::optional<Address> address;  // of the last take() or test()
    std::uint16_t port = 0;
    std::set<std::uint64_t> searched;  // the sockets of the last search
    std::int32_t search_from = 0;      // the pid to go on with in it
    TimePoint search_window{};
    Duration search_left{};
};

HeldPort::HeldPort(Scheduler& scheduler) : impl_(std::make_unique<Impl>(scheduler)) {}

HeldPort::~HeldPort() {
    impl_->let_go();
}

// ---- binding

Status HeldPort::take(const std::string& host, std::uint16_t port) {
    impl_->let_go();
    auto bound = impl_->bind_both(host, port);
    if (!bound) {
        return bound.error();
    }
    const int fd = bound->main.get();
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    UniqueFd duplicate(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    // Listening comes after both are bound: from then on the kernel looks closely at every other
    // bind to this port, also if one of ours had to be made with SO_REUSEADDR.
    if (!duplicate || listen(fd, SOMAXCONN) != 0) {
        return bind_error(*impl_->address, port, errno);
    }
    if (bound->companion) {
        set_option(bound->companion.get(), SOL_SOCKET, SO_REUSEADDR, 0);
    }
    impl_->socket = std::move(bound->main);
    impl_->companion = std::move(bound->companion);
    impl_->duplicate = std::move(duplicate);
    impl_->port = port;
    return Nothing{};
}

Status HeldPort::test(const std::string& host, std::uint16_t port) {
    auto bound = impl_->bind_both(host, port);
    if (!bound) {
        return bound.error();
    }
    return Nothing{};
}

Result<HeldPort::Impl::Bound> HeldPort::Impl::bind_both(const std::string& host,
                                                        std::uint16_t number) {
    const auto parsed = Address::parse(host);
    if (!parsed) {
        return Error{"the host must be a literal address such as 127.0.0.1 or ::1 (got '" + host +
                     "')"};
    }
    if (number == 0) {
        return Error{"0 is not a port that can be kept; give one from 1 to 65535"};
    }
    address = parsed;
    auto main = bind_one(*parsed, number, /*is_companion=*/false);
    if (!main) {
        return main.error();
    }
    Bound bound{std::move(*main), UniqueFd{}};
    if (const auto other = companion_of(*parsed)) {
        auto companion_fd = bind_one(*other, number, /*is_companion=*/true);
        if (!companion_fd) {
            return companion_fd.error();
        }
        bound.companion = std::move(*companion_fd);
    }
    return bound;
}

// A companion that cannot be had because this machine lacks the family is an empty descriptor.
Result<UniqueFd> HeldPort::Impl::bind_one(const Address& at, std::uint16_t number,
                                          bool is_companion) {
    UniqueFd fd = bound_socket(at, number, Reuse::kNo);
    if (fd) {
        return fd;
    }
    if (errno != EADDRINUSE) {
        if (is_companion && !is_shortage(errno)) {
            return fd;
        }
        return bind_error(at, number, errno);
    }
    // A look at the whole table takes the kernel up to tens of milliseconds, so it comes only if
    // everything depends on it: when the port could be shared, and the question is with whom.
    fd = bound_socket(at, number, Reuse::kBeforeBind);
    if (!fd) {
        return in_use(at, number, is_companion);
    }
    const auto there = rows_at(at, number, SocketStates::kAll, socket_inode(fd.get()));
    if (only_closing(there)) {
        return fd;
    }
    return in_use_by(at, number, there, is_companion);
}

std::vector<SocketRow> HeldPort::Impl::rows_at(const Address& at, std::uint16_t number,
                                               SocketStates states, std::uint64_t but) {
    std::vector<SocketRow> there;
    if (const auto rows = socket_rows(number, states)) {
        std::copy_if(rows->begin(), rows->end(), std::back_inserter(there),
                     [&at, but](const SocketRow& row) {
                         return row.overlaps(at) && (row.inode == 0 || row.inode != but);
                     });
    }
    return there;
}

// Finds out by whom, as far as the time for it goes: first among those who listen, which is quick.
Error HeldPort::Impl::in_use(const Address& at, std::uint16_t number, bool is_companion) {
    auto there = rows_at(at, number, SocketStates::kListening, 0);
    if (there.empty() && begin_search()) {
        const TimePoint begin = scheduler.now();
        there = rows_at(at, number, SocketStates::kAll, 0);
        end_search(begin);
    }
    return in_use_by(at, number, there, is_companion);
}

Error HeldPort::Impl::in_use_by(const Address& at, std::uint16_t number,
                                const std::vector<SocketRow>& rows, bool is_companion) {
    const std::string name = at.with_port(number);
    if (const auto owner = owner_of(rows)) {
        return {name + " is in use by " + owner->name + " (pid " + std::to_string(owner->pid) + ")",
                EADDRINUSE};
    }
    if (only_closing(rows)) {
        return {name + " is in use by connections of an earlier server that are still closing",
                EADDRINUSE};
    }
    return {name + (is_companion ? " is bound by another process" : " is in use"), EADDRINUSE};
}

// Who listens matters more than who is connected.
std::optional<SocketOwner> HeldPort::Impl::owner_of(const std::vector<SocketRow>& rows) {
    std::set<std::uint64_t> listening;
    std::set<std::uint64_t> any;
    for (const auto& row : rows) {
        if (row.inode != 0) {
            (row.state == TCP_LISTEN ? listening : any).insert(row.inode);
        }
    }
    return search_owner(listening.empty() ? any : listening);
}

std::optional<SocketOwner> HeldPort::Impl::search_owner(const std::set<std::uint64_t>& inodes) {
    if (inodes.empty() || !begin_search()) {
        return std::nullopt;
    }
    const TimePoint begin = scheduler.now();
    // What one window has not got to is for the next: on a machine with many processes a search
    // that began anew each time would never end.
    if (searched != inodes) {
        searched = inodes;
        search_from = 0;
    }
    auto owner = find_owner(inodes, search_from,
                            [this, end = begin + search_left] { return scheduler.now() >= end; });
    end_search(begin);
    return owner;
}

// Many candidates may be refused one after the other, so the time for naming owners is one for all
// of them.
bool HeldPort::Impl::begin_search() {
    const TimePoint now = scheduler.now();
    if (search_window == TimePoint{} || now - search_window >= kOwnerSearchEvery) {
        search_window = now;
        search_left = kOwnerSearch;
    }
    return search_left > Duration{};
}

void HeldPort::Impl::end_search(TimePoint begin) {
    search_left -= std::min(search_left, scheduler.now() - begin);
}

void HeldPort::Impl::let_go() {
    responder.stop();
    duplicate.reset();
    socket.reset();
    companion.reset();
    port = 0;
}

// ---- the held socket

int HeldPort::listener() {
    if (!impl_->socket) {
        return -1;
    }
    const int fd = impl_->socket.get();
    impl_->responder.stop();
    // It belongs to the socket, not to the descriptor: the last instance may have set it.
    if (const int flags = fcntl(fd, F_GETFL); flags >= 0 && (flags & O_NONBLOCK) != 0) {
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
    if (!is_listening(fd) && listen(fd, SOMAXCONN) != 0) {
        impl_->let_go();
        return -1;
    }
    return fd;
}

void HeldPort::answer(const PortAnswer& answer) {
    if (impl_->duplicate) {
        impl_->responder.start(impl_->duplicate.get(), answer);
    }
}

void HeldPort::stop_answering() {
    impl_->responder.stop();
}

void HeldPort::close(const PortAnswer& answer) {
    if (impl_->duplicate) {
        impl_->responder.finish(impl_->duplicate.get(), answer);
    }
    impl_->let_go();
}

// The option is not taken back: the kernel would go on letting others in once one has been.
bool HeldPort::shareable() const {
    int value = 0;
    socklen_t size = sizeof value;
    return impl_->socket &&
           getsockopt(impl_->socket.get(), SOL_SOCKET, SO_REUSEPORT, &value, &size) == 0 &&
           value != 0;
}

std::string HeldPort::not_accepted(std::int32_t guardian_pid) {
    Impl& impl = *impl_;
    if (!impl.socket || waiting_connections(impl.socket.get()) == 0) {
        return {};
    }
    // Only who has been accepted belongs to a process: one that is served, or hangs, while others
    // wait.
    const auto there = Impl::rows_at(*impl.address, impl.port, SocketStates::kAll, 0);
    if (std::any_of(there.begin(), there.end(),
                    [](const SocketRow& row) { return row.inode != 0 && is_connection(row); })) {
        return {};
    }
    std::string text = "nobody accepts connections on the socket that was handed over";
    if (!impl.begin_search()) {
        return text;
    }
    const TimePoint begin = impl.scheduler.now();
    const auto others = listening_below(
        guardian_pid, socket_inode(impl.socket.get()),
        [&impl, end = begin + impl.search_left] { return impl.scheduler.now() >= end; });
    impl.end_search(begin);
    for (std::size_t i = 0; i < std::min(others.size(), kMaxNamed); ++i) {
        text += (i == 0 ? ", the app listens on " : ", ") + others[i];
    }
    return text;
}

// ---- strangers

std::string HeldPort::stranger_on(std::uint16_t port, std::int32_t guardian_pid) {
    const auto rows = socket_rows(port, SocketStates::kListening);
    if (!rows) {
        return "another process (" + rows.error().text + ")";
    }
    std::set<std::uint64_t> inodes;
    for (const auto& row : impl_->answering_rows(*rows)) {
        inodes.insert(row.inode);
    }
    inodes.erase(socket_inode(impl_->socket.get()));
    const bool held_by_us = inodes.empty() && impl_->socket && impl_->port == port;
    const auto ours = held_below(guardian_pid, inodes);
    std::set<std::uint64_t> strange;
    std::set_difference(inodes.begin(), inodes.end(), ours.begin(), ours.end(),
                        std::inserter(strange, strange.end()));
    if (strange.empty() && (held_by_us || !ours.empty())) {
        return {};
    }
    if (const auto owner = impl_->search_owner(strange)) {
        return "pid " + std::to_string(owner->pid) + " (" + owner->name + ")";
    }
    return "another process";
}

// The listeners that get the connections to the host: those on the very address, else those on all
// addresses. Several of the same rank (SO_REUSEPORT) share the connections.
std::vector<SocketRow> HeldPort::Impl::answering_rows(const std::vector<SocketRow>& rows) const {
    std::vector<SocketRow> exact;
    std::vector<SocketRow> overlapping;
    for (const auto& row : rows) {
        if (!address || row.overlaps(*address)) {
            overlapping.push_back(row);
        }
        if (address && row.local == *address) {
            exact.push_back(row);
        }
    }
    return exact.empty() ? overlapping : exact;
}

}  // namespace steward::core
