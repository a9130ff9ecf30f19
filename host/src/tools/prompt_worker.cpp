#include "prompt_worker.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace steward::host {
namespace {

// How often changes are looked for of which no news comes.
constexpr int kLookAgainMs = 1000;

}  // namespace

PromptWorker::PromptWorker(Options options) : options_(std::move(options)) {}

PromptWorker::~PromptWorker() {
    if (!thread_.joinable()) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    eventfd_write(wake_.get(), 1);
    thread_.join();
}

std::string PromptWorker::ask(Job job, std::size_t bytes) {
    if (!thread_.joinable()) {
        if (auto trouble = start(); !trouble.empty()) {
            return trouble;
        }
    }
    {
        const std::lock_guard lock(mutex_);
        const bool heavy = !jobs_.empty() && waiting_bytes_ + bytes > options_.max_waiting_bytes;
        if (jobs_.size() >= options_.max_waiting || heavy) {
            return fmt::format("busy: {} requests for prompts are waiting (try again later)",
                               jobs_.size());
        }
        jobs_.push_back({counted(std::move(job)), bytes});
        waiting_bytes_ += bytes;
    }
    ++unanswered_;
    eventfd_write(wake_.get(), 1);
    return {};
}

// The same job, always with an answer, which counts it as answered.
PromptWorker::Job PromptWorker::counted(Job job) {
    return [this, job = std::move(job)](prompts::PromptStore& store) -> Answer {
        Answer answer;
        try {
            answer = job(store);
        } catch (const std::exception& e) {
            options_.on_trouble(fmt::format("a request for prompts has failed: {}", e.what()));
        }
        return [this, answer = std::move(answer)] {
            --unanswered_;
            if (answer) {
                answer();
            }
        };
    };
}

void PromptWorker::watch() {
    if (looks_.exchange(true)) {
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        look_wanted_ = true;
    }
    if (!thread_.joinable()) {
        if (const auto trouble = start(); !trouble.empty()) {
            options_.on_trouble("changes of prompts are not noticed yet: " + trouble);
            return;
        }
    }
    eventfd_write(wake_.get(), 1);
}

std::string PromptWorker::start() {
    wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) {
        return fmt::format(
            "the prompt store cannot be opened: {}; allow more open files (ulimit -n)",
            std::system_category().message(errno));
    }
    open_store();
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& e) {
        return fmt::format("cannot start a thread: {}; allow more processes (ulimit -u)", e.what());
    }
    return {};
}

void PromptWorker::open_store() {
    prompts::StoreOptions options;
    options.on_trouble = options_.on_trouble;
    if (options_.on_change) {
        options.on_change = [this](const prompts::Change& change) {
            options_.to_owner([this, change] { options_.on_change(change); });
        };
    }
    store_ = std::make_unique<prompts::PromptStore>(options_.data_dir, std::move(options));
}

void PromptWorker::run() {
    pthread_setname_np(pthread_self(), "prompts");
    for (;;) {
        Job job;
        if (!take(job)) {
            return;
        }
        if (job) {
            perform(job);
        } else {
            wait();
        }
    }
}

// The next job, or none. False: it is over.
bool PromptWorker::take(Job& job) {
    const std::lock_guard lock(mutex_);
    if (!stopping_ && std::exchange(look_wanted_, false)) {
        job = [](prompts::PromptStore& store) {
            static_cast<void>(store.count());  // the first reading call opens it
            return Answer();
        };
    } else if (!stopping_ && !jobs_.empty()) {
        job = std::move(jobs_.front().job);
        waiting_bytes_ -= jobs_.front().bytes;
        jobs_.pop_front();
    }
    return !stopping_;
}

// For a job, or for news from the folders if somebody wants them.
void PromptWorker::wait() {
    const bool news = static_cast<bool>(options_.on_change);
    std::array<pollfd, 2> waiting{pollfd{wake_.get(), POLLIN, 0},
                                  pollfd{news ? store_->watch_fd() : -1, POLLIN, 0}};
    const int limit = news && (looks_ || !store_->is_watched()) ? kLookAgainMs : -1;
    const int ready = poll(waiting.data(), waiting.size(), limit);
    if (waiting[0].revents != 0) {
        eventfd_t count = 0;
        eventfd_read(wake_.get(), &count);
    }
    if (news && (ready == 0 || waiting[1].revents != 0)) {
        perform([](prompts::PromptStore& store) {
            store.refresh();
            return Answer();
        });
    }
}

void PromptWorker::perform(const Job& job) noexcept {
    try {
        if (auto answer = job(*store_)) {
            options_.to_owner(std::move(answer));
        }
    } catch (...) {
        return;  // No memory to say so; the call is answered when its last reference goes.
    }
}

}  // namespace steward::host
