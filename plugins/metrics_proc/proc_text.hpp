// What the files of /proc say, from their text: stat, statm, uptime, children.
//
// Pure functions; any thread. They believe nothing: a figure that cannot be (negative, beyond 2^53,
// not a number) makes the text unusable, so that no absurd value leaves the plugin.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace steward::metrics_proc {

struct ProcStat {
    char state = '?';
    std::int32_t parent = 0;
    std::uint64_t own_ticks = 0;       // user and system time
    std::uint64_t children_ticks = 0;  // of children that have ended and were waited for
    std::uint64_t threads = 0;
    std::uint64_t start_ticks = 0;  // since boot; with the pid it identifies a process
};

// /proc/PID/stat. The name of the program may hold anything, spaces, newlines and parentheses
// included; it ends at the last ')'.
[[nodiscard]] std::optional<ProcStat> parse_stat(std::string_view text);

// The resident pages in /proc/PID/statm, at most 2^40.
[[nodiscard]] std::optional<std::uint64_t> parse_resident_pages(std::string_view text);

// The seconds since boot in /proc/uptime.
[[nodiscard]] std::optional<double> parse_uptime(std::string_view text);

// Appends the pids in /proc/PID/task/TID/children to `out`; what is not one is skipped.
void parse_children(std::string_view text, std::vector<std::int32_t>& out);

}  // namespace steward::metrics_proc
