#include "status_socket.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <Poco/JSON/Object.h>

#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using core::Error;
using core::Interest;
using core::UniqueFd;

constexpr char kName[] = "status.sock";
constexpr int kAcceptsAtOnce = 16;
constexpr std::size_t kDefaultCount = 200;
constexpr core::Duration kAcceptPause = std::chrono::seconds(1);

std::string one_line(std::string json) {
    std::replace_if(
        json.begin(), json.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    return json;
}

std::string json_reply(std::string_view member, const std::string& json) {
    std::string line = "{\"";
    line.append(member).append("\":").append(one_line(json)).append("}\n");
    return line;
}

std::string text_reply(std::string_view member, std::string_view text) {
    std::string line = "{\"";
    line.append(member).append("\":");
    mcp::append_json_string(line, text);
    line += "}\n";
    return line;
}

ssize_t send_some(int fd, std::string_view bytes) noexcept {
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

// ---- address and rights

core::Result<StatusAddress> StatusAddress::of(const std::string& folder) {
    StatusAddress made;
    made.folder.reset(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!made.folder) {
        return core::system_error(folder);
    }
    made.address.sun_family = AF_UNIX;
    std::snprintf(made.address.sun_path, sizeof made.address.sun_path, "/proc/self/fd/%d/%s",
                  made.folder.get(), kName);
    // Without /proc the path has to do, if it fits.
    const std::string path = folder + "/" + kName;
    if (::access("/proc/self/fd", X_OK) != 0 && path.size() < sizeof made.address.sun_path) {
        std::memcpy(made.address.sun_path, path.c_str(), path.size() + 1);
    }
    return made;
}

bool may_ask(uid_t peer, uid_t server) noexcept {
    return peer == server || peer == 0;
}

// ---- requests

struct StatusSocket::Request {
    Want want = Want::kNothing;
    bool follow = false;
    std::size_t count = kDefaultCount;
};

core::Result<StatusSocket::Request> StatusSocket::parse(std::string_view line) {
    Poco::Dynamic::Var value;
    const mcp::JsonLimits limits{/*max_depth=*/16, /*max_values=*/1000};
    if (mcp::JsonReader(limits).parse(line, value) != mcp::JsonStatus::kOk ||
        value.type() != typeid(Poco::JSON::Object::Ptr)) {
        return Error{
            "the request is not a JSON object; send one line such as {\"want\":\"status\"}"};
    }
    const auto& object = *value.extract<Poco::JSON::Object::Ptr>();
    Request request;
    const std::string* const want = mcp::as_string(mcp::find_member(object, "want"));
    if (want != nullptr && *want == "status") {
        request.want = Want::kStatus;
    } else if (want != nullptr && *want == "events") {
        request.want = Want::kEvents;
    } else if (want != nullptr && *want == "logs") {
        request.want = Want::kLogs;
    } else {
        const std::string got =
            want == nullptr ? "no text" : "\"" + mcp::excerpt(*want, 100) + "\"";
        return Error{"want: must be \"status\", \"events\" or \"logs\" (got " + got + ")"};
    }
    if (const auto* const follow = mcp::find_member(object, "follow"); follow != nullptr) {
        if (!follow->isBoolean()) {
            return Error{"follow: must be true or false"};
        }
        request.follow = follow->convert<bool>();
    }
    if (const auto* const member = mcp::find_member(object, "count"); member != nullptr) {
        const auto count = mcp::as_integer(member);
        if (!count || *count < 0 || *count > static_cast<std::int64_t>(kMaxCount)) {
            return Error{"count: must be a whole number from 0 to " + std::to_string(kMaxCount)};
        }
        request.count = static_cast<std::size_t>(*count);
    }
    return request;
}

struct StatusSocket::Client {
    UniqueFd fd;
    std::string in;
    std::string out;
    std::size_t sent = 0;   // of `out`
    bool mid_line = false;  // the last byte sent was not the end of a line
    bool asked = false;     // the request has come; what follows is ignored
    bool read_end = false;  // nothing more comes
    bool closing = false;   // ends when `out` is sent
    Want follows = Want::kNothing;
    core::TimerId patience = 0;
    int watched = -1;  // the interest that is watched for

    std::size_t waiting() const { return out.size() - sent; }
};

// ---- opening and closing

StatusSocket::StatusSocket(core::Scheduler& scheduler, StatusSource source)
    : scheduler_(scheduler), source_(std::move(source)) {}

StatusSocket::~StatusSocket() {
    close();
}

core::Status StatusSocket::open(const std::string& folder) {
    const std::string path = folder + "/" + kName;
    auto address = StatusAddress::of(folder);
    if (!address) {
        return address.error();
    }
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int dir = address->folder.get();
    ::unlinkat(dir, kName, 0);
    // The mode of an unbound socket, less the umask, becomes that of its file: at no moment does it
    // allow more.
    if (!listener || ::fchmod(listener.get(), 0600) != 0 ||
        ::bind(listener.get(), address->get(), sizeof address->address) != 0) {
        return core::system_error(path + ": the status socket cannot be made");
    }
    const bool listens = ::fchmodat(dir, kName, 0600, 0) == 0 &&
                         ::listen(listener.get(), static_cast<int>(kMaxClients)) == 0;
    if (!listens ||
        !scheduler_.watch(listener.get(), Interest::kRead, [this](bool, bool) { accept_some(); })) {
        const Error error = core::system_error(path + ": the status socket cannot be served");
        ::unlinkat(dir, kName, 0);
        return error;
    }
    listener_ = std::move(listener);
    folder_ = std::move(address->folder);
    return core::Nothing{};
}

void StatusSocket::close() {
    if (!listener_) {
        return;
    }
    scheduler_.disarm(std::exchange(accept_timer_, 0));
    scheduler_.unwatch(listener_.get());
    ::unlinkat(folder_.get(), kName, 0);
    listener_.reset();
    folder_.reset();
    while (!clients_.empty()) {
        const Client& client = *clients_.begin()->second;
        send_some(client.fd.get(), std::string_view(client.out).substr(client.sent));
        drop(client.fd.get());
    }
}

// ---- clients

void StatusSocket::accept_some() {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) {
            admit(std::move(fd));
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            // The connection stays in the queue and the listener readable: without a pause this
            // would go round and round.
            scheduler_.unwatch(listener_.get());
            accept_timer_ = scheduler_.arm(scheduler_.now() + kAcceptPause, [this] {
                accept_timer_ = 0;
                scheduler_.watch(listener_.get(), Interest::kRead,
                                 [this](bool, bool) { accept_some(); });
            });
        }
        return;
    }
}

