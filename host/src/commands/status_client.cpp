#include "status_client.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>

#include "status_commands.hpp"
#include "status_socket.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using core::UniqueFd;
using Kind = StatusReply::Kind;
using Clock = std::chrono::steady_clock;

std::string server_name(const RunningServer& server) {
    return "the steward with the pid " + std::to_string(server.pid);
}

std::string unquoted(std::string_view json_object, const char* member) {
    Poco::Dynamic::Var value;
    if (mcp::JsonReader().parse(json_object, value) != mcp::JsonStatus::kOk ||
        value.type() != typeid(Poco::JSON::Object::Ptr)) {
        return {};
    }
    const auto object = value.extract<Poco::JSON::Object::Ptr>();
    const std::string* const text = mcp::as_string(mcp::find_member(*object, member));
    return text != nullptr ? *text : std::string();
}

StatusReply read_reply(std::string_view line) {
    const auto inside = [&](std::string_view head) {
        return std::string(line.substr(head.size(), line.size() - head.size() - 1));
    };
    constexpr std::string_view kStatusHead = "{\"status\":";
    constexpr std::string_view kEventHead = "{\"event\":";
    if (line.empty() || line.back() != '}') {
        return {Kind::kError, "the server's answer is not what this version understands"};
    }
    if (line.starts_with(kStatusHead)) {
        return {Kind::kStatus, inside(kStatusHead)};
    }
    if (line.starts_with(kEventHead)) {
        return {Kind::kEvent, inside(kEventHead)};
    }
    if (line.starts_with("{\"log\":")) {
        return {Kind::kLog, unquoted(line, "log")};
    }
    if (line.starts_with("{\"error\":")) {
        return {Kind::kError, "the server says: " + unquoted(line, "error")};
    }
    return {Kind::kError, "the server's answer is not what this version understands"};
}

int poll_time(std::optional<Clock::time_point> until) {
    if (!until) {
        return -1;
    }
    // Rounded up, so that a time that is not over is never taken for one that is.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

}  // namespace

// ---- the connection

core::Result<StatusClient> StatusClient::connect(const RunningServer& server) {
    const auto address = StatusAddress::of(server.folder);
    if (!address) {
        return core::Error{server_name(server) + " has just ended", address.error().sys_errno};
    }
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval patience{};
    patience.tv_sec = kPatience.count();
    if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0) {
        return core::system_error("no socket for asking the server");
    }
    int done = -1;
    do {
        done = ::connect(fd.get(), address->get(), sizeof address->address);
    } while (done != 0 && errno == EINTR);
    if (done != 0) {
        const int failure = errno;
        if (failure == ENOENT) {
            return core::Error{
                server_name(server) +
                    " has no status socket; it is just starting or ending, try again",
                failure};
        }
        if (failure == EAGAIN) {
            return core::Error{server_name(server) + " does not answer", failure};
        }
        return core::system_error(server_name(server) + " cannot be asked", failure);
    }
    return StatusClient(std::move(fd));
}

core::Status StatusClient::send(const StatusRequest& request) {
    std::string line = "{\"want\":";
    mcp::append_json_string(line, request.want);
    line += ",\"count\":" + std::to_string(request.count);
    line += request.follow ? ",\"follow\":true}\n" : "}\n";
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        // A server that refuses the connection says so before it closes it: next() has the reason.
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            break;
        }
        if (sent < 0 && errno != EINTR) {
            return core::system_error("the server cannot be asked");
        }
        rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
    return core::Nothing{};
}

std::optional<StatusReply> StatusClient::buffered() {
    const std::size_t end = in_.find('\n', searched_);
    if (end != std::string::npos) {
        StatusReply reply = read_reply(std::string_view(in_).substr(0, end));
        in_.erase(0, end + 1);
        searched_ = 0;
        return reply;
    }
    searched_ = in_.size();
    if (in_.size() > kMaxLineBytes) {
        return StatusReply{Kind::kError, "the server's answer has a line that is too long"};
    }
    return ended_ ? std::optional(StatusReply{Kind::kEnd, {}}) : std::nullopt;
}

