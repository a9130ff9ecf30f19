#include "rotating_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <utility>

namespace steward::core {
namespace {

constexpr int kFlags =
    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;

// With its parents; what is there already is fine. Errors show when the file is opened.
void make_folder(const std::string& path) {
    for (std::size_t end = path.find('/', 1); end != std::string::npos;
         end = path.find('/', end + 1)) {
        mkdir(path.substr(0, end).c_str(), kFolderMode);
    }
    mkdir(path.c_str(), kFolderMode);
}

}  // namespace

RotatingFile::RotatingFile(std::string folder, std::string name, std::uint64_t max_bytes,
                           unsigned files)
    : folder_(std::move(folder)), name_(std::move(name)), max_bytes_(max_bytes), files_(files) {}

Status RotatingFile::open() {
    if (fd_) {
        return Nothing{};
    }
    make_folder(folder_);
    UniqueFd fd(::open(path().c_str(), kFlags, kFileMode));
    struct stat info {};
    if (!fd || fstat(fd.get(), &info) != 0) {
        return system_error(path() + " cannot be opened");
    }
    regular_ = S_ISREG(info.st_mode);
    size_ = regular_ ? static_cast<std::uint64_t>(info.st_size) : 0;
    fd_ = std::move(fd);
    return Nothing{};
}

Result<std::uint64_t> RotatingFile::room() {
    if (auto opened = open(); !opened) {
        return opened.error();
    }
    if (!regular_) {
        return std::numeric_limits<std::uint64_t>::max();
    }
    return size_ < max_bytes_ ? max_bytes_ - size_ : 0;
}

Result<std::size_t> RotatingFile::write(std::string_view bytes) {
    if (auto opened = open(); !opened) {
        return opened.error();
    }
    ssize_t written = 0;
    do {
        written = ::write(fd_.get(), bytes.data(), bytes.size());
    } while (written < 0 && errno == EINTR);
    if (written < 0) {
        const auto error = system_error(path() + " cannot be written");
        // A file system that went away and came back wants the file opened again.
        if (error.sys_errno == EIO || error.sys_errno == ESTALE) {
            fd_.reset();
        }
        return error;
    }
    size_ += static_cast<std::uint64_t>(written);
    return static_cast<std::size_t>(written);
}

Status RotatingFile::rotate() {
    make_folder(folder_);
    const std::string next = path() + ".new";
    // A leftover of an attempt that failed is empty or nobody's.
    unlink(next.c_str());
    UniqueFd fd(::open(next.c_str(), kFlags | O_EXCL, kFileMode));
    if (!fd) {
        return system_error(next + " cannot be made");
    }
    // Not left to rename(): who replaces a file has ext4 write out the one that comes, at once.
    if (files_ > 1) {
        unlink((path() + "." + std::to_string(files_ - 1)).c_str());
    }
    for (unsigned i = files_ - 1; files_ > 1 && i >= 1; --i) {
        const std::string from = i == 1 ? path() : path() + "." + std::to_string(i - 1);
        const std::string to = path() + "." + std::to_string(i);
        if (std::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
            const Error error = system_error(from + " cannot be renamed");
            unlink(next.c_str());
            return error;
        }
    }
    if (std::rename(next.c_str(), path().c_str()) != 0) {
        return system_error(next + " cannot be renamed");
    }
    fd_ = std::move(fd);
    size_ = 0;
    regular_ = true;
    return Nothing{};
}

}  // namespace steward::core
