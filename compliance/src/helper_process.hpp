// A process that a check needs beside its own: this program once more, in another part.
//
// It ends with the object, and with this process, by whatever signal that ends. Thread: the one
// that made it, until it is gone (the kernel ties its life to that thread).
#pragma once
#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "steward/core/spawn.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::compliance {

// Its descriptor for what the other side reads.
inline constexpr int kHelperFd = 3;
// How the part "sentinel" ends.
inline constexpr int kSentinelStatus = 53;

class HelperProcess {
  public:
    // Runs this program with these arguments; what it writes to kHelperFd comes here, what it
    // prints goes to standard error. Throws std::runtime_error.
    explicit HelperProcess(const std::vector<std::string>& arguments);
    // Kills and reaps it.
    ~HelperProcess();
    HelperProcess(const HelperProcess&) = delete;
    HelperProcess& operator=(const HelperProcess&) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return child_.pid; }
    // The next line that it writes, without its end; the rest if it ends before. Throws
    // std::runtime_error if nothing comes for `limit`.
    std::string read_line(std::chrono::milliseconds limit = std::chrono::seconds(10));
    // All that it writes until it ends.
    std::string read_all(std::chrono::milliseconds limit = std::chrono::seconds(10));
    static constexpr std::chrono::milliseconds kForEver{-1};
    // Waits until it has ended; the wait status.
    int wait_end();

  private:
    // False at the end of its output.
    bool read_more(std::chrono::milliseconds limit);

    core::ChildProcess child_;
    core::UniqueFd output_;
    std::string text_;
    bool has_ended_ = false;
};

// A part that does not try a check; what HelperProcess is given as arguments begins with its name.
//
//   busy PARENT     writes a line, then computes without end
//   churn PARENT    writes a line, then starts and ends processes and threads without end; some of
//                   them leave children behind
//   sleep PARENT    does nothing without end
//   sentinel PARENT ends at once with kSentinelStatus
//
// Returns the exit status; -1 if `arguments` name no part.
int helper_main(const std::vector<std::string>& arguments);
// The arguments of such a part, for a child of this process.
std::vector<std::string> helper_arguments(std::string_view part);

}  // namespace steward::compliance
