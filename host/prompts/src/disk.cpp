#include "disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <memory>
#include <thread>
#include <utility>

#include "prompt_file.hpp"

namespace steward::prompts {
namespace {

// A file may change twice within one tick of the file system's clock.
constexpr std::int64_t kSettledNs = 50'000'000;

std::int64_t nanoseconds(const timespec& time) noexcept {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

struct CloseDir {
    void operator()(DIR* folder) const noexcept { closedir(folder); }
};

}  // namespace

std::error_code last_error() noexcept {
    return {errno, std::generic_category()};
}

std::string reason_of(const std::error_code& error) {
    std::string text = error.message();
    if (!text.empty() && text.front() >= 'A' && text.front() <= 'Z') {
        text.front() = static_cast<char>(text.front() + 0x20);
    }
    return text;
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        if (is_open()) {
            close(fd_);
        }
        fd_ = other.release();
    }
    return *this;
}

FileDescriptor::~FileDescriptor() {
    if (is_open()) {
        close(fd_);
    }
}

int FileDescriptor::release() noexcept {
    return std::exchange(fd_, -1);
}

std::int64_t clock_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

bool Signature::is_settled(std::int64_t now_ns) const noexcept {
    const std::int64_t age = now_ns - ctime_ns;
    return age > kSettledNs || age < -kSettledNs;
}

Signature signature_of(const struct stat& status) noexcept {
    return {nanoseconds(status.st_mtim), nanoseconds(status.st_ctim), status.st_size, status.st_ino,
            status.st_dev};
}

DiskResult<FileStatus> status_of(const std::string& path) {
    struct stat status {};
    FileStatus result;
    if (lstat(path.c_str(), &status) != 0) {
        return last_error();
    }
    result.is_link = S_ISLNK(status.st_mode);
    if (result.is_link && stat(path.c_str(), &status) != 0) {
        return last_error();
    }
    result.signature = signature_of(status);
    return result;
}

DiskResult<Signature> folder_signature(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
        return last_error();
    }
    if (!S_ISDIR(status.st_mode)) {
        return std::make_error_code(std::errc::not_a_directory);
    }
    return signature_of(status);
}

bool exists(const std::string& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0;
}

DiskResult<FileData> read_file(const std::string& path, std::size_t max_bytes) {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!file.is_open()) {
        return last_error();
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) {
        return last_error();
    }
    if (!S_ISREG(status.st_mode)) {
        return std::make_error_code(std::errc::invalid_argument);
    }
    FileData result{{}, signature_of(status)};
    const std::size_t limit = max_bytes + 1;
    std::size_t size = 0;
    result.data.resize(std::min(limit, static_cast<std::size_t>(status.st_size) + 1));
    for (;;) {
        const ssize_t got = read(file.get(), result.data.data() + size, result.data.size() - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return last_error();
        }
        size += static_cast<std::size_t>(got);
        // What is appended from here on shows in the signature.
        if (got == 0 || size == limit || size == static_cast<std::size_t>(status.st_size)) {
            break;
        }
        if (size == result.data.size()) {  // it grows while it is read
            result.data.resize(std::min(limit, 2 * size));
        }
    }
    result.data.resize(size);
    return result;
}

DiskResult<std::vector<std::string>> names_in(const std::string& folder) {
    const std::unique_ptr<DIR, CloseDir> entries(opendir(folder.c_str()));
    if (entries == nullptr) {
        return last_error();
    }
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* entry = readdir(entries.get());  // NOLINT(concurrency-mt-unsafe): own stream
        if (entry == nullptr) {
            break;
        }
        const std::string_view name = static_cast<const char*>(entry->d_name);
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        return last_error();
    }
    return names;
}

DiskResult<std::vector<std::string>> categories_in(const std::string& root) {
    auto names = names_in(root);
    if (!names) {
        return names;
    }
    std::erase_if(*names, [&root](const std::string& name) {
        return !is_category(name) || !folder_signature(root + "/" + name);
    });
    std::sort(names->begin(), names->end());
    return names;
}

std::error_code make_folder(const std::string& path) {
    if (mkdir(path.c_str(), 0777) == 0) {
        return {};
    }
    const std::error_code error = last_error();
    return error == std::errc::file_exists && folder_signature(path) ? std::error_code() : error;
}

std::error_code make_folders(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        if (const auto error = make_folder(path.substr(0, at))) {
            return error;
        }
    }
    return make_folder(path);
}

std::error_code sync_folder(const std::string& path) {
    const FileDescriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.is_open() && (fsync(folder.get()) == 0 || errno == EINVAL)) {
        return {};  // EINVAL: this file system knows no such thing
    }
    return last_error();
}

bool is_remote(const std::string& path) {
    // NFS, SMB in three forms, FUSE (virtiofs, sshfs), 9p, Ceph, AFS, VirtualBox.
    constexpr std::array<std::uint32_t, 9> kRemote{0x6969,     0x517B,     0xFF534D42,
                                                   0xFE534D42, 0x65735546, 0x01021997,
                                                   0x00C36400, 0x5346414F, 0x786F4256};
    struct statfs status {};
    return statfs(path.c_str(), &status) == 0 &&
           std::find(kRemote.begin(), kRemote.end(), static_cast<std::uint32_t>(status.f_type)) !=
               kRemote.end();
}

DiskResult<std::optional<FolderLock>> FolderLock::take(const std::string& path,
                                                       std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file.is_open()) {
        return last_error();
    }
    // There is no flock with a timeout; a try costs a microsecond.
    for (auto wait = std::chrono::milliseconds(2);;
         wait = std::min(2 * wait, std::chrono::milliseconds(50))) {
        if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
            return std::optional<FolderLock>(FolderLock(std::move(file)));
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return last_error();
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            return std::optional<FolderLock>();
        }
        std::this_thread::sleep_for(wait);
    }
}

FolderLock::~FolderLock() {
    if (fd_.is_open()) {
        // A child between fork and exec holds the descriptor too, so closing it may not be enough.
        flock(fd_.get(), LOCK_UN);
    }
}

}  // namespace steward::prompts
