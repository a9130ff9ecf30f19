// StatusReader: answers who asks for the status, on the mcp thread. What the loop's thread said last
// is used again as long as it is true; else the loop is asked, once for all who ask meanwhile.
//
// No answer is older than the question, than an earlier answer, or than an event that was told
// before: the loop counts each of its steps before it tells of it.
//
// Thread rule: the mcp thread; the functions of Source as they say.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "status_json.hpp"
#include "steward/core/process_state.hpp"

namespace steward::host {

class StatusReader : public std::enable_shared_from_this<StatusReader> {
  public:
    using Clock = std::chrono::steady_clock;
    using Answer = std::function<void(const std::string& json)>;

    struct Taken {
        std::uint64_t version = 0;
        core::ServiceStatus status;
        std::string log_file;
    };
    struct Source {
        std::function<std::uint64_t()> version;  // any thread
        std::function<Taken()> take;             // the loop's thread
        std::function<void(std::function<void()>)> to_loop;
        std::function<void(std::function<void()>)> to_mcp;
        std::function<Clock::time_point()> now = Clock::now;
    };

    // Held by a shared pointer.
    explicit StatusReader(Source source) : source_(std::move(source)) {}

    // Possibly from inside the call.
    void ask(Answer answer);

  private:
    // A status of an app that runs and is healthy: of its members only the uptime changes by
    // itself, and whether the process lives can be asked.
    struct Known {
        std::uint64_t version = 0;
        Clock::time_point at;
        double uptime_s = 0;
        StatusText text;
        core::ProcessState process;
    };
    [[nodiscard]] std::optional<std::string> known() const;
    void take();
    void took(const Taken& taken, Clock::time_point at, const std::vector<Answer>& answers);

    const Source source_;
    std::optional<Known> known_;
    std::mutex mutex_;
    // Those who wait for the loop; guarded by mutex_. Whoever comes after the loop has taken them
    // waits for the next answer.
    std::vector<Answer> waiting_;
};

}  // namespace steward::host
