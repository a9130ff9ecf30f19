#include "steward/core/os_linux.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "steward/core/process_state.hpp"

namespace steward::core {
namespace {

Duration read_clock(clockid_t id) {
    timespec ts{};
    clock_gettime(id, &ts);
    return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

}  // namespace

OsLinux::OsLinux(Scheduler& scheduler) : scheduler_(scheduler) {
    // Reads the zone's file now, so that localtime_r() on the loop does not have to.
    tzset();
}

OsLinux::~OsLinux() {
    end_watch();
}

WallTime OsLinux::wall() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

std::chrono::seconds OsLinux::utc_offset(WallTime at) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
    std::tm local{};
    return std::chrono::seconds(localtime_r(&seconds, &local) == nullptr ? 0 : local.tm_gmtoff);
}

std::uint64_t OsLinux::entropy() {
    std::uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
        value = std::random_device{}();
    }
    return value;
}

Duration OsLinux::slept() {
    return read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC);
}

bool OsLinux::runs(std::int32_t pid) {
    return ProcessState(pid).runs();
}

int OsLinux::check_file(const std::string& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) {
        return errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    }
    return access(file.c_str(), R_OK) == 0 ? 0 : errno;
}

// Where it matters, there is no memory: none is asked for.
std::optional<std::uint64_t> OsLinux::oom_kills() {
    const UniqueFd file(open("/proc/vmstat", O_RDONLY | O_CLOEXEC));
    std::array<char, 16384> text{};
    std::size_t size = 0;
    for (ssize_t n = 1; file && n > 0 && size < text.size(); size += static_cast<std::size_t>(n)) {
        n = std::max<ssize_t>(0, read(file.get(), text.data() + size, text.size() - size));
    }
    constexpr std::string_view kName = "\noom_kill ";
    const std::string_view all(text.data(), size);
    const auto at = all.find(kName);
    std::uint64_t value = 0;
    const bool found =
        at != std::string_view::npos &&
        std::from_chars(all.data() + at + kName.size(), all.data() + all.size(), value).ec ==
            std::errc();
    return found ? std::optional(value) : std::nullopt;
}

void OsLinux::watch_folder(const std::string& folder, std::function<void(std::string)> changed) {
    end_watch();
    if (folder.empty()) {
        return;
    }
    inotify_.reset(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) {
        return;
    }
    constexpr std::uint32_t kChanges =
        IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB;
    // What is not there is awaited in the nearest folder above it.
    std::filesystem::path nearest(folder);
    while (inotify_add_watch(inotify_.get(), nearest.c_str(), kChanges | IN_ONLYDIR) < 0) {
        if ((errno != ENOENT && errno != ENOTDIR) || !nearest.has_relative_path()) {
            inotify_.reset();
            return;
        }
        awaited_ = nearest.filename();
        nearest = nearest.parent_path();
    }
    std::error_code error;
    if (!awaited_.empty() && std::filesystem::exists(nearest / awaited_, error)) {
        watch_folder(folder, std::move(changed));  // It came between the two looks.
        return;
    }
    changed_ = std::move(changed);
    scheduler_.watch(inotify_.get(), Interest::kRead, [this](bool, bool) { read_changes(); });
}

void OsLinux::read_changes() {
    alignas(inotify_event) std::array<char, 4096> buffer{};
    std::set<std::string> names;
    for (;;) {
        const ssize_t n = read(inotify_.get(), buffer.data(), buffer.size());
        if (n <= 0) {
            break;
        }
        for (ssize_t at = 0; at < n;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            if (event->len > 0 && std::strcmp(event->name, "__pycache__") != 0 &&
                (awaited_.empty() || awaited_ == event->name)) {
                names.insert(event->name);
            }
            at += static_cast<ssize_t>(sizeof(inotify_event)) + static_cast<ssize_t>(event->len);
        }
    }
    const auto changed = changed_;
    for (const auto watch = watch_; const auto& name : names) {
        if (!changed || watch != watch_) {
            break;  // A call may end this watch.
        }
        changed(name);
    }
}

void OsLinux::end_watch() {
    if (inotify_) {
        scheduler_.unwatch(inotify_.get());
        inotify_.reset();
    }
    awaited_.clear();
    changed_ = nullptr;
    ++watch_;
}

}  // namespace steward::core
