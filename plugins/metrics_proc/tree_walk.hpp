// One look at every process below a given one.
//
// The files of a process are all read through one descriptor of its folder, which is bound to that
// process: when the pid is used again meanwhile, the reads fail, so figures of two processes are
// never mixed. Blocking file reads; any thread; no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "proc_text.hpp"

namespace steward::metrics_proc {

// No tree that is looked at is larger; what is beyond is left out and said so.
inline constexpr std::size_t kMaxProcesses = 65'536;

struct Process {
    std::int32_t pid = 0;
    ProcStat stat;
    std::uint64_t resident_pages = 0;
    std::optional<std::uint64_t> descriptors;  // nothing: they may not be counted

    // Ended, not yet waited for: it has CPU time and nothing else. (A process whose first thread
    // has ended looks like one but for its other threads.)
    [[nodiscard]] bool is_zombie() const noexcept {
        return (stat.state == 'Z' || stat.state == 'X') && stat.threads <= 1;
    }
};

struct Tree {
    std::vector<Process> processes;  // parents before their children
    bool late = false;               // `late` said so: the list is incomplete
    bool too_many = false;           // there are more than kMaxProcesses
};

// The descendants of `root_pid`, without itself. What vanishes while it is looked at is left out.
// `late` is asked before each process and ends the walk. Throws sdk::Failure IO with the errno if a
// file cannot be read for want of something of our own (descriptors, memory), and std::bad_alloc.
[[nodiscard]] Tree walk_tree(const std::string& proc_root, std::int32_t root_pid,
                             const std::function<bool()>& late);

// The text of `proc_root`/uptime, or nothing.
[[nodiscard]] std::optional<double> read_uptime(const std::string& proc_root);

}  // namespace steward::metrics_proc
