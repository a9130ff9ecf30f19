// ProcPicture: a folder that looks like /proc, with the processes that a check wants to show.
//
// Its files agree with each other: what stat says, statm, status, fd and task say too, so that it
// does not matter which of them a plugin reads. Thread: any, one at a time.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace steward::compliance {

struct PictureProcess {
    int pid = 0;
    int parent = 0;
    // By thread: those that the first has started, the second …
    std::vector<std::vector<int>> children{};
    std::string name = "app";
    char state = 'S';
    std::uint64_t user = 0;  // in ticks
    std::uint64_t system = 0;
    std::uint64_t children_user = 0;
    int nice = 0;
    int threads = 1;
    std::uint64_t start = 1000;  // in ticks since boot
    std::uint64_t pages = 0;
    int descriptors = 0;
};

class ProcPicture {
  public:
    // The one picture of this process. Throws std::runtime_error.
    ProcPicture();
    // Removes the folder.
    ~ProcPicture();
    ProcPicture(const ProcPicture&) = delete;
    ProcPicture& operator=(const ProcPicture&) = delete;

    [[nodiscard]] const std::string& root() const noexcept { return root_; }
    [[nodiscard]] std::string path(int pid, const std::string& file = {}) const;

    // The files of a process, in place of those that it had.
    void put(const PictureProcess& process) const;
    // `count` more processes in one step, all with the files of `model`: its pid is what their stat
    // says too.
    void put_likes(int model, int first_pid, int count) const;
    void write(const std::string& path, const std::string& text) const;
    [[nodiscard]] std::string read(const std::string& path) const;
    void set_uptime(double seconds) const;
    void remove(int pid) const;
    // All processes.
    void clear() const;

  private:
    std::string root_;
};

}  // namespace steward::compliance
