// plugin_name as a plugin of Steward: asks an HTTP address; the judgement is in policy.hpp.
//
// No thread and no waiting: the socket does not block, and the host's reactor calls back when there
// is something to write or read, or when the time is over. So one service that hangs delays no
// other's check. All of it runs on one thread of this library's own.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <steward/sdk.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

std::string error_text(int error) {
    return std::generic_category().message(error);
}

struct Endpoint {
    sockaddr_storage address{};
    socklen_t length = 0;
};

// The host gives literal addresses only: a name that has to be resolved would block.
std::optional<Endpoint> endpoint(const std::string& literal, std::uint16_t port) {
    Endpoint out;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET, literal.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&out.address, &v4, sizeof v4);
        out.length = sizeof v4;
        return out;
    }
    if (inet_pton(AF_INET6, literal.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&out.address, &v6, sizeof v6);
        out.length = sizeof v6;
        return out;
    }
    return std::nullopt;
}

class Plugin;

// One question to the service. Whoever ends it does so through Plugin::finish().
class Probe {
  public:
    Probe(Plugin& plugin, sdk::HealthDone done, sdk::TimePoint deadline, sdk::TimePoint begun)
        : plugin_(plugin), done_(std::move(done)), deadline_(deadline), begun_(begun) {}
    ~Probe() { release(); }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    void begin(const sdk::HealthRequest& request);
    void release() noexcept;
    void report(const policy::Outcome& outcome, sdk::TimePoint now) noexcept;

  private:
    void settle(policy::Outcome outcome);
    void on_ready(int fd, std::uint32_t events) noexcept;
    void on_timer() noexcept;
    [[nodiscard]] policy::Outcome unreachable(int error) const;
    std::optional<policy::Outcome> send_request();
    std::optional<policy::Outcome> receive();

    Plugin& plugin_;
    sdk::HealthDone done_;
    sdk::TimePoint deadline_;
    sdk::TimePoint begun_;
    int fd_ = -1;
    steward_token timer_ = 0;
    std::string request_;  // what is still to be sent
    std::string head_;     // what has come
    std::optional<policy::Outcome> settled_;
};

// The members start() and cancel() make it a health strategy. The host makes one object per service.
class Plugin {
  public:
    using Settings = policy::Settings;
    static constexpr auto kFields = policy::kFields;
    static constexpr sdk::About kAbout{
        .name = "plugin_name",
        .vendor = "Example",
        .version = STEWARD_PLUGIN_VERSION,  // of project() in CMakeLists.txt
        .license = "MIT",
        .url = "",
        .summary = "Asks for a page, and minds how long the answer takes."};

    Plugin(sdk::Host host, const Settings& settings)
        : host_(host), reactor_(host.reactor()), settings_(settings) {
        policy::check_path(settings.path);
    }
    // What is in flight still gets its answer: each `done` comes exactly once.
    ~Plugin() {
        closing_ = true;
        while (!probes_.empty()) {
            cancel(probes_.begin()->first);
        }
    }
    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;

    void start(const sdk::HealthRequest& request, sdk::HealthDone done) {
        if (closing_) {
            throw sdk::Failure(STEWARD_E_GONE, "the instance is being destroyed");
        }
        if (probes_.contains(request.probe)) {
            throw sdk::Failure(STEWARD_E_INVALID, "this probe is in flight already");
        }
        auto probe = std::make_unique<Probe>(*this, std::move(done), request.deadline, host_.now());
        const auto entry = probes_.emplace(request.probe, std::move(probe)).first;
        try {
            entry->second->begin(request);
        } catch (...) {
            probes_.erase(entry);
            throw;
        }
    }
    void cancel(steward_token probe) noexcept {
        finish(probe, {STEWARD_UNKNOWN, STEWARD_E_CANCELLED, 0, "cancelled"});
    }

    // Answers and ends the probe, if it is in flight. `done` may start or cancel others, so the
    // probe is out of the map by then.
    void finish(steward_token token, const policy::Outcome& outcome) noexcept {
        const auto entry = probes_.find(token);
        if (entry == probes_.end()) {
            return;
        }
        const std::unique_ptr<Probe> probe = std::move(entry->second);
        probes_.erase(entry);
        probe->release();
        probe->report(outcome, host_.now());
    }

    [[nodiscard]] const sdk::Host& host() const { return host_; }
    [[nodiscard]] const sdk::Reactor& reactor() const { return reactor_; }
    [[nodiscard]] const Settings& settings() const { return settings_; }

  private:
    sdk::Host host_;
    sdk::Reactor reactor_;
    Settings settings_;
    std::map<steward_token, std::unique_ptr<Probe>> probes_;
    bool closing_ = false;
};

