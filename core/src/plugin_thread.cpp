#include "plugin_thread.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>

#include <cstring>

#include "plugin_gate.hpp"
#include "utf8.hpp"

namespace steward::core {
namespace {

// A plugin may log 20 lines a second, 50 in a burst.
constexpr std::int64_t kLogBurst = 50;
constexpr std::int64_t kLogRefillNs = 50'000'000;
constexpr std::size_t kMaxLogLine = 4096;

std::int64_t ns(TimePoint at) {
    return at.time_since_epoch().count();
}

}  // namespace

// The functions that a plugin calls; nothing may throw into it.
struct PluginThread::Callbacks {
    static PluginThread& of(const steward_host* host) {
        return *static_cast<PluginThread*>(host->ctx);
    }

    static steward_ns now(const steward_host* host) { return ns(of(host).loop_->now()); }

    static std::uint64_t entropy(const steward_host*) {
        std::uint64_t value = 0;
        (void)!getrandom(&value, sizeof value, 0);
        return value;
    }

    static void log(const steward_host* host, std::int32_t level, steward_str message) {
        try {
            auto& self = of(host);
            if (message.ptr == nullptr || !self.spend_log_token()) {
                return;
            }
            std::string line = self.id_ + ": ";
            append_escaped(line, {message.ptr, std::min(message.len, kMaxLogLine)});
            const std::lock_guard lock(self.log_mutex_);
            if (self.log_) {
                self.log_(level, std::move(line));
            }
        } catch (...) {
            return;  // A line that cannot be logged is lost.
        }
    }

    static steward_status post(const steward_host* host, void (*fn)(void*), void* ud) {
        if (fn == nullptr) {
            return STEWARD_E_INVALID;
        }
        try {
            return of(host).post(fn, ud);
        } catch (...) {
            return STEWARD_E_NOMEM;
        }
    }

    static std::int32_t on_plugin_thread(const steward_host* host) {
        return of(host).loop_->on_loop() ? 1 : 0;
    }

    static const void* get_extension(const steward_host* host, const char* id) {
        return id != nullptr && std::strcmp(id, STEWARD_HOST_EXT_REACTOR) == 0 ? &of(host).reactor_
                                                                               : nullptr;
    }

    static steward_status watch_fd(const steward_host* host, int fd, std::uint32_t events,
                                   void (*ready)(void*, int, std::uint32_t), void* ud) {
        constexpr std::uint32_t kAll = STEWARD_READABLE | STEWARD_WRITABLE;
        if (fd < 0 || ready == nullptr || (events & kAll) == 0 || fcntl(fd, F_GETFD) < 0) {
            return STEWARD_E_INVALID;
        }
        auto& self = of(host);
        const Interest interest = (events & kAll) == kAll       ? Interest::kReadWrite
                                  : (events & STEWARD_READABLE) ? Interest::kRead
                                                                : Interest::kWrite;
        try {
            const bool watched = self.loop_->watch(
                fd, interest, [&self, fd, ready, ud](bool readable, bool writable) {
                    std::uint32_t what = readable ? STEWARD_READABLE : 0;
                    what |= writable ? std::uint32_t{STEWARD_WRITABLE} : 0U;
                    self.run_wrapped([&] { ready(ud, fd, what); }, self.next_number_++,
                                     {"a descriptor's callback"});
                });
            if (watched) {
                self.watched_.insert(fd);
            }
            return watched ? STEWARD_OK : STEWARD_E_INVALID;
        } catch (...) {
            return STEWARD_E_NOMEM;
        }
    }

    static steward_status unwatch_fd(const steward_host* host, int fd) {
        auto& self = of(host);
        self.loop_->unwatch(fd);
        return self.watched_.erase(fd) != 0 ? STEWARD_OK : STEWARD_E_INVALID;
    }

    static steward_status arm(const steward_host* host, steward_ns at, void (*fire)(void*),
                              void* ud, steward_token* out) {
        if (fire == nullptr || out == nullptr) {
            return STEWARD_E_INVALID;
        }
        auto& self = of(host);
        try {
            const auto token = std::make_shared<steward_token>(0);
            *token = self.loop_->arm(TimePoint(Duration(at)), [&self, fire, ud, token] {
                self.armed_.erase(*token);
                self.run_wrapped([&] { fire(ud); }, self.next_number_++, {"a timer's callback"});
            });
            self.armed_.insert(*token);
            *out = *token;
            return STEWARD_OK;
        } catch (...) {
            return STEWARD_E_NOMEM;
        }
    }

