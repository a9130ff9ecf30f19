// A Loop on a thread of its own, for tests that use real descriptors.
#pragma once
#include <exception>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "steward/core/loop.hpp"

namespace steward::test {

class LoopThread {
  public:
    LoopThread() {
        // Asio opens its own descriptors with the first timer or watch: before a test counts or
        // limits them.
        loop_.disarm(loop_.arm(loop_.now(), [] {}));
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~LoopThread() { stop(); }
    LoopThread(const LoopThread&) = delete;
    LoopThread& operator=(const LoopThread&) = delete;

    core::Loop& loop() { return loop_; }

    // Runs it on the loop's thread and waits for what it returns; exceptions come through.
    template <class Work>
    auto run(Work work) -> decltype(work()) {
        auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
        auto result = task->get_future();
        loop_.post([task] { (*task)(); });
        return result.get();
    }

    void stop() {
        if (thread_.joinable()) {
            loop_.stop();
            thread_.join();
        }
    }

    std::thread::native_handle_type handle() { return thread_.native_handle(); }

  private:
    core::Loop loop_;
    std::thread thread_;
};

}  // namespace steward::test
