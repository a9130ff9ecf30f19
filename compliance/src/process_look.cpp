#include "process_look.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <chrono>
#include <climits>
#include <clocale>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace steward::compliance {
namespace {

struct CloseDir {
    void operator()(DIR* folder) const noexcept { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseDir>;

std::vector<int> numbers_in(const char* path, int* own_fd = nullptr) {
    std::vector<int> found;
    const Folder folder(opendir(path));
    if (!folder) {
        return found;
    }
    if (own_fd != nullptr) {
        *own_fd = dirfd(folder.get());
    }
    while (const dirent* const entry = readdir(folder.get())) {
        char* end = nullptr;
        const long number = std::strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0') {
            found.push_back(static_cast<int>(number));
        }
    }
    return found;
}

std::string link_text(const std::string& path) {
    char text[PATH_MAX];
    const ssize_t length = readlink(path.c_str(), text, sizeof text);
    return length < 0 ? std::string() : std::string(text, static_cast<std::size_t>(length));
}

std::string disposition(int number) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) != 0) {
        return {};
    }
    if ((action.sa_flags & SA_SIGINFO) != 0 ||
        (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)) {
        std::ostringstream out;
        out << "a handler";
        return out.str();
    }
    return action.sa_handler == SIG_DFL ? "default" : "ignored";
}

std::string mask_text() {
    sigset_t mask;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    std::string blocked;
    for (int number = 1; number <= SIGRTMAX; ++number) {
        if (sigismember(&mask, number) == 1) {
            blocked += (blocked.empty() ? "" : " ") + std::to_string(number);
        }
    }
    return blocked;
}

std::string umask_text() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("Umask:", 0) == 0) {
            return line.substr(line.find_first_not_of(" \t", 6));
        }
    }
    return {};
}

}  // namespace

std::string next_to_program(const std::string& name) {
    const std::string path = link_text("/proc/self/exe");
    return path.substr(0, path.rfind('/') + 1) + name;
}

std::map<int, std::string> open_descriptors() {
    std::map<int, std::string> found;
    int own = -1;
    for (const int fd : numbers_in("/proc/self/fd", &own)) {
        if (fd != own) {
            found[fd] = link_text("/proc/self/fd/" + std::to_string(fd));
        }
    }
    return found;
}

std::set<int> threads() {
    const auto found = numbers_in("/proc/self/task");
    return {found.begin(), found.end()};
}

bool has_only_threads(const std::set<int>& wanted) {
    constexpr int kTries = 1000;
    for (int i = 0; i < kTries; ++i) {
        if (threads() == wanted) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}

std::vector<int> children() {
    std::vector<int> found;
    for (const int thread : threads()) {
        std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/children");
        for (int pid = 0; file >> pid;) {
            found.push_back(pid);
        }
    }
    return found;
}

std::chrono::nanoseconds thread_cpu_time() {
    timespec now{};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::size_t resident_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("RssAnon:", 0) == 0) {
            return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
        }
    }
    return 0;
}

bool is_mapped(const std::string& path) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.size() >= path.size() &&
            line.compare(line.size() - path.size(), path.size(), path) == 0) {
            return true;
        }
    }
    return false;
}

std::map<std::string, std::string> process_state() {
    std::map<std::string, std::string> state;
    for (int number = 1; number < SIGRTMIN; ++number) {
        state["signal " + std::to_string(number)] = disposition(number);
    }
    state["blocked signals"] = mask_text();
    state["working directory"] = link_text("/proc/self/cwd");
    state["umask"] = umask_text();
    const char* const locale = std::setlocale(LC_ALL, nullptr);
    state["locale"] = locale == nullptr ? "" : locale;
    state["rounding mode"] = std::to_string(std::fegetround());
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        const std::string text(*variable);
        const auto equals = text.find('=');
        state["environment " + text.substr(0, equals)] =
            equals == std::string::npos ? "" : text.substr(equals + 1);
    }
    for (int resource = 0; resource < RLIMIT_NLIMITS; ++resource) {
        struct rlimit limit {};
        if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0) {
            state["resource limit " + std::to_string(resource)] =
                std::to_string(limit.rlim_cur) + " of " + std::to_string(limit.rlim_max);
        }
    }
    for (const int fd : {0, 1, 2}) {
        state["descriptor " + std::to_string(fd)] =
            link_text("/proc/self/fd/" + std::to_string(fd));
    }
    std::string pids;
    for (const int pid : children()) {
        pids += (pids.empty() ? "" : " ") + std::to_string(pid);
    }
    state["children"] = pids;
    return state;
}

std::string difference(const std::map<std::string, std::string>& before,
                       const std::map<std::string, std::string>& after) {
    std::string text;
    const auto add = [&text](const std::string& name, const std::string& was,
                             const std::string& is) {
        text +=
            (text.empty() ? "" : "; ") + name + ": \"" + was + "\" before, \"" + is + "\" after";
    };
    for (const auto& [name, was] : before) {
        const auto found = after.find(name);
        if (found == after.end() || found->second != was) {
            add(name, was, found == after.end() ? "" : found->second);
        }
    }
    for (const auto& [name, is] : after) {
        if (before.count(name) == 0) {
            add(name, "", is);
        }
    }
    return text;
}

std::string opened_since(const std::map<int, std::string>& before) {
    constexpr int kMostNamed = 8;
    std::string text;
    int opened = 0;
    for (const auto& [fd, what] : open_descriptors()) {
        const auto found = before.find(fd);
        if ((found == before.end() || found->second != what) && ++opened <= kMostNamed) {
            text += (text.empty() ? "" : ", ") + std::to_string(fd) + " (" + what + ")";
        }
    }
    if (opened > kMostNamed) {
        text += " and " + std::to_string(opened - kMostNamed) + " more";
    }
    return text;
}

}  // namespace steward::compliance