    static steward_status disarm(const steward_host* host, steward_token timer) {
        auto& self = of(host);
        self.loop_->disarm(timer);
        return self.armed_.erase(timer) != 0 ? STEWARD_OK : STEWARD_E_INVALID;
    }
};

PluginThread::PluginThread(std::string id, std::string host_version,
                           std::function<void(int, std::string)> log)
    : id_(std::move(id)),
      version_(std::move(host_version)),
      log_(std::move(log)),
      loop_(std::make_shared<Loop>()) {
    log_tokens_ = kLogBurst;
    reactor_ = {sizeof reactor_,   0, &Callbacks::watch_fd, &Callbacks::unwatch_fd, &Callbacks::arm,
                &Callbacks::disarm};
    static constexpr std::string_view kName = "steward";
    host_ = {sizeof host_,
             STEWARD_ABI_MAJOR,
             STEWARD_ABI_MINOR,
             0,
             this,
             {kName.data(), kName.size()},
             {version_.data(), version_.size()},
             &Callbacks::now,
             &Callbacks::entropy,
             &Callbacks::log,
             &Callbacks::post,
             &Callbacks::on_plugin_thread,
             &Callbacks::get_extension};
    thread_ = std::thread([loop = loop_, name = ("pl:" + id_).substr(0, 15)] {
        pthread_setname_np(pthread_self(), name.c_str());
        loop->run();
    });
}

PluginThread::~PluginThread() {
    // After what has been posted before.
    loop_->post([loop = loop_.get()] { loop->stop(); });
    thread_.join();
}

void PluginThread::abandon(std::unique_ptr<PluginThread> thread) {
    thread->quarantine();
    {
        // Whoever was to have its log lines may be gone.
        const std::lock_guard lock(thread->log_mutex_);
        thread->log_ = nullptr;
    }
    thread->thread_.detach();
    keep_for_ever(thread.release());
}

std::uint64_t PluginThread::call(Call call, std::function<void()> work) {
    const auto number = next_number_++;
    loop_->post([this, number, call = std::move(call), work = std::move(work)] {
        run_wrapped(work, number, call);
    });
    return number;
}

steward_status PluginThread::post(void (*fn)(void*), void* ud) {
    // Under the lock, so that what is accepted comes before deinit.
    const std::lock_guard lock(mutex_);
    if (ending_) {
        return STEWARD_E_GONE;
    }
    call({"a posted function"}, [fn, ud] { fn(ud); });
    return STEWARD_OK;
}

PluginThread::Running PluginThread::running() const {
    const std::lock_guard lock(mutex_);
    return running_;
}

void PluginThread::quarantine() {
    over_ = true;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    loop_->stop();
}

void PluginThread::call_last(std::function<void()> work) {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    call({"deinit"}, [this, work = std::move(work)] {
        work();
        over_ = true;
    });
}

void PluginThread::run_wrapped(const std::function<void()>& work, std::uint64_t number,
                               const Call& call) {
    if (over_) {
        return;
    }
    try {
        Running entered{number, loop_->now(), call};
        {
            const std::lock_guard lock(mutex_);
            running_ = std::move(entered);
        }
        work();
    } catch (...) {
        // The host's own part of a call failed for want of memory; the question's deadline answers
        // it.
    }
    const std::lock_guard lock(mutex_);
    running_ = {};
}

bool PluginThread::spend_log_token() {
    const auto now = ns(loop_->now());
    auto refilled = log_refilled_.load();
    if (const auto earned = (now - refilled) / kLogRefillNs;
        earned > 0 && log_refilled_.compare_exchange_strong(refilled, now)) {
        log_tokens_ = std::min(kLogBurst, log_tokens_.load() + earned);
    }
    return log_tokens_.fetch_sub(1) > 0 || (log_tokens_.fetch_add(1), false);
}

}  // namespace steward::core
