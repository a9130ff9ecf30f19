// Tracer: a debugger of a process, on a thread of its own.
#pragma once
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <future>
#include <thread>

#include "catch.hpp"

namespace steward::tests {

// Seizes a process, holds it in a stop if it is to, and lets it go at the end. It never reaps it, so
// a process that ends meanwhile stays a zombie until then.
class Tracer {
  public:
    enum class Hold { kStopped, kRunning };
    explicit Tracer(pid_t pid, Hold hold = Hold::kRunning) {
        std::promise<bool> seized;
        auto done = seized.get_future();
        thread_ = std::thread([this, pid, hold, &seized] {
            bool ok = ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
            if (ok && hold == Hold::kStopped) {
                int status = 0;
                ok = ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) == 0 &&
                     waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
            }
            seized.set_value(ok);
            end_.get_future().wait();
        });
        REQUIRE(done.get());
    }
    // A thread that ends lets go of what it traces.
    ~Tracer() {
        end_.set_value();
        thread_.join();
    }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

  private:
    std::promise<void> end_;
    std::thread thread_;
};

}  // namespace steward::tests
