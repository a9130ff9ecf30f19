#include "prober.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <steward/sdk/text.hpp>
#include <utility>

#include "address.hpp"
#include "text.hpp"

#ifndef STEWARD_PLUGIN_VERSION
#define STEWARD_PLUGIN_VERSION "0"
#endif

namespace steward::health_http {
namespace {

constexpr std::size_t kReadSize = 16U * 1024U;
// A fast sender does not keep the plugin's thread: after so many reads the reactor gets its turn.
constexpr int kReadsPerTurn = 4;

std::string request_text(const std::string& path, const std::string& host_header) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host_header +
           "\r\nConnection: close\r\nUser-Agent: steward-health/" STEWARD_PLUGIN_VERSION
           "\r\nAccept: application/json\r\n\r\n";
}

}  // namespace

class Probe {
  public:
    Probe(Prober& owner, const sdk::HealthRequest& request, sdk::HealthDone done)
        : owner_(owner),
          deadline_(request.deadline),
          start_(owner.host_.now()),
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
    std::optional<Outcome> write_request();
    std::optional<Outcome> read_answer();
    void watch(std::uint32_t events);
    [[nodiscard]] Outcome ended(Ending ending) const {
        return judge_ending(owner_.question_, answer_, ending, limit_ms());
    }
    [[nodiscard]] std::int64_t limit_ms() const {
        // The question has been under way for a moment already.
        return std::chrono::ceil<std::chrono::milliseconds>(deadline_ - start_).count();
    }

    Prober& owner_;
    sdk::TimePoint deadline_;
    sdk::TimePoint start_;
    sdk::HealthDone done_;
    int fd_ = -1;
    bool watched_ = false;
    bool connected_ = false;
    steward_token timer_ = 0;
    std::string request_;
    std::size_t sent_ = 0;
    HttpAnswer answer_;
    std::optional<Outcome> settled_;  // known since begin(), reported by the timer
};

void Probe::begin(const sdk::HealthRequest& request) {
    const Question& question = owner_.question_;
    const auto endpoint = parse_endpoint(request.address, request.port);
    if (!endpoint) {
        settle(not_probed(question, STEWARD_E_UNSUPPORTED,
                          quoted(request.address) + " is not a literal IPv4 or IPv6 address"));
    } else if (request.port == 0) {
        settle(not_probed(question, STEWARD_E_UNSUPPORTED, "the service has no port"));
    } else if (deadline_ <= start_) {
        settle(not_probed(question, STEWARD_E_TIMEOUT, "the deadline had passed already"));
    } else {
        request_ = request_text(question.path, endpoint->host_header);
        connect_to(*endpoint);
    }
}

void Probe::connect_to(const Endpoint& endpoint) {
    fd_ = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        settle(judge_errno(owner_.question_, errno));
        return;
    }
    // Also sockaddr_storage may be seen as a sockaddr; the socket calls are made for it.
    const auto* address = static_cast<const sockaddr*>(static_cast<const void*>(&endpoint.address));
    if (::connect(fd_, address, endpoint.length) != 0 && errno != EINPROGRESS && errno != EINTR) {
        settle(judge_errno(owner_.question_, errno));
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
    done_({outcome.verdict, outcome.status, outcome.protocol_code, owner_.host_.now() - start_,
           outcome.detail, outcome.instance_id});
}

void Probe::on_timer() noexcept {
    timer_ = 0;
    try {
        owner_.finish(done_.probe(), settled_ ? *std::move(settled_) : ended(Ending::kDeadline));
    } catch (const std::bad_alloc&) {
        owner_.finish_without_memory(done_.probe());
    }
}

void Probe::on_ready(int, std::uint32_t) noexcept {
    try {
        auto outcome = sent_ < request_.size() ? write_request() : read_answer();
        if (outcome) {
            owner_.finish(done_.probe(), *std::move(outcome));
        }
    } catch (const std::bad_alloc&) {
        owner_.finish_without_memory(done_.probe());
    } catch (const sdk::Failure& failure) {
        owner_.finish(done_.probe(), {STEWARD_UNKNOWN, failure.status(), 0, {}, {}});
    }
}

std::optional<Outcome> Probe::write_request() {
    if (!connected_) {
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
        if (error != 0) {
            return judge_errno(owner_.question_, error);
        }
        connected_ = true;
    }
    const ssize_t count =
        ::send(fd_, request_.data() + sent_, request_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
        sent_ += static_cast<std::size_t>(count);
    } else if (errno == EPIPE || errno == ECONNRESET) {
        // The other side has gone, perhaps after an answer that it gave without reading: that
        // counts.
        sent_ = request_.size();
    } else if (errno != EAGAIN && errno != EINTR) {
        return judge_errno(owner_.question_, errno);
    }
    if (sent_ == request_.size()) {
        watch(STEWARD_READABLE);
    }
    return std::nullopt;
}

std::optional<Outcome> Probe::read_answer() {
    char buffer[kReadSize];
    for (int turn = 0; turn < kReadsPerTurn; ++turn) {
        const ssize_t count = ::recv(fd_, buffer, sizeof buffer, 0);
        if (count < 0) {
            if (errno == EAGAIN || errno == EINTR) {
                return std::nullopt;
            }
            return ended(Ending::kReset);
        }
        if (count == 0) {
            answer_.put_end();
            return ended(Ending::kClosed);
        }
        answer_.put({buffer, static_cast<std::size_t>(count)});
        if (auto outcome = judge(owner_.question_, answer_)) {
            return outcome;
        }
    }
    return std::nullopt;
}

Prober::Prober(sdk::Host host, Question question)
    : host_(host), reactor_(host.reactor()), question_(std::move(question)) {}

Prober::~Prober() {
    closing_ = true;
    while (!probes_.empty()) {
        cancel(probes_.begin()->first);
    }
}

void Prober::start(const sdk::HealthRequest& request, sdk::HealthDone done) {
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

void Prober::cancel(steward_token probe) noexcept {
    // Fifteen characters and less need no memory, so that this cannot fail.
    finish(probe, {STEWARD_UNKNOWN, STEWARD_E_CANCELLED, 0, "cancelled", {}});
}

void Prober::finish_without_memory(steward_token probe) noexcept {
    finish(probe, {STEWARD_UNKNOWN, STEWARD_E_NOMEM, 0, "out of memory", {}});
}

void Prober::finish(steward_token token, Outcome outcome) noexcept {
    const auto entry = probes_.find(token);
    if (entry == probes_.end()) {
        return;
    }
    const std::unique_ptr<Probe> probe = std::move(entry->second);
    probes_.erase(entry);
    probe->release();
    probe->report(outcome);
}

}  // namespace steward::health_http
