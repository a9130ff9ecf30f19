// A client that sends what no client should: one `steward mcp` process, which must answer each line
// as the protocol demands and go on.
//
// At its end it checks everything that the process has written: each line of stdout is one strict
// JSON-RPC message (or, where batches are allowed, an array of them), and stderr has at most one
// short line for each hostile one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "steward_process.hpp"

namespace steward::tests {

inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kUnsupportedVersion = -32022;
inline constexpr int kResourceNotFound = -32002;

// The expected id of an answer that must have none.
inline constexpr const char* kNoId = "";

// A request of a legacy client; `id` and `params` are JSON texts, no params when empty.
[[nodiscard]] std::string legacy(const std::string& id, const std::string& method,
                                 const std::string& params = "");
// The same of revision 2026-07-28; `members` are further members of params.
[[nodiscard]] std::string modern(const std::string& id, const std::string& method,
                                 const std::string& members = "");
[[nodiscard]] std::string initialize(const std::string& version, const std::string& id = "0");
[[nodiscard]] std::string cancelled(const std::string& id);
[[nodiscard]] std::string repeated(std::string_view text, int times);

// test_app under the options that let it use the data folder too.
[[nodiscard]] StewardStart light_app(std::vector<std::string> options = {});

class Peer {
  public:
    explicit Peer(StewardStart start = light_app());
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    StewardProcess* operator->() { return &steward_; }
    StewardProcess& operator*() { return steward_; }
    [[nodiscard]] const Sandbox& sandbox() const { return sandbox_; }

    // Opens a legacy session (and lets the app start).
    void open(const std::string& version = "2025-11-25");
    // The pid of the app, once it runs.
    pid_t wait_app();

    // Sends `bytes` and behind them a ping, which must be answered; returns the other lines that
    // came, at least `count` of them.
    std::vector<std::string> say(std::string_view line, std::size_t count);
    std::vector<std::string> say_raw(std::string_view bytes, std::size_t count);

    // Each sends one line. One error with this id (JSON text, or kNoId) and code.
    void refused(std::string_view line, const std::string& id, int code);
    // Nothing.
    void ignored(std::string_view line);
    // One result, which is returned.
    Json served(std::string_view line);

    // Peak of its memory so far.
    [[nodiscard]] long peak_kib() const;

  private:
    void check_lines() const;

    Sandbox sandbox_;
    StewardProcess steward_;
    std::size_t seen_ = 0;  // of steward_.lines()
    std::size_t sent_ = 0;  // lines, at least
    int pings_ = 0;
};

}  // namespace steward::tests
