// One client session in memory: bytes in, checked lines out.
#pragma once

#include <Poco/JSON/Object.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "steward/mcp/json.hpp"
#include "steward/mcp/line_reader.hpp"
#include "steward/mcp/server.hpp"

namespace steward::fuzz {

// Says why, and aborts: libFuzzer keeps the input.
[[noreturn]] void violated(const std::string& what, std::string_view line);

class Harness {
  public:
    explicit Harness(bool with_product);
    ~Harness();
    Harness(const Harness&) = delete;
    Harness& operator=(const Harness&) = delete;

    // The bytes, as reads of `chunk` bytes give them, and the end of the stream.
    void run(std::string_view bytes, std::size_t chunk);

    // ---- for tools and stand-ins
    mcp::Server& server() { return *server_; }
    // Runs behind the line that is being received.
    void later(std::function<void()> task) { tasks_.push_back(std::move(task)); }
    // Runs at the next "!time".
    std::uint64_t arm(std::function<void()> task);
    void disarm(std::uint64_t timer) { timers_.erase(timer); }
    // A call that waits for "!answer" or "!drop".
    void keep(std::shared_ptr<mcp::Call> call) { kept_.push_back(std::move(call)); }

  private:
    void deliver();
    void receive(std::string_view line);
    void happen(std::string_view what);
    void answer_kept();
    void pass_time();
    void retry(std::string_view responses);
    void run_tasks();
    void count_requests(std::string_view line);
    void count_request(const Poco::Dynamic::Var& message);
    void check(std::string_view line);
    void check_message(const Poco::Dynamic::Var& message, std::string_view line);

    mcp::Options options_;
    mcp::LineReader lines_;
    mcp::JsonReader reader_;
    std::chrono::steady_clock::time_point now_{};
    bool full_ = false;
    std::map<std::string, long> open_;  // requests by id, minus the answers to them
    std::vector<std::string> asked_;    // ids of the server's own requests
    Poco::JSON::Object::Ptr last_;      // the last request
    std::string request_state_;         // of the last result that asks for input
    std::deque<std::function<void()>> tasks_;
    std::map<std::uint64_t, std::function<void()>> timers_;
    std::uint64_t last_timer_ = 0;
    std::deque<std::shared_ptr<mcp::Call>> kept_;
    std::unique_ptr<mcp::Server> server_;
};

// What there is beside the product's tools: late, lost, asking and talking ones.
void register_tools(Harness& harness);
// A prompt, a source of prompts in pages, and completion.
void register_prompts(Harness& harness);

// The product's own tools, resources, prompts and completion, on stand-ins that live as long as the
// process.
void register_product(Harness& harness);
// Puts the prompts back as they were when a session has changed them.
void restore_prompts();

}  // namespace steward::fuzz
