// A run is two processes: the one that people start, and the runner below it.
//
// Each cleans up when the other is killed, even by SIGKILL: the runner learns of it and ends all
// that its checks have started; what a dead runner leaves comes to the front, the subreaper. A
// plugin can start processes in ways that tie them to nothing, so one process alone could not
// promise that nothing is left of it.
#pragma once
#include <string>
#include <vector>

namespace steward::compliance {

// Runs this program with these arguments, `run` and what follows, as the runner. It has all
// descriptors of this process. Returns its exit status, 2 if it was killed. Throws
// std::runtime_error.
int run_behind_front(const std::vector<std::string>& arguments);

// In the runner: from now on the end of `front` can be waited for, as the end of the process that a
// descriptor stands for. Returns that descriptor, which lives as long as the process; -1 if the
// front has ended already.
int watch_front(int front);

// Kills and reaps these children of this process. False when there are none that it may kill.
bool end_processes(const std::vector<int>& pids);
// Kills and reaps all children of this process, and what comes to it from them, until none is left.
void end_all_children();

}  // namespace steward::compliance
