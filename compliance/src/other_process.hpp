// Processes that a check has beside its own; each is this program in a hidden mode.
//
// A child ends with the thread that started it, even by SIGKILL.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "steward/core/spawn.hpp"

namespace steward::compliance {

// What the pure interfaces of a library's plugins answer to the questions of the seed, in a process
// of its own: pure_answers() of one instance with default settings for each plugin. Throws Broken
// if that process does not come to its end.
std::vector<std::string> answers_elsewhere(const std::string& file, std::uint64_t seed, int count);
// The same in this process, with a session of its own.
class Library;
std::vector<std::string> answers_here(const Library& library, std::uint64_t seed, int count);

// A child that sleeps until the end of this object.
class Sleeper {
  public:
    Sleeper();
    ~Sleeper();
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;
    [[nodiscard]] pid_t pid() const noexcept { return child_.pid; }

  private:
    core::ChildProcess child_;
};

// The hidden modes, for main(): `arguments` are what follows the mode's name. Return the exit
// status.
int answers_main(const std::vector<std::string>& arguments);
int sleep_main(const std::vector<std::string>& arguments);

}  // namespace steward::compliance
