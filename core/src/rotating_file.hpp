// RotatingFile: a file that only grows, up to a size, and its predecessors NAME.1, NAME.2 …
//
// Nothing is ever truncated: the new file is opened before the old one is renamed, so a failure on
// the way leaves the old one in use. The folder and its parents are made when they are missing,
// 0700; files are 0600.
//
// Thread: one at a time; may wait for the disk. A file that is no file (a pipe, a device) is
// written without waiting.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "steward/core/result.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::core {

class RotatingFile {
  public:
    RotatingFile(std::string folder, std::string name, std::uint64_t max_bytes, unsigned files);

    // Where to write from now on. Before the first write.
    void set_folder(std::string folder) { folder_ = std::move(folder); }

    // Appends; returns how many bytes of it were written. Failure: none. sys_errno is EAGAIN when
    // the file only is not ready.
    Result<std::size_t> write(std::string_view bytes);
    // How much more fits before rotate() is due. Zero also when nothing is open yet and the file is
    // full.
    Result<std::uint64_t> room();
    // Begins a new file. Failure: the old one goes on.
    Status rotate();
    // With the one that is written.
    unsigned files() const { return files_; }
    // Nothing has been written to the current file.
    bool is_empty() const { return size_ == 0; }
    std::string path() const { return folder_ + "/" + name_; }

  private:
    Status open();

    std::string folder_;
    const std::string name_;
    const std::uint64_t max_bytes_;
    const unsigned files_;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
    bool regular_ = true;
};

}  // namespace steward::core
