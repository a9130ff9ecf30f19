// StateFolder: the folder of one running server, below $XDG_STATE_HOME/steward (default
// ~/.local/state/steward).
//
//   <base>/20261122T102233Z-4711-9f3c/    start (UTC), pid, four random hex digits; mode 0700
//       lock                              flock'ed as long as the server lives; kernel-released
//       status.sock, logs, …              whatever the server puts there
//
// Whether a server lives is decided by its lock alone, never by the pid in the name. How starting,
// cleaning and looking keep out of each other's way without a common lock:
//   - A folder is made as `.new-<name>`, its lock taken, and only then renamed to `<name>`. So a
//     folder with a final name and a free lock is dead, and no dead one ever lives again.
//   - Looking and cleaning try a *shared* lock: they never take one another for a living server. As
//     they try it on final names alone, they cannot make a starting server fail.
//   - A `.new-` folder an hour old was left by a server that died within the few system calls in
//     between, and is removed. A server that slept for that long in between begins anew.
//
// Any thread; the functions read and write the disk.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "steward/core/result.hpp"
#include "steward/core/time.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::host {

struct RunningServer {
    std::string folder;
    std::int32_t pid = 0;  // as its own name space counts
    core::WallTime since{};
};

class StateFolder {
  public:
    // Dead folders that are kept, the newest, and for how long.
    static constexpr std::size_t kKeptDead = 20;
    static constexpr std::chrono::hours kKeptFor{7 * 24};

    // Where the folders of this user's servers are. XDG_STATE_HOME counts when it is absolute.
    // Nothing is created.
    static std::string base_folder();

    // Makes `base` (what is missing of it, 0700) and a new folder in it, locks that, and calls
    // remove_dead(). Failure: a text for people, and nothing is left but `base`.
    static core::Result<StateFolder> create(const std::string& base);

    // Of dead servers, removes status.sock at once; the whole folder when nothing in it was written
    // for a week, or when 20 dead ones are newer. What cannot be removed stays. Folders of living
    // servers and everything else are not touched.
    static void remove_dead(const std::string& base);

    // The living servers, the newest first. Changes nothing; an unreadable or missing `base` has
    // none.
    static std::vector<RunningServer> running(const std::string& base);

    StateFolder(StateFolder&&) noexcept = default;
    StateFolder& operator=(StateFolder&&) noexcept = default;
    StateFolder(const StateFolder&) = delete;
    StateFolder& operator=(const StateFolder&) = delete;
    // Releases the lock. The folder stays, for those who look for the reason of an end.
    ~StateFolder() = default;

    // Absolute if `base` was; without a slash at its end.
    const std::string& path() const { return path_; }

  private:
    StateFolder(std::string path, core::UniqueFd lock)
        : path_(std::move(path)), lock_(std::move(lock)) {}

    std::string path_;
    core::UniqueFd lock_;
};

}  // namespace steward::host
