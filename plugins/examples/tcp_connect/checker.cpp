#include "checker.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "endpoint.hpp"

namespace examples::tcp_connect {

class Probe {
  public:
    Probe(Checker& owner, const sdk::HealthRequest& request, sdk::HealthDone done)
        : owner_(owner),
          start_(owner.host_.now()),
          deadline_(request.deadline),
          peer_(request.address),
          done_(std::move(done)) {}
    ~Probe() { release(); }
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    void begin(const sdk::HealthRequest& request);
    void release() noexcept;
    void report(const Outcome& outcome) noexcept;

  private:
    void settle(Outcome outcome);
    void connect_to(const Endpoint& endpoint);
    void on_timer() noexcept;
    void on_ready(int fd, std::uint32_t events) noexcept;
    std::optional<Outcome> go_on();
    std::optional<Outcome> send_rest();
    std::optional<Outcome> read_more();
    void watch(std::uint32_t events);
    [[nodiscard]] Outcome ended(Ending ending) const {
        return judge_ending(owner_.script_, peer_, received_, stage_, ending, deadline_ - start_);
    }

    Checker& owner_;
    sdk::TimePoint start_;
    sdk::TimePoint deadline_;
    std::string peer_;
    sdk::HealthDone done_;
    Stage stage_ = Stage::kConnecting;
    int fd_ = -1;
    bool watched_ = false;
    steward_token timer_ = 0;
    std::size_t sent_ = 0;
    std::string received_;
    std::optional<Outcome> settled_;  // known since begin(), reported by the timer
};

void Probe::begin(const sdk::HealthRequest& request) {
    const auto endpoint = parse_endpoint(request.address, request.port);
    if (!endpoint) {
        peer_ = sdk::printable(peer_);
        settle(not_probed(peer_, STEWARD_E_UNSUPPORTED, "not a literal IPv4 or IPv6 address"));
        return;
    }
    peer_ = endpoint->text;
    if (request.port == 0) {
        settle(not_probed(peer_, STEWARD_E_UNSUPPORTED, "the service has no port"));
    } else if (deadline_ <= start_) {
        settle(not_probed(peer_, STEWARD_E_TIMEOUT, "the deadline had passed already"));
    } else {
        connect_to(*endpoint);
    }
}

void Probe::connect_to(const Endpoint& endpoint) {
    fd_ = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        settle(judge_errno(peer_, errno));
        return;
    }
    // A sockaddr_storage may be seen as a sockaddr; the socket calls are made for it.
    const auto* address = static_cast<const sockaddr*>(static_cast<const void*>(&endpoint.address));
    if (::connect(fd_, address, endpoint.length) != 0 && errno != EINPROGRESS && errno != EINTR) {
        settle(judge_errno(peer_, errno));
        return;
    }
    watch(STEWARD_WRITABLE);
    timer_ = owner_.reactor_.arm<&Probe::on_timer>(deadline_, this);
}

// `done` may not come from inside start, so a timer that is due at once brings it.
void Probe::settle(Outcome outcome) {
    settled_ = std::move(outcome);
    timer_ = owner_.reactor_.arm<&Probe::on_timer>(start_, this);
}

void Probe::watch(std::uint32_t events) {
    owner_.reactor_.watch<&Probe::on_ready>(fd_, events, this);
    watched_ = true;
}

void Probe::release() noexcept {
    owner_.reactor_.disarm(std::exchange(timer_, 0));
    if (std::exchange(watched_, false)) {
        owner_.reactor_.unwatch(fd_);
    }
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

void Probe::report(const Outcome& outcome) noexcept {
    done_({.verdict = outcome.verdict,
           .status = outcome.status,
           .latency = owner_.host_.now() - start_,
           .detail = outcome.detail});
}

void Probe::on_timer() noexcept {
    timer_ = 0;  // It has fired.
    try {
        owner_.finish(done_.probe(), settled_ ? *std::move(settled_) : ended(Ending::kDeadline));
    } catch (const std::bad_alloc&) {
        owner_.finish(done_.probe(), {STEWARD_UNKNOWN, STEWARD_E_NOMEM, {}});
    }
}

void Probe::on_ready(int, std::uint32_t) noexcept {
    try {
        if (auto outcome = go_on()) {
            owner_.finish(done_.probe(), *std::move(outcome));
        }
    } catch (const std::bad_alloc&) {
        owner_.finish(done_.probe(), {STEWARD_UNKNOWN, STEWARD_E_NOMEM, {}});
    } catch (const sdk::Failure& failure) {
        owner_.finish(done_.probe(), {STEWARD_UNKNOWN, failure.status(), {}});
    }
}

std::optional<Outcome> Probe::go_on() {
    if (stage_ == Stage::kConnecting) {
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
        if (error != 0) {
            return judge_errno(peer_, error);
        }
        stage_ = Stage::kSending;
    }
    if (stage_ == Stage::kSending) {
        return send_rest();
    }
    return read_more();
}

std::optional<Outcome> Probe::send_rest() {
    const std::string& text = owner_.script_.send;
    while (sent_ < text.size()) {
        const ssize_t count = ::send(fd_, text.data() + sent_, text.size() - sent_, MSG_NOSIGNAL);
        if (count >= 0) {
            sent_ += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            return std::nullopt;
        } else if (errno != EINTR) {
            return judge_errno(peer_, errno);
        }
    }
    if (owner_.script_.expect.empty()) {
        return judge(owner_.script_, peer_, {});
    }
    stage_ = Stage::kReading;
    watch(STEWARD_READABLE);
    return std::nullopt;
}

// No more than is expected is read, so a service that talks without end does no harm.
std::optional<Outcome> Probe::read_more() {
    char buffer[1024];
    const std::size_t room = owner_.script_.expect.size() - received_.size();
    const ssize_t count = ::recv(fd_, buffer, std::min(room, sizeof buffer), 0);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? std::nullopt
                                                 : std::optional(judge_errno(peer_, errno));
    }
    if (count == 0) {
        return ended(Ending::kClosed);
    }
    received_.append(buffer, static_cast<std::size_t>(count));
    return judge(owner_.script_, peer_, received_);
}

Checker::Checker(sdk::Host host, Script script)
    : host_(host), reactor_(host.reactor()), script_(std::move(script)) {}

Checker::~Checker() {
    closing_ = true;
    while (!probes_.empty()) {
        cancel(probes_.begin()->first);
    }
}

void Checker::start(const sdk::HealthRequest& request, sdk::HealthDone done) {
    if (closing_) {
        throw sdk::Failure(STEWARD_E_GONE, "the instance is being destroyed");
    }
    if (probes_.contains(request.probe)) {
        throw sdk::Failure(STEWARD_E_INVALID,
                           "probe " + std::to_string(request.probe) + " is in flight already");
    }
    auto probe = std::make_unique<Probe>(*this, request, std::move(done));
    Probe& begun = *probe;
    const auto entry = probes_.emplace(request.probe, std::move(probe)).first;
    try {
        begun.begin(request);
    } catch (...) {
        probes_.erase(entry);
        throw;
    }
}

void Checker::cancel(steward_token probe) noexcept {
    // Fifteen characters and less need no memory, so that this cannot fail.
    finish(probe, {STEWARD_UNKNOWN, STEWARD_E_CANCELLED, "cancelled"});
}

void Checker::finish(steward_token token, Outcome outcome) noexcept {
    const auto entry = probes_.find(token);
    if (entry == probes_.end()) {
        return;
    }
    const std::unique_ptr<Probe> probe = std::move(entry->second);
    probes_.erase(entry);
    probe->release();
    probe->report(outcome);
}

}  // namespace examples::tcp_connect
