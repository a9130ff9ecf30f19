// steward/sdk/proc_tree.hpp - which processes descend from a given one, read from
// /proc/PID/task/*/children.
//
// Linux (CONFIG_PROC_CHILDREN). The answer is a snapshot taken while processes come and go: one
// that vanishes is left out with what can no longer be reached through it; none is listed twice.
// Zombies are listed.
// Blocking file reads; any thread; no state.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <vector>

namespace steward::sdk {

namespace detail {

struct CloseDir {
    void operator()(DIR* dir) const noexcept { (void)::closedir(dir); }
};

// Was it for want of something that this could not be opened? Else it has vanished, or is no
// business of ours.
[[nodiscard]] inline bool is_shortage(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

// The words of a file under the open folder, the first `limit` bytes of them at least; empty if it
// cannot be read, with `error` set if that is for want of something.
inline std::string read_proc_file(int folder, const std::string& path, std::size_t limit,
                                  int& error) {
    const int fd = ::openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error = is_shortage(errno) ? errno : error;
        return {};
    }
    std::string text;
    char buffer[4096];
    for (;;) {
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        text.append(buffer, static_cast<std::size_t>(got));
        if (const auto end = text.rfind(' '); end != std::string::npos && end >= limit) {
            text.resize(end);  // The last word may be cut.
            break;
        }
    }
    (void)::close(fd);
    return text;
}

// Adds the numbers in `text` that are new to `seen`, while `out` has less than `limit`.
inline void add_pids(std::string_view text, std::size_t limit,
                     std::unordered_set<std::int32_t>& seen, std::vector<std::int32_t>& out) {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at < end && out.size() < limit) {
        std::int32_t pid = 0;
        const auto [next, error] = std::from_chars(at, end, pid);
        if (error == std::errc{} && pid > 0 && seen.insert(pid).second) {
            out.push_back(pid);
        }
        at = next > at ? next : at + 1;
    }
}

}  // namespace detail

// How far descendants_within() goes.
struct TreeLimits {
    std::size_t processes = SIZE_MAX;  // in the answer
    std::size_t threads = SIZE_MAX;    // whose children are asked for, of all processes together
};
struct Descendants {
    std::vector<std::int32_t> pids;  // nearest first
    bool truncated = false;          // a limit was reached: there may be more
    // EMFILE, ENFILE or ENOMEM if something could not be opened for want of it: there may be more.
    // Else 0.
    int error = 0;
};

// The descendants of `pid`, not itself, within the limits; none if it has none or does not exist.
// `keep_going()` is asked before each process is looked at; false is a limit that is reached (a
// deadline). Throws only bad_alloc, and what keep_going throws.
template <class KeepGoing>
[[nodiscard]] Descendants descendants_within(const std::string& proc_root, std::int32_t pid,
                                             const TreeLimits& limits, KeepGoing&& keep_going) {
    constexpr std::size_t kPidSize = 11;  // with the blank after it
    Descendants out;
    std::unordered_set<std::int32_t> seen{pid};
    std::int32_t parent = pid;
    std::size_t threads = limits.threads;
    for (std::size_t next = 0;; ++next) {
        if (!keep_going()) {
            out.truncated = true;
            return out;
        }
        const std::string tasks = proc_root + "/" + std::to_string(parent) + "/task";
        const std::unique_ptr<DIR, detail::CloseDir> dir(::opendir(tasks.c_str()));
        if (dir == nullptr && detail::is_shortage(errno)) {
            out.error = errno;
        }
        while (dir != nullptr) {
            const dirent* const entry = ::readdir(dir.get());
            if (entry == nullptr) {
                break;
            }
            if (entry->d_name[0] == '.') {
                continue;
            }
            if (threads == 0 || out.pids.size() >= limits.processes) {
                out.truncated = true;
                return out;
            }
            --threads;
            const std::size_t more = limits.processes - out.pids.size();
            const std::string children = std::string(entry->d_name) + "/children";
            detail::add_pids(
                detail::read_proc_file(::dirfd(dir.get()), children,
                                       more > SIZE_MAX / kPidSize ? SIZE_MAX : more * kPidSize,
                                       out.error),
                limits.processes, seen, out.pids);
        }
        if (next >= out.pids.size()) {
            return out;
        }
        parent = out.pids[next];
    }
}

[[nodiscard]] inline Descendants descendants_within(const std::string& proc_root, std::int32_t pid,
                                                    const TreeLimits& limits) {
    return descendants_within(proc_root, pid, limits, [] { return true; });
}

// The same with a limit for the processes alone; says nothing of what is beyond it.
[[nodiscard]] inline std::vector<std::int32_t> descendants(const std::string& proc_root,
                                                           std::int32_t pid, std::size_t limit) {
    return descendants_within(proc_root, pid, {limit, SIZE_MAX}).pids;
}

}  // namespace steward::sdk
