#include "steward/compliance/fake_plugin_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "steward/compliance/plugin_side.hpp"

namespace steward::compliance {
namespace {

steward_str text(std::string_view value) {
    return {value.data(), value.size()};
}

short poll_events(std::uint32_t events) {
    return static_cast<short>(((events & STEWARD_READABLE) != 0 ? POLLIN : 0) |
                              ((events & STEWARD_WRITABLE) != 0 ? POLLOUT : 0));
}

// An error or the end of the stream is both readable and writable: whoever waits finds out by
// trying.
std::uint32_t ready_events(short revents, std::uint32_t wanted) {
    constexpr int kBroken = POLLERR | POLLHUP | POLLNVAL;
    std::uint32_t events = 0;
    if ((revents & (POLLIN | kBroken)) != 0) {
        events |= STEWARD_READABLE;
    }
    if ((revents & (POLLOUT | kBroken)) != 0) {
        events |= STEWARD_WRITABLE;
    }
    return events & wanted;
}

}  // namespace

FakePluginHost::FakePluginHost(Clock clock) : clock_(clock) {
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) {
        throw std::runtime_error("eventfd failed");
    }
    reactor_.known = {sizeof(steward_host_reactor), 0, &watch_fd, &unwatch_fd, &arm, &disarm};
    host_.known.size = sizeof(steward_host);
    host_.known.abi_major = STEWARD_ABI_MAJOR;
    host_.known.abi_minor = STEWARD_ABI_MINOR;
    host_.known.ctx = this;
    host_.known.name = text("fake");
    host_.known.version = text("0.0.0");
    host_.known.now = [](const steward_host* host) {
        const OnHostSide side;
        self(host).note_call("now");
        return self(host).now();
    };
    host_.known.entropy = [](const steward_host* host) {
        const OnHostSide side;
        self(host).note_call("entropy");
        return std::uint64_t{4};
    };
    host_.known.log = [](const steward_host* host, std::int32_t level, steward_str message) {
        const OnHostSide side;
        self(host).log_line(level, message);
    };
    host_.known.post = &post;
    host_.known.on_plugin_thread = [](const steward_host* host) {
        const OnHostSide side;
        return self(host).thread_ == std::this_thread::get_id() ? 1 : 0;
    };
    host_.known.get_extension = [](const steward_host* host, const char* id) -> const void* {
        const OnHostSide side;
        FakePluginHost& fake = self(host);
        fake.note_call("get_extension");
        const bool reactor = std::string_view(id) == STEWARD_HOST_EXT_REACTOR;
        if (fake.failure("get_extension") != STEWARD_OK) {
            return nullptr;
        }
        return reactor && !fake.reactor_hidden_ ? &fake.reactor_.known : nullptr;
    };
}

FakePluginHost::~FakePluginHost() {
    ::close(wake_fd_);
}

