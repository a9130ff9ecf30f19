// PromptWorker: the thread "prompts", which makes every call of the prompt store: a write may wait
// 2 s for another program, and any of them for the disk.
//
// The thread starts with the first job; before that there is no store, no descriptor and no thread.
//
// Thread rule: made, asked and destroyed by its owner, the mcp thread (made and destroyed while
// that does not run). Jobs run one after another on the worker's thread; what they return runs on
// the owner's, and not after the worker is gone.
#pragma once
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "steward/core/unique_fd.hpp"
#include "steward/prompts/store.hpp"

namespace steward::host {

class PromptWorker {
  public:
    using Answer = std::function<void()>;
    // An empty answer: nothing is left to do.
    using Job = std::function<Answer(prompts::PromptStore& store)>;

    struct Options {
        std::string data_dir;
        // Runs a task on the owner's thread; any thread may call it.
        std::function<void(std::function<void()>)> to_owner;
        // A broken file, or a job that has thrown; one line. On the worker's thread.
        std::function<void(const std::string&)> on_trouble;
        // Prompts have changed, by whatever program; on the owner's thread. Without it changes of
        // others are noticed by the next job only.
        std::function<void(const prompts::Change&)> on_change;
        std::size_t max_waiting = 1000;  // jobs
        std::size_t max_waiting_bytes = 64U * 1024 * 1024;
    };

    explicit PromptWorker(Options options);
    // Waits for the job that runs; those that wait are dropped.
    ~PromptWorker();
    PromptWorker(const PromptWorker&) = delete;
    PromptWorker& operator=(const PromptWorker&) = delete;

    // Queues a job that holds about so many bytes. Returns an empty text, or why that is not
    // possible.
    [[nodiscard]] std::string ask(Job job, std::size_t bytes = 0);

    // How many jobs have not been answered yet.
    [[nodiscard]] std::size_t unanswered() const noexcept { return unanswered_; }

    // Opens the store, ahead of all jobs, so that changes are told from now on: most at once, the data
    // folder that is another one now (a link, a renamed parent) within a second. Where that is not
    // possible the next job makes up for it, and on_trouble has said why.
    void watch();

  private:
    struct Waiting {
        Job job;
        std::size_t bytes = 0;
    };

    Job counted(Job job);
    std::string start();
    void open_store();
    void run();
    [[nodiscard]] bool take(Job& job);
    void wait();
    void perform(const Job& job) noexcept;

    const Options options_;
    core::UniqueFd wake_;                          // an eventfd; there once the thread is
    std::unique_ptr<prompts::PromptStore> store_;  // the worker's once its thread runs
    std::thread thread_;
    std::mutex mutex_;
    std::deque<Waiting> jobs_;       // guarded by mutex_, as are the next two
    std::size_t waiting_bytes_ = 0;  // of the jobs that wait
    bool stopping_ = false;
    bool look_wanted_ = false;        // guarded by mutex_
    std::atomic<bool> looks_{false};  // from time to time: somebody watches
    std::size_t unanswered_ = 0;      // the owner's
};

}  // namespace steward::host
