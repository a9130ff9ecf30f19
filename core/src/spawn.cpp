#include "steward/core/spawn.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>

namespace steward::core {
namespace {

// Held while a child is started, so that nobody sees one that is not registered yet.
struct Register {
    std::mutex mutex;
    std::vector<pid_t> pids;
};

Register& children() {
    static Register* const instance = new Register;  // Never destroyed: threads may outlive main.
    return *instance;
}

struct Actions {
    posix_spawn_file_actions_t value;
    Actions() { posix_spawn_file_actions_init(&value); }
    ~Actions() { posix_spawn_file_actions_destroy(&value); }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;
};

struct Attributes {
    posix_spawnattr_t value;
    Attributes() { posix_spawnattr_init(&value); }
    ~Attributes() { posix_spawnattr_destroy(&value); }
    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    out.reserve(strings.size() + 1);
    for (const auto& s : strings) {
        out.push_back(const_cast<char*>(s.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

// Sources are first moved out of the way of the targets, so that no dup2 overwrites a later source.
int place_descriptors(Actions& actions, const ProcessSpec& spec, std::vector<UniqueFd>& moved) {
    int top = 2;
    for (const auto& [source, target] : spec.descriptors) {
        top = std::max(top, target);
    }
    for (const auto& [source, target] : spec.descriptors) {
        if (source < 0) {
            continue;
        }
        moved.emplace_back(fcntl(source, F_DUPFD_CLOEXEC, top + 1));
        if (!moved.back()) {
            return errno;
        }
    }
    std::size_t next = 0;
    for (const auto& [source, target] : spec.descriptors) {
        const int error =
            source < 0
                ? posix_spawn_file_actions_addopen(&actions.value, target, "/dev/null", O_RDWR, 0)
                : posix_spawn_file_actions_adddup2(&actions.value, moved[next++].get(), target);
        if (error != 0) {
            return error;
        }
    }
    return posix_spawn_file_actions_addclosefrom_np(&actions.value, top + 1);
}

}  // namespace

Result<ChildProcess> spawn(const ProcessSpec& spec) {
    Actions actions;
    Attributes attributes;
    std::vector<UniqueFd> moved;
    int error = place_descriptors(actions, spec, moved);
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes.value, &all);
    posix_spawnattr_setsigmask(&attributes.value, &none);
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (spec.new_session) {
        flags |= POSIX_SPAWN_SETSID;
    }
    posix_spawnattr_setflags(&attributes.value, static_cast<short>(flags));

    const auto argv = pointers(spec.argv);
    const auto environment = pointers(spec.environment);
    ChildProcess child;
    auto& registered = children();
    const std::lock_guard lock(registered.mutex);
    if (error == 0) {
        registered.pids.reserve(registered.pids.size() + 1);
        error = posix_spawn(&child.pid, spec.file.c_str(), &actions.value, &attributes.value,
                            argv.data(), environment.data());
    }
    if (error != 0) {
        return system_error("cannot start " + spec.file, error);
    }
    registered.pids.push_back(child.pid);
    // The child has not been reaped, so its number is still its own.
    child.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
    if (!child.pidfd) {
        const int reason = errno;
        ::kill(child.pid, SIGKILL);
        waitpid(child.pid, nullptr, 0);
        std::erase(registered.pids, child.pid);
        return system_error("cannot watch " + spec.file, reason);
    }
    return child;
}

bool reap(const ChildProcess& child, int* wait_status) {
    const pid_t reaped = waitpid(child.pid, wait_status, WNOHANG);
    if (reaped == 0 || (reaped < 0 && errno == EINTR)) {
        return false;
    }
    auto& registered = children();
    const std::lock_guard lock(registered.mutex);
    std::erase(registered.pids, child.pid);
    return true;
}

Result<std::vector<pid_t>> inherited_children() {
    const char* const failure = "cannot list the children of this process";
    std::vector<pid_t> found;
    auto& registered = children();
    const std::lock_guard lock(registered.mutex);
    const std::unique_ptr<DIR, int (*)(DIR*)> tasks(opendir("/proc/self/task"), closedir);
    if (!tasks) {
        return system_error(failure);
    }
    for (;;) {
        errno = 0;
        const dirent* const entry = readdir(tasks.get());
        if (entry == nullptr) {
            break;
        }
        if (entry->d_name[0] == '.') {
            continue;
        }
        const std::string path = std::string("/proc/self/task/") + entry->d_name + "/children";
        const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "re"),
                                                         std::fclose);
        if (!file && errno != ENOENT) {  // ENOENT: the thread has ended.
            return system_error(failure);
        }
        int pid = 0;
        while (file && std::fscanf(file.get(), "%d", &pid) == 1) {
            if (std::find(registered.pids.begin(), registered.pids.end(), pid) ==
                registered.pids.end()) {
                found.push_back(pid);
            }
        }
        if (file && std::ferror(file.get()) != 0 && errno != ESRCH) {
            return system_error(failure);
        }
    }
    if (errno != 0) {
        return system_error(failure);
    }
    return found;
}

Status become_subreaper() {
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return system_error("cannot become the subreaper of the app's processes");
    }
    return Nothing{};
}

}  // namespace steward::core