steward_ns FakePluginHost::now() {
    if (clock_ == Clock::kVirtual) {
        // Any thread may read it while this one moves it: nothing is written unless that is asked for.
        return reading_step_ == 0 ? virtual_now_.load()
                                  : virtual_now_.fetch_add(reading_step_) + reading_step_;
    }
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

void FakePluginHost::note_call(const char* what) {
    {
        const std::lock_guard lock(calls_mutex_);
        ++calls_[what];
    }
    if (observer_ && thread_ == std::this_thread::get_id()) {
        observer_(what);
    }
}

std::map<std::string, std::uint64_t> FakePluginHost::calls() const {
    const std::lock_guard lock(calls_mutex_);
    return calls_;
}

void FakePluginHost::log_line(std::int32_t level, steward_str message) {
    note_call("log");
    const std::lock_guard lock(calls_mutex_);
    if (level < STEWARD_LOG_DEBUG || level > STEWARD_LOG_ERROR) {
        offences_.push_back("log: " + std::to_string(level) + " is not a level");
    }
    log_.emplace_back(message.ptr == nullptr ? "" : message.ptr, message.len);
}

steward_status FakePluginHost::failure(std::string_view what) const {
    const std::lock_guard lock(calls_mutex_);
    const auto found = failures_.find(what);
    return found == failures_.end() ? STEWARD_OK : found->second;
}

void FakePluginHost::become_newer() {
    constexpr unsigned char kNotNull = 0xa5;
    host_.added.fill(kNotNull);
    reactor_.added.fill(kNotNull);
    ++host_.known.abi_minor;
    host_.known.size = sizeof host_;
    reactor_.known.size = sizeof reactor_;
}

void FakePluginHost::close() {
    const std::lock_guard lock(posted_mutex_);
    closed_ = true;
    posted_.clear();
}

void FakePluginHost::check_thread(const char* what) {
    note_call(what);
    if (thread_ != std::this_thread::get_id()) {
        const std::lock_guard lock(calls_mutex_);
        offences_.push_back(std::string(what) + " was called from another thread");
    }
}

void FakePluginHost::fail(std::string_view what, steward_status status) {
    const std::lock_guard lock(calls_mutex_);
    failures_[std::string(what)] = status;
}

steward_status FakePluginHost::watch_fd(const steward_host* host, int fd, std::uint32_t events,
                                        void (*ready)(void* ud, int fd, std::uint32_t events),
                                        void* ud) {
    const OnHostSide side;
    FakePluginHost& fake = self(host);
    fake.check_thread("watch_fd");
    if (const steward_status failure = fake.failure("watch_fd"); failure != STEWARD_OK) {
        return failure;
    }
    struct stat status {};
    if (fstat(fd, &status) != 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
        return STEWARD_E_INVALID;
    }
    if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) {
        fake.offences_.emplace_back("a descriptor without CLOEXEC is watched");
    }
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) {
        fake.offences_.emplace_back("a blocking descriptor is watched");
    }
    fake.watches_[fd] = {events, ready, ud, ++fake.serial_};
    fake.watched_ever_.push_back(fd);
    return STEWARD_OK;
}

steward_status FakePluginHost::unwatch_fd(const steward_host* host, int fd) {
    const OnHostSide side;
    FakePluginHost& fake = self(host);
    fake.check_thread("unwatch_fd");
    if (fcntl(fd, F_GETFD) < 0) {
        fake.offences_.emplace_back("a descriptor was closed before unwatch_fd");
    }
    return fake.watches_.erase(fd) == 1 ? STEWARD_OK : STEWARD_E_INVALID;
}

steward_status FakePluginHost::arm(const steward_host* host, steward_ns at, void (*fire)(void* ud),
                                   void* ud, steward_token* out) {
    const OnHostSide side;
    FakePluginHost& fake = self(host);
    fake.check_thread("arm");
    if (const steward_status failure = fake.failure("arm"); failure != STEWARD_OK) {
        return failure;
    }
    *out = ++fake.serial_;
    fake.timers_.emplace(at, Timer{*out, fire, ud});
    return STEWARD_OK;
}

steward_status FakePluginHost::disarm(const steward_host* host, steward_token timer) {
    const OnHostSide side;
    FakePluginHost& fake = self(host);
    fake.check_thread("disarm");
    const auto same = [timer](const auto& entry) { return entry.second.token == timer; };
    const auto found = std::find_if(fake.timers_.begin(), fake.timers_.end(), same);
    if (found == fake.timers_.end()) {
        return STEWARD_E_INVALID;
    }
    fake.timers_.erase(found);
    return STEWARD_OK;
}

steward_status FakePluginHost::post(const steward_host* host, void (*fn)(void* ud), void* ud) {
    const OnHostSide side;
    FakePluginHost& fake = self(host);
    fake.note_call("post");
    const std::lock_guard lock(fake.posted_mutex_);
    if (fake.closed_) {
        return STEWARD_E_GONE;
    }
    if (const steward_status failure = fake.failure("post"); failure != STEWARD_OK) {
        return failure;
    }
    fake.posted_.emplace_back(fn, ud);
    return eventfd_write(fake.wake_fd_, 1) == 0 ? STEWARD_OK : STEWARD_E_IO;
}

