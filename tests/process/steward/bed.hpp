// One steward with its app, as most tests here need it: started with `steward run`, asked over its
// status socket, its log read as events.
//
// The test's thread. What waits has a limit and throws std::runtime_error with what was seen, which
// fails the test.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "steward_process.hpp"

namespace steward::tests {

using Arguments = std::vector<std::string>;

// The first of the events, from `from` on, that this is true for.
using Fits = std::function<bool(const Json&)>;

class Bed {
  public:
    explicit Bed(Arguments args, Arguments app = test_app(), StewardStart start = {});
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;

    Sandbox& sandbox() { return sandbox_; }
    StewardProcess& steward() { return *steward_; }

    // What the server says of itself right now, over its socket; null while there is none.
    [[nodiscard]] Json status();
    Json wait_status(const Fits& fits, Milliseconds limit = kPatience);
    // Running and healthy, with this generation or a later one.
    Json wait_healthy(std::int64_t generation = 1, Milliseconds limit = kPatience);

    Json wait_event(const std::string& name, const Fits& fits = {}, Milliseconds limit = kPatience);
    // All of this name until now: the log is written behind, so what the server knows by now is
    // waited for, unless that is kept out of the log.
    [[nodiscard]] std::vector<Json> events(const std::string& name);
    // The numbers in this field of all events of a name.
    [[nodiscard]] std::vector<std::int64_t> numbers(const std::string& event,
                                                    const std::string& field);

    // SIGINT, and its end.
    StewardExit end(Milliseconds limit = kPatience);
    // Does nothing of it exist within this time?
    [[nodiscard]] bool nothing_left(Milliseconds limit);

  private:
    std::string trouble();
    void wait_log();

    Sandbox sandbox_;
    std::unique_ptr<StewardProcess> steward_;
};

// A program in a sandbox, where a steward may run; waits for its end. `variables` stand in for the
// sandbox's of the same name.
struct Output {
    int code = -1;  // -1: killed, or not ended within the limit
    std::string out;
    std::string err;
};
Output run_program(const Sandbox& sandbox, Arguments argv, const Arguments& variables = {},
                   Milliseconds limit = kPatience);
Output run_steward(const Sandbox& sandbox, const Arguments& args);

std::string read_file(const std::string& path);

// Milliseconds since midnight of an event's "ts"; tests do not run across midnight often enough to
// care for more.
std::int64_t milliseconds_of(const Json& event);

// --set for each of these, "ID.KEY=VALUE".
Arguments settings(const std::vector<std::string>& assignments);
Arguments operator+(Arguments a, const Arguments& b);

// Fast and without chance: what most tests want of the restart strategy.
Arguments quick_restarts();

}  // namespace steward::tests
