// What processes weigh: /proc/PID/smaps_rollup. What cannot be read is a std::runtime_error.
#pragma once
#include <sys/types.h>

namespace steward::bench {

// In MiB.
struct Weight {
    double pss = 0;
    double own = 0;  // what nobody else maps
    Weight operator+(const Weight& other) const { return {pss + other.pss, own + other.own}; }
};

Weight weigh(pid_t pid);
// The child of steward that the app's processes hang on.
pid_t find_guardian(pid_t steward);

}  // namespace steward::bench