bool FakePluginHost::run_posted() {
    std::deque<std::pair<void (*)(void* ud), void*>> posted;
    {
        const std::lock_guard lock(posted_mutex_);
        posted.swap(posted_);
    }
    for (const auto& [fn, ud] : posted) {
        const OnPluginSide side;
        fn(ud);
    }
    return !posted.empty();
}

bool FakePluginHost::fire_due() {
    bool any = false;
    // A timer armed by a callback for now or earlier waits for the next turn, or a plugin could
    // keep this loop for ever.
    const steward_token last = serial_;
    const steward_ns now_at_start = now();
    for (auto due = timers_.begin(); due != timers_.end() && due->first <= now_at_start;) {
        if (due->second.token > last) {
            ++due;
            continue;
        }
        const Timer timer = due->second;
        timers_.erase(due);
        {
            const OnPluginSide side;
            timer.fire(timer.ud);
        }
        any = true;
        due = timers_.begin();
    }
    return any;
}

bool FakePluginHost::poll_once(int timeout_ms) {
    struct Polled {
        int fd;
        std::uint64_t serial;
    };
    std::vector<pollfd> polled{{wake_fd_, POLLIN, 0}};
    std::vector<Polled> watched{{wake_fd_, 0}};
    for (const auto& [fd, watch] : watches_) {
        polled.push_back({fd, poll_events(watch.events), 0});
        watched.push_back({fd, watch.serial});
    }
    if (::poll(polled.data(), polled.size(), timeout_ms) <= 0) {
        return false;
    }
    if (polled[0].revents != 0) {
        eventfd_t ignored = 0;
        eventfd_read(wake_fd_, &ignored);
    }
    for (std::size_t i = 1; i < polled.size(); ++i) {
        const auto watch = watches_.find(watched[i].fd);
        if (polled[i].revents == 0 || watch == watches_.end() ||
            watch->second.serial != watched[i].serial) {
            continue;
        }
        if ((polled[i].revents & POLLNVAL) != 0) {
            offences_.emplace_back("a watched descriptor was closed");
            watches_.erase(watch);
            continue;
        }
        const Watch found = watch->second;
        const std::uint32_t events = ready_events(polled[i].revents, found.events);
        const OnPluginSide side;
        found.ready(found.ud, watched[i].fd, events);
    }
    return true;
}

int FakePluginHost::wait_ms(std::chrono::steady_clock::time_point until) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    std::int64_t wait = std::max<std::int64_t>(left.count(), 0);
    if (clock_ == Clock::kReal && !timers_.empty()) {
        const steward_ns ns = std::max<steward_ns>(timers_.begin()->first - now(), 0);
        wait = std::min<std::int64_t>(wait, (ns + 999'999) / 1'000'000);
    }
    return static_cast<int>(std::min<std::int64_t>(wait, 1000));
}

bool FakePluginHost::run_until(const std::function<bool()>& done, std::chrono::milliseconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    for (;;) {
        if (done()) {
            return true;
        }
        // What was ready before the limit is still served: a busy machine may have kept this thread
        // away until now.
        const bool over = std::chrono::steady_clock::now() >= until;
        const bool posted = run_posted();
        const bool ran = fire_due() || posted;
        const bool served = poll_once(ran || over ? 0 : wait_ms(until));
        if (over && !ran && !served) {
            return done();
        }
    }
}

void FakePluginHost::run_ready() {
    constexpr int kTurns = 1000;
    for (int turn = 0; turn < kTurns; ++turn) {
        const bool posted = run_posted();
        const bool ran = fire_due() || posted;
        if (!poll_once(0) && !ran) {
            return;
        }
    }
    throw std::runtime_error("the plugin does not come to rest");
}

void FakePluginHost::advance(std::chrono::nanoseconds by) {
    if (clock_ != Clock::kVirtual) {
        throw std::logic_error("only the virtual clock can be moved");
    }
    const steward_ns target = virtual_now_ + by.count();
    run_ready();
    while (!timers_.empty() && timers_.begin()->first <= target) {
        virtual_now_ = std::max(virtual_now_.load(), timers_.begin()->first);
        run_ready();
    }
    virtual_now_ = target;
    run_ready();
}

}  // namespace steward::compliance
