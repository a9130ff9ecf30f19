// What several end-to-end tests of the MCP server set up: apps in every condition, and servers in
// every state.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "steward_process.hpp"

namespace steward::tests {

// From `start` until now, or until `end`, in milliseconds.
[[nodiscard]] double ms_since(Clock::time_point start, Clock::time_point end = Clock::now());

// The member `member` of each object in the list `list` of `result`.
[[nodiscard]] std::set<std::string> names(const Json& result, const std::string& list,
                                          const std::string& member);
// Does `text` hold `part`?
[[nodiscard]] bool holds(const std::string& text, const std::string& part);

// How an app may be; each is a command line for StewardStart and what the status says then.
struct Condition {
    std::string name;
    StewardStart start;
    std::string state;
    std::string cause;  // a part of it
};

// The app works: test_app with these options.
[[nodiscard]] StewardStart with_app(std::vector<std::string> options = {});
// As with_app, but under the command line that the Flask app gets: a wrapper takes the place of the
// interpreter.
[[nodiscard]] StewardStart as_flask_app(const Sandbox& sandbox,
                                        const std::vector<std::string>& options = {});

[[nodiscard]] Condition no_interpreter(const Sandbox& sandbox);
[[nodiscard]] Condition no_flask(
    const Sandbox& sandbox);  // the real app.py, with an interpreter that finds no packages
[[nodiscard]] Condition missing_module(const Sandbox& sandbox);  // app/app.py, which can be mended
[[nodiscard]] Condition syntax_error(const Sandbox& sandbox);    // app/app.py, which can be mended
[[nodiscard]] Condition missing_program(
    const Sandbox& sandbox);  // app/program, which can be put there
[[nodiscard]] Condition slow_to_answer(const Sandbox& sandbox);
[[nodiscard]] Condition slow_to_listen(const Sandbox& sandbox);

// What app/app.py, or app/program, is replaced with: it becomes test_app.
void mend_script(const Sandbox& sandbox);
void mend_program(const Sandbox& sandbox);

// A port that a socket of this object has, listening.
class TakenPort {
  public:
    TakenPort();
    ~TakenPort();
    TakenPort(const TakenPort&) = delete;
    TakenPort& operator=(const TakenPort&) = delete;
    [[nodiscard]] std::uint16_t port() const { return port_; }
    void release();

  private:
    int fd_ = -1;
    std::uint16_t port_ = 0;
};

// A test_app under supervision and running.
class Running {
  public:
    explicit Running(StewardStart start = with_app()) : steward_(sandbox_, std::move(start)) {
        steward_.initialize();
        first_ = steward_.wait_state("running");
    }
    StewardProcess& operator*() { return steward_; }
    StewardProcess* operator->() { return &steward_; }
    [[nodiscard]] const Sandbox& sandbox() const { return sandbox_; }
    [[nodiscard]] const Json& first() const { return first_; }
    [[nodiscard]] std::uint16_t port() const {
        return static_cast<std::uint16_t>(number_at(first_, "port"));
    }

  private:
    Sandbox sandbox_;
    StewardProcess steward_;
    Json first_;
};

// The number of events of this name so far.
[[nodiscard]] std::size_t count_events(const Sandbox& sandbox, const std::string& name);

}  // namespace steward::tests