void Probe::begin(const sdk::HealthRequest& request) {
    const std::string address(request.address);
    const auto to = endpoint(address, request.port);
    if (!to || address.find('\0') != std::string::npos || request.port == 0) {
        // Nothing that the service could be blamed for.
        settle({STEWARD_UNKNOWN, STEWARD_E_UNSUPPORTED, 0,
                "the service has no port at a literal IPv4 or IPv6 address"});
        return;
    }
    if (deadline_ <= begun_) {
        settle({STEWARD_UNKNOWN, STEWARD_E_TIMEOUT, 0, "the deadline had passed already"});
        return;
    }
    const bool v6 = to->address.ss_family == AF_INET6;
    request_ =
        policy::request_text(plugin_.settings().path, (v6 ? "[" + address + "]:" : address + ":") +
                                                          std::to_string(request.port));
    // CLOEXEC: what a plugin opens must not reach the programs that the host starts.
    fd_ = ::socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        settle({STEWARD_UNKNOWN, STEWARD_E_IO, 0, "no socket: " + error_text(errno)});
        return;
    }
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&to->address));
    if (::connect(fd_, generic, to->length) != 0 && errno != EINPROGRESS && errno != EINTR) {
        settle(unreachable(errno));
        return;
    }
    timer_ = plugin_.reactor().arm<&Probe::on_timer>(deadline_, this);
    plugin_.reactor().watch<&Probe::on_ready>(fd_, STEWARD_WRITABLE, this);
}

// `done` may not come from inside start(): a timer that is due at once brings it.
void Probe::settle(policy::Outcome outcome) {
    settled_ = std::move(outcome);
    timer_ = plugin_.reactor().arm<&Probe::on_timer>(begun_, this);
}

void Probe::release() noexcept {
    plugin_.reactor().disarm(std::exchange(timer_, 0));
    if (fd_ >= 0) {
        plugin_.reactor().unwatch(fd_);  // Before it is closed.
        (void)::close(std::exchange(fd_, -1));
    }
}

void Probe::report(const policy::Outcome& outcome, sdk::TimePoint now) noexcept {
    done_({outcome.verdict, outcome.status, outcome.code, now - begun_, outcome.detail, {}});
}

void Probe::on_timer() noexcept {
    timer_ = 0;
    const steward_token probe = done_.probe();
    try {
        plugin_.finish(probe, settled_ ? policy::Outcome(*settled_)
                                       : policy::Outcome{STEWARD_UNHEALTHY, STEWARD_E_TIMEOUT, 0,
                                                         "GET " + plugin_.settings().path +
                                                             ": no answer in time"});
    } catch (const std::exception&) {  // No memory for the words; the verdict needs none.
        plugin_.finish(probe, {STEWARD_UNKNOWN, STEWARD_E_NOMEM, 0, {}});
    }
}

// Nothing may unwind into the host: what is thrown ends the probe.
void Probe::on_ready(int /*fd*/, std::uint32_t /*events*/) noexcept {
    const steward_token probe = done_.probe();
    try {
        if (const auto outcome = request_.empty() ? receive() : send_request()) {
            plugin_.finish(probe, *outcome);
        }
    } catch (const sdk::Failure& failure) {
        plugin_.finish(probe, {STEWARD_UNKNOWN, failure.status(), 0, {}});
    } catch (const std::exception&) {
        plugin_.finish(probe, {STEWARD_UNKNOWN, STEWARD_E_NOMEM, 0, {}});
    }
}

// A refusal or a reset is the service's; a lack of something here is not.
policy::Outcome Probe::unreachable(int error) const {
    const bool ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
                      error == EACCES || error == EPERM || error == EADDRNOTAVAIL;
    return {ours ? STEWARD_UNKNOWN : STEWARD_UNHEALTHY, STEWARD_E_IO, 0,
            "GET " + plugin_.settings().path + ": " + error_text(error)};
}

std::optional<policy::Outcome> Probe::send_request() {
    // NOSIGNAL: the process and its signals are the host's. A failed connect is told here, too.
    const ssize_t sent = ::send(fd_, request_.data(), request_.size(), MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR ? std::nullopt : std::optional(unreachable(errno));
    }
    request_.erase(0, static_cast<std::size_t>(sent));
    if (request_.empty()) {
        plugin_.reactor().watch<&Probe::on_ready>(fd_, STEWARD_READABLE, this);
    }
    return std::nullopt;
}

// One read a turn: a fast sender must not keep the thread from the other probes.
std::optional<policy::Outcome> Probe::receive() {
    std::array<char, 4096> buffer{};
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR ? std::nullopt : std::optional(unreachable(errno));
    }
    head_.append(buffer.data(), static_cast<std::size_t>(size));
    if (size != 0 && !policy::is_whole(head_)) {
        return std::nullopt;
    }
    return policy::judge(plugin_.settings(), head_, plugin_.host().now() - begun_);
}

}  // namespace

STEWARD_PLUGIN(plugin_name, Plugin)
