#include "proc_picture.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "scratch.hpp"

namespace steward::compliance {

namespace fs = std::filesystem;

namespace {

std::string page_kib(std::uint64_t pages) {
    return std::to_string(pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 1024) + " kB";
}

// proc(5), all 52 fields.
std::string stat_text(const PictureProcess& process) {
    const auto field = [](auto value) { return std::to_string(value) + " "; };
    const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    std::string text = field(process.pid) + "(" + process.name + ") " + process.state + " " +
                       field(process.parent) + field(process.pid) + field(process.pid) +
                       "0 -1 4194560 120 0 0 0 " + field(process.user) + field(process.system) +
                       field(process.children_user) + "0 " + field(20 + process.nice) +
                       field(process.nice) + field(process.threads) + "0 " + field(process.start) +
                       field(process.pages * page * 2) + field(process.pages);
    text += "18446744073709551615 ";
    for (int i = 0; i < 12; ++i) {
        text += "0 ";
    }
    return text + "17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
}

std::string status_text(const PictureProcess& process) {
    std::string name;
    for (const char c : process.name) {
        name += c == '\n'   ? std::string("\\n")
                : c == '\\' ? std::string("\\\\")
                            : std::string(1, c);
    }
    const std::string pid = std::to_string(process.pid);
    std::string text = "Name:\t" + name + "\nState:\t" + process.state + " (state)\nTgid:\t" + pid +
                       "\nPid:\t" + pid + "\nPPid:\t" + std::to_string(process.parent) +
                       "\nFDSize:\t64\n";
    if (process.state != 'Z') {
        text += "VmSize:\t" + page_kib(process.pages * 2) + "\nVmRSS:\t" + page_kib(process.pages) +
                "\nRssAnon:\t" + page_kib(process.pages) + "\nRssFile:\t0 kB\nRssShmem:\t0 kB\n";
    }
    return text + "Threads:\t" + std::to_string(process.threads) + "\n";
}

}  // namespace

std::string temporary_folder() {
    std::error_code error;
    const std::string folder = fs::temp_directory_path(error).string();
    return error || access(folder.c_str(), W_OK | X_OK) != 0 ? "/tmp" : folder;
}

std::string scratch_folder(pid_t pid) {
    const char* const memory = "/dev/shm";
    const std::string base =
        access(memory, W_OK | X_OK) == 0 ? std::string(memory) : temporary_folder();
    return base + "/steward-compliance-" + std::to_string(pid);
}

ProcPicture::ProcPicture() : root_(scratch_folder(getpid())) {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
    if (mkdir(root_.c_str(), 0700) != 0) {
        throw std::runtime_error("cannot make the folder " + root_ + ": " + std::strerror(errno));
    }
}

ProcPicture::~ProcPicture() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
}

std::string ProcPicture::path(int pid, const std::string& file) const {
    return root_ + "/" + std::to_string(pid) + (file.empty() ? "" : "/" + file);
}

void ProcPicture::write(const std::string& path, const std::string& text) const {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) {
        throw std::runtime_error("cannot write " + path);
    }
}

std::string ProcPicture::read(const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void ProcPicture::put(const PictureProcess& process) const {
    remove(process.pid);
    const bool zombie = process.state == 'Z';
    fs::create_directories(path(process.pid, "fd"));
    write(path(process.pid, "stat"), stat_text(process));
    write(path(process.pid, "status"), status_text(process));
    const std::string pages = std::to_string(process.pages);
    write(path(process.pid, "statm"),
          std::to_string(process.pages * 2) + " " + pages + " 5 1 0 " + pages + " 0\n");
    write(path(process.pid, "comm"), process.name + "\n");
    write(path(process.pid, "cmdline"), zombie ? std::string() : process.name + '\0');
    for (int fd = 0; fd < process.descriptors; ++fd) {
        fs::create_symlink("/dev/null", path(process.pid, "fd/" + std::to_string(fd)));
    }
    for (int thread = 0; thread < process.threads; ++thread) {
        const std::string task =
            path(process.pid, "task/" + std::to_string(process.pid + thread * 10'000));
        fs::create_directories(task);
        std::string children;
        if (static_cast<std::size_t>(thread) < process.children.size()) {
            for (const int child : process.children[static_cast<std::size_t>(thread)]) {
                children += std::to_string(child) + " ";
            }
        }
        write(task + "/children", children);
    }
}

void ProcPicture::put_likes(int model, int first_pid, int count) const {
    const std::string target = std::to_string(model);
    for (int pid = first_pid; pid < first_pid + count; ++pid) {
        if (symlink(target.c_str(), path(pid).c_str()) != 0) {
            throw std::runtime_error("cannot make " + path(pid) + ": " + std::strerror(errno));
        }
    }
}

void ProcPicture::set_uptime(double seconds) const {
    char text[64];
    (void)std::snprintf(text, sizeof text, "%.2f %.2f\n", seconds, seconds);
    write(root_ + "/uptime", text);
}

void ProcPicture::remove(int pid) const {
    fs::remove_all(path(pid));
}

void ProcPicture::clear() const {
    for (const auto& entry : fs::directory_iterator(root_)) {
        fs::remove_all(entry.path());
    }
}

}  // namespace steward::compliance
