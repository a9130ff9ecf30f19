// Looks at an app through /proc and the socket table (app_activity.hpp).
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <netinet/tcp.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "socket_table.hpp"
#include "steward/core/os_linux.hpp"
#include "steward/core/unique_fd.hpp"
#include "steward/sdk/proc_tree.hpp"

namespace steward::core {
namespace {

constexpr std::size_t kMaxProcesses = 256;
constexpr int kMaxThreads = 1024;

struct DirCloser {
    void operator()(DIR* dir) const { closedir(dir); }
};

// The file's beginning; empty, with errno, if it cannot be read.
template <std::size_t N>
std::string_view read_start(int folder, const std::string& path, std::array<char, N>& buffer) {
    const UniqueFd file(openat(folder, path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t n = file ? read(file.get(), buffer.data(), buffer.size() - 1) : -1;
    if (n <= 0) {
        return {};
    }
    buffer[static_cast<std::size_t>(n)] = '\0';
    return {buffer.data(), static_cast<std::size_t>(n)};
}

std::string proc(std::int32_t pid, const char* file) {
    return "/proc/" + std::to_string(pid) + "/" + file;
}

struct Stat {
    char state = '?';
    Duration used{};
    Duration reaped{};
};

Duration of_ticks(unsigned long long ticks) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
        static_cast<double>(ticks) / static_cast<double>(std::max(1L, sysconf(_SC_CLK_TCK)))));
}

// "4242 (a name) S 1 …": the state is the third field, the times are the 14th to the 17th.
std::optional<Stat> read_stat(std::int32_t pid) {
    std::array<char, 1024> buffer{};
    const auto text = read_start(AT_FDCWD, proc(pid, "stat"), buffer);
    const auto name_end = text.rfind(')');
    Stat stat;
    unsigned long long user = 0;
    unsigned long long kernel = 0;
    long long reaped_user = 0;
    long long reaped_kernel = 0;
    if (name_end == std::string_view::npos ||
        std::sscanf(text.data() + name_end + 1,
                    " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld", &stat.state,
                    &user, &kernel, &reaped_user, &reaped_kernel) != 5) {
        return std::nullopt;
    }
    stat.used = of_ticks(user + kernel);
    stat.reaped = of_ticks(static_cast<unsigned long long>(std::max(0LL, reaped_user)) +
                           static_cast<unsigned long long>(std::max(0LL, reaped_kernel)));
    return stat;
}

// Of all threads that there are, 0 where the kernel keeps no such account; `threads` is how many
// more may be looked at, and none is the answer if there are more.
std::optional<Duration> waited_for_processor(std::int32_t pid, int& threads) {
    const std::unique_ptr<DIR, DirCloser> dir(opendir(proc(pid, "task").c_str()));
    Duration waited{};
    while (dir) {
        const dirent* const entry = readdir(dir.get());
        if (entry == nullptr) {
            break;
        }
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (threads == 0) {
            return std::nullopt;
        }
        --threads;
        std::array<char, 128> buffer{};
        const auto text =
            read_start(dirfd(dir.get()), std::string(entry->d_name) + "/schedstat", buffer);
        long long nanoseconds = 0;
        if (!text.empty() && std::sscanf(text.data(), "%*u %lld", &nanoseconds) == 1) {
            waited += std::chrono::nanoseconds(nanoseconds);
        }
    }
    return waited;
}

// "4242 (gdb)"; empty: nobody traces it.
std::string tracer_of(std::int32_t pid) {
    std::array<char, 4096> buffer{};
    const auto text = read_start(AT_FDCWD, proc(pid, "status"), buffer);
    const auto at = text.find("\nTracerPid:");
    int tracer = 0;
    if (at == std::string_view::npos ||
        std::sscanf(text.data() + at, "\nTracerPid: %d", &tracer) != 1 || tracer == 0) {
        return {};
    }
    std::array<char, 64> name{};
    auto comm = read_start(AT_FDCWD, proc(tracer, "comm"), name);
    comm = comm.substr(0, comm.find('\n'));
    return std::to_string(tracer) + (comm.empty() ? "" : " (" + std::string(comm) + ")");
}

std::optional<std::uint32_t> queued_on(const std::string& address, std::uint16_t port) {
    const auto wanted = Address::parse(address);
    const auto rows = socket_rows(port, SocketStates::kListening);
    if (!wanted || !rows) {
        return std::nullopt;
    }
    std::optional<std::uint32_t> queued;
    for (const auto& row : *rows) {
        if (row.state == TCP_LISTEN && row.overlaps(*wanted)) {
            queued = queued.value_or(0) + row.queued;
        }
    }
    return queued;
}

}  // namespace

AppLook OsLinux::look(const LookQuestion& question) {
    AppLook look;
    errno = 0;
    const auto app = read_stat(question.app_pid);
    if (!app) {
        const int error = errno;
        // /proc may hide it, or not be there.
        look.gone = ::kill(question.app_pid, 0) != 0 && errno == ESRCH;
        if (!look.gone) {
            look.unreadable = proc(question.app_pid, "stat") + " cannot be read" +
                              (error == 0 ? "" : ": " + std::string(std::strerror(error)));
        }
        return look;
    }
    look.state = app->state;
    if (look.state == 'T' || look.state == 't') {
        look.tracer = tracer_of(question.app_pid);
    }
    int threads = kMaxThreads;
    const auto root = question.tree_pid != 0 ? question.tree_pid : question.app_pid;
    auto tree = sdk::descendants_within("/proc", root, {kMaxProcesses, kMaxThreads});
    look.truncated = tree.truncated;
    auto& pids = tree.pids;
    pids.insert(pids.begin(), {question.app_pid, root});
    for (const auto pid : pids) {
        if (look.processes.count(pid) != 0) {
            continue;
        }
        if (const auto stat = pid == question.app_pid ? app : read_stat(pid)) {
            const auto waited = waited_for_processor(pid, threads);
            look.processes[pid] = {stat->used, waited, stat->reaped};
            look.truncated = look.truncated || !waited;
        }
    }
    if (question.port != 0) {
        look.queued = queued_on(question.address, question.port);
    }
    return look;
}

}  // namespace steward::core
