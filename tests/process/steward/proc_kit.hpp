// What /proc says of processes, beyond what steward_process.hpp has.
//
// Any thread. Processes that have ended and wait for their parent (zombies) are in no list.
#pragma once
#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "steward/core/unique_fd.hpp"
#include "steward_process.hpp"

namespace steward::tests {

// Of the whole machine, those whose environment has this entry, "NAME=VALUE".
std::vector<pid_t> processes_with(const std::string& entry);

// One letter, as in /proc/PID/stat; 0 if there is no such process.
char state_of(pid_t pid);
std::vector<pid_t> descendants_of(pid_t pid);
long rss_bytes_of(const std::vector<pid_t>& pids);
std::size_t threads_of(pid_t pid);

// Of a process that is there; empty if it is not.
core::UniqueFd pidfd_of(pid_t pid);
// Has it ended, or does it within the time?
bool ends_within(const core::UniqueFd& pidfd, Milliseconds limit);

// Is this so for the whole time? Ends early when it is not.
bool stays(Milliseconds time, const std::function<bool()>& is_so);

}  // namespace steward::tests