void StatusSocket::admit(UniqueFd fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        !may_ask(peer.uid, ::geteuid())) {
        return;
    }
    if (clients_.size() >= kMaxClients) {
        const std::string most = std::to_string(kMaxClients);
        send_some(fd.get(), text_reply("error", "too many connections (at most " + most +
                                                    "); end one of them and try again"));
        return;
    }
    const int number = fd.get();
    auto& client = clients_[number];
    client = std::make_unique<Client>();
    client->fd = std::move(fd);
    arm_patience(*client);
    settle(*client);
}

void StatusSocket::arm_patience(Client& client) {
    scheduler_.disarm(client.patience);
    const int fd = client.fd.get();
    client.patience = scheduler_.arm(scheduler_.now() + kPatience, [this, fd] {
        clients_.at(fd)->patience = 0;
        drop(fd);
    });
}

void StatusSocket::drop(int fd) {
    const auto it = clients_.find(fd);
    scheduler_.disarm(it->second->patience);
    scheduler_.unwatch(fd);
    clients_.erase(it);
}

void StatusSocket::on_ready(int fd, bool readable) {
    Client& client = *clients_.at(fd);
    if (readable && !client.read_end) {
        read_from(client);
    } else {
        settle(client);
    }
}

void StatusSocket::read_from(Client& client) {
    char buffer[kMaxRequestBytes];
    const ssize_t got = ::recv(client.fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            drop(client.fd.get());
        }
        return;
    }
    if (client.asked) {
        // A follower who ends his side has gone; an answer on its way is still delivered.
        client.read_end = got == 0;
        if (client.read_end && !client.closing) {
            drop(client.fd.get());
        } else if (client.read_end) {
            settle(client);
        }
        return;
    }
    client.in.append(buffer, static_cast<std::size_t>(got));
    const std::size_t end = std::min(client.in.find('\n'), client.in.size());
    client.read_end = got == 0;
    if (end > kMaxRequestBytes) {
        refuse(client, "the request is longer than " + std::to_string(kMaxRequestBytes) + " bytes");
    } else if (end < client.in.size() || (client.read_end && end > 0)) {
        const std::string line = std::exchange(client.in, {});
        serve(client, std::string_view(line).substr(0, end));
    } else if (client.read_end) {
        drop(client.fd.get());
    }
}

// ---- answers