StatusReply StatusClient::next(std::optional<std::chrono::milliseconds> limit, int interruption,
                               int output) {
    const auto until = limit ? std::optional(Clock::now() + *limit) : std::nullopt;
    for (;;) {
        if (auto reply = buffered()) {
            return *std::move(reply);
        }
        pollfd fds[3] = {{fd_.get(), POLLIN, 0}, {interruption, POLLIN, 0}, {output, 0, 0}};
        const int ready = ::poll(fds, 3, poll_time(until));
        if (ready < 0 && errno != EINTR) {
            return {Kind::kError, core::system_error("waiting for the server").text};
        }
        if (ready == 0) {
            return {Kind::kLate, {}};
        }
        if (ready > 0 && fds[1].revents != 0) {
            return {Kind::kInterrupted, {}};
        }
        if (ready > 0 && (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
            return {Kind::kOutputGone, {}};
        }
        if (ready > 0 && fds[0].revents != 0) {
            char buffer[65536];
            const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (got > 0) {
                in_.append(buffer, static_cast<std::size_t>(got));
            } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                ended_ = true;
            }
        }
    }
}

// ---- which server

Choice choose_server(const std::string& base, const std::string& selector) {
    const auto servers = StateFolder::running(base);
    if (servers.empty()) {
        return {std::nullopt,
                "no steward is running for this user; start one with `steward run` or from your AI "
                "tool"};
    }
    std::string pids;
    for (const auto& server : servers) {
        const std::string name = server.folder.substr(server.folder.rfind('/') + 1);
        if (!selector.empty() && (selector == std::to_string(server.pid) ||
                                  selector == server.folder || selector == name)) {
            return {server, {}};
        }
        if (!selector.empty() || &server != &servers.front()) {
            pids += (pids.empty() ? "" : ", ") + std::to_string(server.pid);
        }
    }
    if (!selector.empty()) {
        return {std::nullopt, "--server " + selector +
                                  ": no running steward has that pid or folder; running: " + pids};
    }
    if (pids.empty()) {
        return {servers.front(), {}};
    }
    return {servers.front(), "note: this is the newest, " + std::to_string(servers.front().pid) +
                                 "; also running: " + pids + " (--server PID picks one)"};
}

// ---- signals and output

Interruption::Interruption() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, &before_);
    fd_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &pipe_before_);
}

Interruption::~Interruption() {
    // What has come meanwhile has been answered by the command's end, and must not strike when the
    // mask is lifted.
    while (take() != 0) {
    }
    ::sigaction(SIGPIPE, &pipe_before_, nullptr);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int Interruption::take() {
    signalfd_siginfo info{};
    const ssize_t got = ::read(fd_.get(), &info, sizeof info);
    return got == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
}

Written write_all(int fd, std::string_view text, int interruption) {
    while (!text.empty()) {
        // A pipe that is ready takes PIPE_BUF bytes without blocking, so that Ctrl-C is heard while
        // a pager pauses.
        pollfd fds[2] = {{fd, POLLOUT, 0}, {interruption, POLLIN, 0}};
        if (::poll(fds, 2, -1) < 0 && errno != EINTR) {
            return Written::kFailed;
        }
        if (fds[1].revents != 0) {
            return Written::kInterrupted;
        }
        if (fds[0].revents == 0) {
            continue;
        }
        const ssize_t written =
            ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
        if (written < 0 && errno != EAGAIN && errno != EINTR) {
            return errno == EPIPE ? Written::kReaderGone : Written::kFailed;
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    return Written::kAll;
}

void say(int fd, std::string_view text) {
    std::string line(text);
    line += '\n';
    write_all(fd, line, -1);
}

Asked ask_server(const std::string& base, const std::string& selector, const StatusRequest& request,
                 int err_fd) {
    const Choice choice = choose_server(base.empty() ? StateFolder::base_folder() : base, selector);
    if (!choice.text.empty()) {
        say(err_fd, choice.text);
    }
    if (!choice.server) {
        return {std::nullopt, kExitNoServer};
    }
    auto client = StatusClient::connect(*choice.server);
    if (!client) {
        say(err_fd, client.error().text);
        return {std::nullopt, 1};
    }
    if (const auto sent = client->send(request); !sent) {
        say(err_fd, sent.error().text);
        return {std::nullopt, 1};
    }
    return {std::move(*client), 0};
}

}  // namespace steward::host
