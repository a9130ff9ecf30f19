// The one place that starts processes from inside the supervisor: posix_spawn, never a fork without
// exec.
//
// The app itself is not started here but by its guardian. Every process started here is registered,
// so that the guardian client can tell the supervisor's own children from orphans that it has
// inherited (DESIGN: the supervisor is a subreaper). Thread: any.
#pragma once
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "steward/core/result.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::core {

struct ProcessSpec {
    std::string file;  // a path; no search
    std::vector<std::string> argv;
    std::vector<std::string> environment;  // NAME=VALUE, exactly this
    // What becomes which descriptor of the child; everything else is closed. A source of -1 is
    // /dev/null.
    std::vector<std::pair<int, int>> descriptors;
    bool new_session = false;
};

struct ChildProcess {
    pid_t pid = 0;
    UniqueFd pidfd;
};

// Starts the process with default signal dispositions and an empty mask. Returns when it has
// exec'ed; failure: nothing was started, the error names the file and the reason.
Result<ChildProcess> spawn(const ProcessSpec& spec);

// Reaps a child of spawn() that has ended, without waiting, and takes it off the register. False:
// it has not ended yet.
bool reap(const ChildProcess& child, int* wait_status = nullptr);

// Direct children of this process (of any of its threads) that spawn() did not start: inherited
// orphans. Failure (no descriptor left): nothing is known of them.
Result<std::vector<pid_t>> inherited_children();

// Makes this process the subreaper of its descendants, so that orphans of a dead guardian come
// here.
Status become_subreaper();

}  // namespace steward::core
