#include "proc_kit.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace steward::tests {
namespace {

namespace fs = std::filesystem;

std::string read_proc(pid_t pid, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<pid_t> all_pids() {
    std::vector<pid_t> pids;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename().string();
        pid_t pid = 0;
        const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (wrong == std::errc() && end == name.data() + name.size()) {
            pids.push_back(pid);
        }
    }
    return pids;
}

bool has_entry(const std::string& environment, const std::string& entry) {
    return (std::string(1, '\0') + environment).find('\0' + entry + '\0') != std::string::npos;
}

std::size_t entries_in(const std::string& folder) {
    std::error_code error;
    std::size_t count = 0;
    for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator();
         at.increment(error)) {
        ++count;
    }
    return count;
}

}  // namespace

std::vector<pid_t> processes_with(const std::string& entry) {
    std::vector<pid_t> found;
    for (const pid_t pid : all_pids()) {
        if (has_entry(read_proc(pid, "environ"), entry) && process_lives(pid)) {
            found.push_back(pid);
        }
    }
    return found;
}

char state_of(pid_t pid) {
    const std::string stat = read_proc(pid, "stat");
    const auto end = stat.rfind(')');
    return end == std::string::npos || end + 2 >= stat.size() ? '\0' : stat[end + 2];
}

std::vector<pid_t> descendants_of(pid_t pid) {
    std::vector<pid_t> found;
    std::error_code error;
    for (const auto& task :
         fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", error)) {
        std::ifstream children(task.path() / "children");
        for (pid_t child = 0; children >> child;) {
            if (process_lives(child)) {
                found.push_back(child);
            }
            const auto below = descendants_of(child);
            found.insert(found.end(), below.begin(), below.end());
        }
    }
    return found;
}

long rss_bytes_of(const std::vector<pid_t>& pids) {
    long sum = 0;
    for (const pid_t pid : pids) {
        std::istringstream statm(read_proc(pid, "statm"));
        long size = 0;
        long resident = 0;
        statm >> size >> resident;
        sum += resident * sysconf(_SC_PAGESIZE);
    }
    return sum;
}

std::size_t threads_of(pid_t pid) {
    return entries_in("/proc/" + std::to_string(pid) + "/task");
}

core::UniqueFd pidfd_of(pid_t pid) {
    return core::UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

bool ends_within(const core::UniqueFd& pidfd, Milliseconds limit) {
    if (!pidfd) {
        return true;
    }
    pollfd entry{pidfd.get(), POLLIN, 0};
    int ready = 0;
    do {
        ready = poll(&entry, 1, static_cast<int>(limit.count()));
    } while (ready < 0 && errno == EINTR);
    return ready == 1;
}

bool stays(Milliseconds time, const std::function<bool()>& is_so) {
    return !wait_until([&] { return !is_so(); }, time);
}

}  // namespace steward::tests
