// What the store asks of the file system. No function waits for another program, but for
// FolderLock::take.
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "steward/prompts/result.hpp"

namespace steward::prompts {

template <class T>
using DiskResult = Result<T, std::error_code>;

[[nodiscard]] std::error_code last_error() noexcept;
// In lower case, as messages have it.
[[nodiscard]] std::string reason_of(const std::error_code& error);

class FileDescriptor {
  public:
    explicit FileDescriptor(int fd = -1) noexcept : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor();

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept;

  private:
    int fd_;
};

// Two of one file differ if it has been changed or replaced in between, within the resolution of
// the file system's clock.
struct Signature {
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    std::int64_t size = 0;
    std::uint64_t inode = 0;
    std::uint64_t device = 0;
    bool operator==(const Signature&) const = default;

    // Whether both are of one file or folder, changed or not.
    [[nodiscard]] bool is_same_place(const Signature& other) const noexcept {
        return inode == other.inode && device == other.device;
    }
    // Whether a change after `now_ns` is sure to give another signature.
    [[nodiscard]] bool is_settled(std::int64_t now_ns) const noexcept;
};
[[nodiscard]] std::int64_t clock_ns() noexcept;  // the clock of files
[[nodiscard]] Signature signature_of(const struct stat& status) noexcept;

struct FileStatus {
    Signature signature;
    bool is_link = false;  // the name itself; the signature is of what it leads to
};
DiskResult<FileStatus> status_of(const std::string& path);
DiskResult<Signature> folder_signature(const std::string& path);  // ENOTDIR for what is none
[[nodiscard]] bool exists(const std::string& path);

struct FileData {
    std::string data;
    Signature signature;
};
// At most one byte more than `max_bytes` of a regular file; whatever else lies there is an error.
DiskResult<FileData> read_file(const std::string& path, std::size_t max_bytes);

// The names in a folder without "." and "..", in no order.
DiskResult<std::vector<std::string>> names_in(const std::string& folder);
// The names of all categories, in byte order.
DiskResult<std::vector<std::string>> categories_in(const std::string& root);

std::error_code make_folders(const std::string& path);
std::error_code make_folder(const std::string& path);
std::error_code sync_folder(const std::string& path);
// Whether the file system tells inotify of every change: not one that other machines write to.
[[nodiscard]] bool is_remote(const std::string& path);

// The exclusive lock of the data folder.
class FolderLock {
  public:
    // Waits for another holder up to the timeout; nothing when it still has the lock then.
    static DiskResult<std::optional<FolderLock>> take(const std::string& path,
                                                      std::chrono::milliseconds timeout);
    FolderLock(FolderLock&&) noexcept = default;
    FolderLock& operator=(FolderLock&&) noexcept = default;
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;
    ~FolderLock();

  private:
    explicit FolderLock(FileDescriptor fd) noexcept : fd_(std::move(fd)) {}
    FileDescriptor fd_;
};

}  // namespace steward::prompts
