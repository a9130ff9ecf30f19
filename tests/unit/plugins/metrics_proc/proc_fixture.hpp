// A picture of /proc in a temporary folder, made process by process.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace steward::tests {

struct FixtureProcess {
    int pid = 0;
    int parent = 0;
    std::vector<int> children{};
    std::string name = "app";
    char state = 'S';
    std::uint64_t user = 0;
    std::uint64_t system = 0;
    std::uint64_t children_user = 0;
    std::uint64_t threads = 1;
    std::uint64_t start = 100;
    std::uint64_t pages = 10;
    int descriptors = 3;
};

class ProcFixture {
  public:
    ProcFixture() {
        std::string pattern = std::filesystem::temp_directory_path() / "steward-proc-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) {
            throw std::runtime_error("no temporary folder");
        }
        root_ = pattern;
        chmod(root_.c_str(), 0755);
    }
    ~ProcFixture() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    ProcFixture(const ProcFixture&) = delete;
    ProcFixture& operator=(const ProcFixture&) = delete;

    [[nodiscard]] std::string root() const { return root_; }
    [[nodiscard]] std::filesystem::path folder(int pid) const {
        return root_ / std::to_string(pid);
    }

    static void write(const std::filesystem::path& path, const std::string& text) {
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text;
    }

    // Writes all the files of a process, or writes them anew.
    void put(const FixtureProcess& process) const {
        const auto dir = folder(process.pid);
        remove(process.pid);
        write(dir / "stat", stat(process));
        write(dir / "statm", "1000 " + std::to_string(process.pages) + " 5 1 0 9 0\n");
        std::filesystem::create_directories(dir / "fd");
        for (int fd = 0; fd < process.descriptors; ++fd) {
            write(dir / "fd" / std::to_string(fd), "");
        }
        std::string children;
        for (const int child : process.children) {
            children += std::to_string(child) + " ";
        }
        write(dir / "task" / std::to_string(process.pid) / "children", children);
    }
    void remove(int pid) const { std::filesystem::remove_all(folder(pid)); }

    [[nodiscard]] static std::string stat(const FixtureProcess& process) {
        const auto text = [](std::uint64_t value) { return std::to_string(value) + " "; };
        return std::to_string(process.pid) + " (" + process.name + ") " + process.state + " " +
               std::to_string(process.parent) + " 1 1 0 -1 4194304 0 0 0 0 " + text(process.user) +
               text(process.system) + text(process.children_user) + "0 20 0 " +
               text(process.threads) + "0 " + text(process.start) + "0 0 0\n";
    }

  private:
    std::filesystem::path root_;
};

}  // namespace steward::tests
