// Runs the checks, one child process for each, and gathers what came of them.
//
// Single-threaded; becomes the subreaper of its descendants. Children die with this process, by
// whatever signal it ends.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "report.hpp"

namespace steward::compliance {

struct RunRequest {
    std::string file;
    std::vector<const Check*> checks;  // in the order of the catalogue
    std::uint64_t seed = 1;
    unsigned jobs = 1;  // children at once
    // When the process that it stands for ends, the run does too: all children are killed, and this
    // process exits (front.hpp). -1: none.
    int front = -1;
    // Called after each check; `done` of `all` are.
    std::function<void(const Check& last, std::size_t done, std::size_t all)> progress;
};

// Throws std::runtime_error when the file is no file, or when no child can be started.
Report run_checks(const RunRequest& request);

// Could the library be loaded at all? (exit status 3 otherwise)
bool was_loaded(const Report& report);

}  // namespace steward::compliance
