#include "tree_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <steward/sdk/guard.hpp>
#include <unordered_set>
#include <utility>

namespace steward::metrics_proc {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

// Does this errno say that the thing has gone? Otherwise it may not be seen, or we lack something.
bool is_gone(int error) {
    return error == ENOENT || error == ESRCH || error == ENOTDIR;
}
bool is_denied(int error) {
    return error == EACCES || error == EPERM;
}

// Returns if `error` means that there is nothing to be had from the file; throws if the fault is
// ours.
void check_missing(const char* what, std::int32_t pid, int error) {
    if (is_gone(error) || is_denied(error)) {
        return;
    }
    const char* text = strerrordesc_np(error);
    throw sdk::Failure(error == ENOMEM ? STEWARD_E_NOMEM : STEWARD_E_IO,
                       std::string("cannot read ") + what + " of process " + std::to_string(pid) +
                           ": " + (text != nullptr ? text : "unknown error"),
                       error);
}

// Reads at most `limit` bytes of a file into `text`; false, with errno, if it cannot be read.
bool read_file(int folder, const char* name, std::size_t limit, std::string& text) {
    const Descriptor file(::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) {
        return false;
    }
    text.clear();
    std::array<char, 4096> buffer;
    while (text.size() < limit) {
        const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return false;
        }
        if (count == 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return true;
}

Dir open_dir(int folder, const char* name) {
    Descriptor fd(::openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
    if (fd.get() < 0) {
        return nullptr;
    }
    Dir dir(::fdopendir(fd.get()));
    if (dir != nullptr) {
        (void)fd.release();
    }
    return dir;
}

const dirent* next_entry(const Dir& dir) {
    const dirent* entry = ::readdir(dir.get());
    while (entry != nullptr && entry->d_name[0] == '.') {
        entry = ::readdir(dir.get());
    }
    return entry;
}

class Walker {
  public:
    Walker(const std::string& proc_root, std::int32_t root_pid, const std::function<bool()>& late)
        : proc_root_(proc_root), late_(late), seen_{root_pid}, waiting_{root_pid} {}

    Tree run() {
        for (std::size_t next = 0; next < waiting_.size(); ++next) {
            if (late_()) {
                tree_.late = true;
                break;
            }
            visit(waiting_[next], /*is_root=*/next == 0);
        }
        return std::move(tree_);
    }

  private:
    // Far above any stat line; the kernel's children file is one line however many there are.
    static constexpr std::size_t kStatLimit = 8192;
    static constexpr std::size_t kChildrenLimit = kMaxProcesses * 8;

    void visit(std::int32_t pid, bool is_root) {
        const std::string path = proc_root_ + "/" + std::to_string(pid);
        const Descriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (folder.get() < 0) {
            check_missing("the folder", pid, errno);
            return;
        }
        if (!is_root && !measure(folder.get(), pid)) {
            return;
        }
        find_children(folder.get(), pid);
    }

    // False if the process has gone.
    bool measure(int folder, std::int32_t pid) {
        if (!read_file(folder, "stat", kStatLimit, text_)) {
            check_missing("stat", pid, errno);
            return false;
        }
        const auto stat = parse_stat(text_);
        if (!stat) {
            return false;
        }
        Process process{pid, *stat, 0, std::nullopt};
        if (!process.is_zombie() && !measure_living(folder, process)) {
            return false;
        }
        tree_.processes.push_back(process);
        return true;
    }

    bool measure_living(int folder, Process& process) {
        if (!read_file(folder, "statm", kStatLimit, text_)) {
            check_missing("statm", process.pid, errno);
            return false;
        }
        const auto pages = parse_resident_pages(text_);
        if (!pages) {
            return false;
        }
        process.resident_pages = *pages;
        const Dir descriptors = open_dir(folder, "fd");
        if (descriptors == nullptr) {
            const int error = errno;
            check_missing("fd", process.pid, error);
            return is_denied(error);
        }
        std::uint64_t count = 0;
        while (next_entry(descriptors) != nullptr) {
            ++count;
        }
        process.descriptors = count;
        return true;
    }

    void find_children(int folder, std::int32_t pid) {
        const Dir tasks = open_dir(folder, "task");
        if (tasks == nullptr) {
            check_missing("task", pid, errno);
            return;
        }
        std::vector<std::int32_t> children;
        while (const dirent* task = next_entry(tasks)) {
            const std::string name = std::string(task->d_name) + "/children";
            if (read_file(::dirfd(tasks.get()), name.c_str(), kChildrenLimit, text_)) {
                parse_children(text_, children);
            } else {
                check_missing("children", pid, errno);
            }
        }
        for (const std::int32_t child : children) {
            if (waiting_.size() > kMaxProcesses) {
                tree_.too_many = true;
                return;
            }
            if (seen_.insert(child).second) {
                waiting_.push_back(child);
            }
        }
    }

    const std::string& proc_root_;
    const std::function<bool()>& late_;
    std::unordered_set<std::int32_t> seen_;
    std::vector<std::int32_t> waiting_;
    std::string text_;
    Tree tree_;
};

}  // namespace

Tree walk_tree(const std::string& proc_root, std::int32_t root_pid,
               const std::function<bool()>& late) {
    return Walker(proc_root, root_pid, late).run();
}

std::optional<double> read_uptime(const std::string& proc_root) {
    std::string text;
    const Descriptor folder(::open(proc_root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || !read_file(folder.get(), "uptime", 256, text)) {
        return std::nullopt;
    }
    return parse_uptime(text);
}

}  // namespace steward::metrics_proc
