#include "paths.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "steward/core/unique_fd.hpp"
#include "version.hpp"

namespace steward::host {
namespace {

namespace fs = std::filesystem;

// A file in such a system is never a file that was created there.
bool is_pseudo(const std::string& folder) {
    struct statfs info {};
    if (statfs(folder.c_str(), &info) != 0) {
        return false;
    }
    return info.f_type == PROC_SUPER_MAGIC || info.f_type == SYSFS_MAGIC ||
           info.f_type == CGROUP_SUPER_MAGIC || info.f_type == CGROUP2_SUPER_MAGIC;
}

std::string try_folder(const std::string& folder) {
    if (is_pseudo(folder)) {
        return "no files can be made there";
    }
    const core::UniqueFd probe(open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (probe) {
        return {};
    }
    const int reason = errno;
    const bool unsupported =
        reason == EOPNOTSUPP || reason == EISDIR || reason == EINVAL || reason == ENOENT;
    if (!unsupported) {
        return std::strerror(reason);
    }
    return access(folder.c_str(), W_OK | X_OK) == 0 ? std::string()
                                                    : std::string(std::strerror(errno));
}

}  // namespace

Paths find_paths() {
    Paths paths;
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    const fs::path bin = program.parent_path();
    paths.program = program.string();
    paths.guardian = (bin / "app-guardian").string();
    paths.prober = (bin / "steward-plugin-probe").string();
    paths.plugins = (bin / "plugins").string();
    if (!fs::is_directory(paths.plugins, error)) {
        paths.plugins = (bin.parent_path() / "lib/steward/plugins").string();
    }
    paths.app = (bin.parent_path() / "share/steward/flask_app/app.py").string();
    paths.templates = (bin.parent_path() / "share/steward/template").string();
    return paths;
}

std::string plugin_cache_file() {
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    const std::string base =
        cache != nullptr && cache[0] == '/' ? std::string(cache) : home_folder() + "/.cache";
    return base + "/steward/plugins.json";
}

std::string choose_python(const Options& options) {
    if (!options.python.empty()) {
        return options.python;
    }
    const std::string built(kBuildPython);
    return !built.empty() && access(built.c_str(), X_OK) == 0 ? built : "python3";
}

std::string why_not_writable(const std::string& folder) {
    fs::path at(folder);
    struct stat info {};
    while (stat(at.c_str(), &info) != 0) {
        if (errno != ENOENT || at == at.parent_path()) {
            return std::strerror(errno);
        }
        at = at.parent_path();
    }
    if (!S_ISDIR(info.st_mode)) {
        return at == fs::path(folder) ? "it is no folder" : at.string() + " is no folder";
    }
    return try_folder(at.string());
}

}  // namespace steward::host
