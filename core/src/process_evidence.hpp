// What the kernel says of a process, for people who have to find out why it does not end.
#pragma once
#include <cstdint>
#include <string>

namespace steward::core {

// "412 (python3, state D in rpc_wait_bit_killable)", "413 (sh, state Z, traced by 500 (gdb))"; only
// the number when it is gone or hidden. `in` is where it waits in the kernel (/proc/PID/wchan) and
// left out where that is not told; a few file reads.
std::string describe_process(std::int32_t pid);

}  // namespace steward::core
