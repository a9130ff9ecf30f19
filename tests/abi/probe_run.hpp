// Runs a program with its output captured, with a limit on how long it may stay silent.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace steward::test {

struct ProbeRun {
    std::vector<std::string> lines;  // of standard output
    std::string errors;              // standard error
    bool silent = false;             // it said nothing for `patience` and was killed for that
    int exit_code = -1;              // -1 if a signal ended it
    int signal = 0;
};

// Starts program with the arguments and reads until it has closed its output, or has been silent
// for `patience`; then it is killed. It is always reaped. Throws std::runtime_error if it cannot be
// started. Blocking.
[[nodiscard]] ProbeRun run_probe(const std::string& program,
                                 const std::vector<std::string>& arguments,
                                 std::chrono::milliseconds patience);

}  // namespace steward::test
