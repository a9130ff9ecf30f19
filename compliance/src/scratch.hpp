// A folder for what a check writes, in memory if there is a file system for that.
#pragma once
#include <sys/types.h>

#include <string>

namespace steward::compliance {

// TMPDIR if files can be made there, else /tmp.
std::string temporary_folder();

// Where the child `pid` of the runner keeps its files. The runner removes it when the child has
// ended, however it did; a runner that is killed itself leaves it behind.
std::string scratch_folder(pid_t pid);

}  // namespace steward::compliance
