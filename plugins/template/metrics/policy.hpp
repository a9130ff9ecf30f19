// What a process has in memory, by kind: the part of plugin_name that needs no process.
//
// The kernel tells it in /proc/PID/status. "Anonymous" memory is the process's own and has to be
// kept in memory or swap; pages of files can be read again at any time. The sum alone ("RSS") hides
// which of them grows.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace policy {

// In bytes.
struct Memory {
    double anonymous = 0;
    double file = 0;
    double shared = 0;
    double swap = 0;

    Memory& operator+=(const Memory& other) {
        anonymous += other.anonymous;
        file += other.file;
        shared += other.shared;
        swap += other.swap;
        return *this;
    }
    [[nodiscard]] double resident() const { return anonymous + file + shared; }
};

// The bytes in the line "NAME:   1234 kB" of `status`. 0 without such a line, as for a process that
// has ended, and for a number that no process can have: it must not spoil the sum.
inline double bytes_of(std::string_view status, std::string_view name) {
    while (!status.empty()) {
        std::string_view line = status.substr(0, status.find('\n'));
        status.remove_prefix(line.size() < status.size() ? line.size() + 1 : line.size());
        if (!line.starts_with(name) || !line.substr(name.size()).starts_with(':')) {
            continue;
        }
        line.remove_prefix(name.size() + 1);
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        constexpr std::uint64_t kMost = std::uint64_t{1} << 46U;  // 2^56 bytes, the address space
        std::uint64_t kilobytes = 0;
        const auto error = std::from_chars(line.data(), line.data() + line.size(), kilobytes).ec;
        return error == std::errc{} && kilobytes <= kMost ? static_cast<double>(kilobytes) * 1024
                                                          : 0;
    }
    return 0;
}

// A process that has ended and that its parent has not asked about yet: it has nothing any more.
inline bool has_ended(std::string_view status) {
    const auto at = status.find("\nState:\t");
    return at != std::string_view::npos && status.substr(at + 8, 1) == "Z";
}

inline Memory memory_of(std::string_view status) {
    return {bytes_of(status, "RssAnon"), bytes_of(status, "RssFile"), bytes_of(status, "RssShmem"),
            bytes_of(status, "VmSwap")};
}

}  // namespace policy
