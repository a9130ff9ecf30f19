// What the fault loops share: how far they go, what they print, and how a failure is told.
//
// One thread. A loop ends by its count, its time or the first broken promise, and says so in its
// last line: "kill: 200 of 200 in 31 s, 0 left".
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "random.hpp"
#include "steward/core/unique_fd.hpp"
#include "steward_process.hpp"

namespace steward::faults {

using tests::Clock;
using tests::Milliseconds;
using tests::Random;

struct Options {
    std::uint64_t count = 100;
    std::optional<std::uint64_t> seconds;  // no new round after this time
    std::uint64_t at_least = 0;            // fewer than this in that time is a failure
    std::uint64_t seed = 1;                // of the first round; each next one has the next
    bool flask = false;                    // the Flask app instead of the one in C
};

// Sanitizers make everything several times slower, so bounds in time are wider there: what is
// looked for then are errors of memory and races, and that nothing is left.
#ifdef STEWARD_SANITIZED
inline constexpr bool kSanitized = true;
inline constexpr int kSlower = 5;
#else
inline constexpr bool kSanitized = false;
inline constexpr int kSlower = 1;
#endif

// What the promises say.
inline constexpr Milliseconds kGone{1000 * kSlower};  // from a kill or EOF until nothing is left
inline constexpr Milliseconds kEofCpu{200 * kSlower};

// A promise that was not kept; what() says which and what was seen.
class Broken : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};
// Throws Broken unless `kept`.
void require(bool kept, const std::string& otherwise);

class Loop {
  public:
    Loop(std::string name, const Options& options);

    [[nodiscard]] bool more() const;
    [[nodiscard]] std::uint64_t done() const { return done_; }
    void add(std::uint64_t faults = 1) { done_ += faults; }
    [[nodiscard]] std::uint64_t seed() const { return seed_; }
    void next_seed() { ++seed_; }

    // One of a series of figures, printed at the end as median, 99th percentile and maximum.
    void figure(const std::string& series, double value);
    void figure(const std::string& series, Clock::duration time);

    // Prints FAILED with the seed, and the command that repeats it.
    void failed(const std::string& what);
    // The last line, after the figures. Returns the exit code of the program.
    int end(const std::string& rest);

  private:
    std::string name_;
    Options options_;
    Clock::time_point began_ = Clock::now();
    std::uint64_t done_ = 0;
    std::uint64_t seed_;
    bool failed_ = false;
    std::map<std::string, std::vector<double>> figures_;
};

double ms_between(Clock::time_point from, Clock::time_point to = Clock::now());

// Waits for the instant itself, more exactly than a sleep does.
void let_pass(std::chrono::microseconds time);
// A random time up to `most`, the first tenth of it as likely as the rest.
std::chrono::microseconds instant(Random& random, Milliseconds most);

// To that very process, whoever has its number now. False if it is gone and reaped.
bool send_signal(const core::UniqueFd& pidfd, int number);

// Has a sanitizer written a report into this text?
bool has_report(const std::string& error_output);

}  // namespace steward::faults
