// steward/sdk/proc_tree.hpp - which processes descend from a given one, read from
// /proc/PID/task/*/children.
//
// Linux (CONFIG_PROC_CHILDREN). The answer is a snapshot taken while processes come and go: one
// that vanishes is left out with what can no longer be reached through it; none is listed twice.
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

// The whole of a file under the open folder; empty if it cannot be read.
inline std::string read_proc_file(int folder, const std::string& path) {
    const int fd = ::openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
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

// The descendants of `pid`, not itself, nearest first, at most `limit`; empty if it has none or
// does not exist. Throws only bad_alloc.
[[nodiscard]] inline std::vector<std::int32_t> descendants(const std::string& proc_root,
                                                           std::int32_t pid, std::size_t limit) {
    std::vector<std::int32_t> out;
    std::unordered_set<std::int32_t> seen{pid};
    std::int32_t parent = pid;
    for (std::size_t next = 0;; ++next) {
        const std::string tasks = proc_root + "/" + std::to_string(parent) + "/task";
        const std::unique_ptr<DIR, detail::CloseDir> dir(::opendir(tasks.c_str()));
        while (dir != nullptr && out.size() < limit) {
            const dirent* const entry = ::readdir(dir.get());
            if (entry == nullptr) {
                break;
            }
            if (entry->d_name[0] == '.') {
                continue;
            }
            const std::string children = std::string(entry->d_name) + "/children";
            detail::add_pids(detail::read_proc_file(::dirfd(dir.get()), children), limit, seen,
                             out);
        }
        if (next >= out.size() || out.size() >= limit) {
            return out;
        }
        parent = out[next];
    }
}

}  // namespace steward::sdk