void StatusSocket::serve(Client& client, std::string_view line) {
    const auto request = parse(line);
    if (!request) {
        refuse(client, request.error().text);
        return;
    }
    std::vector<std::string> lines;
    try {
        lines = answer(*request);
    } catch (...) {
        refuse(client, "the server cannot answer this at the moment; try again");
        return;
    }
    client.asked = true;
    std::size_t bytes = 0;
    auto first = lines.end();
    while (first != lines.begin() && bytes + std::prev(first)->size() <= kMaxAnswerBytes) {
        --first;
        bytes += first->size();
    }
    client.out.reserve(bytes);
    for (auto it = first; it != lines.end(); ++it) {
        client.out += *it;
    }
    client.closing = !request->follow || client.read_end;
    if (!client.closing) {
        client.follows = request->want;
        scheduler_.disarm(std::exchange(client.patience, 0));
    }
    settle(client);
}

std::vector<std::string> StatusSocket::answer(const Request& request) {
    std::vector<std::string> lines;
    if (request.want == Want::kStatus) {
        lines.push_back(json_reply("status", source_.status_json()));
    } else if (request.want == Want::kEvents) {
        lines = source_.events(request.count);
        for (auto& line : lines) {
            line = json_reply("event", line);
        }
    } else {
        lines = source_.log_lines(request.count);
        for (auto& line : lines) {
            line = text_reply("log", line);
        }
    }
    if (request.want != Want::kStatus && lines.size() > request.count) {
        lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(request.count));
    }
    return lines;
}

void StatusSocket::refuse(Client& client, std::string_view text) {
    client.asked = true;
    client.in.clear();
    client.out += text_reply("error", text);
    client.closing = true;
    settle(client);
}

void StatusSocket::publish_status(const std::string& json) {
    publish(Want::kStatus, json);
}

void StatusSocket::publish_event(const std::string& json) {
    publish(Want::kEvents, json);
}

void StatusSocket::publish_log(const std::string& line) {
    publish(Want::kLogs, line);
}

bool StatusSocket::has_followers(Want want) const {
    return std::any_of(clients_.begin(), clients_.end(), [want](const auto& entry) {
        return entry.second->follows == want && !entry.second->closing;
    });
}

void StatusSocket::publish(Want want, const std::string& text) {
    std::string line;
    for (auto it = clients_.begin(); it != clients_.end();) {
        Client& client = *it->second;
        ++it;  // push() may drop this client, and no other
        if (client.follows != want || client.closing) {
            continue;
        }
        if (line.empty()) {
            line = want == Want::kLogs     ? text_reply("log", text)
                   : want == Want::kEvents ? json_reply("event", text)
                                           : json_reply("status", text);
        }
        push(client, line);
    }
}

void StatusSocket::push(Client& client, const std::string& line) {
    if (client.waiting() + line.size() > kMaxWaitingBytes) {
        drop_slow(client);
        return;
    }
    const bool idle = client.waiting() == 0;
    client.out += line;
    if (idle) {
        settle(client);
    }
}

// The line that is half sent is finished, the rest makes way for the note.
void StatusSocket::drop_slow(Client& client) {
    const std::size_t kept = client.mid_line ? client.out.find('\n', client.sent) + 1 : client.sent;
    const auto lost =
        std::count(client.out.begin() + static_cast<std::ptrdiff_t>(kept), client.out.end(), '\n') +
        1;
    client.out.resize(kept);
    client.out += text_reply(
        "error", "too slow: " + std::to_string(lost) + " lines were not read in time; ask again");
    client.closing = true;
    arm_patience(client);
    settle(client);
}

// Sends what can be sent and watches for what is needed next; the client may be gone afterwards.
void StatusSocket::settle(Client& client) {
    const int fd = client.fd.get();
    if (client.waiting() > 0) {
        const ssize_t sent = send_some(fd, std::string_view(client.out).substr(client.sent));
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            drop(fd);
            return;
        }
        client.sent += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
        if (sent > 0) {
            client.mid_line = client.out[client.sent - 1] != '\n';
        }
        if (client.sent > client.out.size() / 2) {
            client.out.erase(0, std::exchange(client.sent, 0));
        }
    }
    if (client.closing && client.waiting() == 0) {
        drop(fd);
        return;
    }
    const Interest interest = client.waiting() == 0 ? Interest::kRead
                              : client.read_end     ? Interest::kWrite
                                                    : Interest::kReadWrite;
    if (client.watched == static_cast<int>(interest)) {
        return;
    }
    client.watched = static_cast<int>(interest);
    const bool watches =
        scheduler_.watch(fd, interest, [this, fd](bool readable, bool) { on_ready(fd, readable); });
    if (!watches) {
        drop(fd);
    }
}

}  // namespace steward::host
