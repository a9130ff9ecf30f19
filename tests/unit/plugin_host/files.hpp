// Folders and plugin files of a test's own.
#pragma once
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "steward/core/plugin_catalogue.hpp"

namespace steward::test {

namespace fs = std::filesystem;

inline const std::string kOwnFolder = STEWARD_BUILD_DIR "/bin/plugins";
inline const std::string kBadFolder = STEWARD_BUILD_DIR "/tests/bad_plugins";
inline const std::string kTestFolder = STEWARD_BUILD_DIR "/tests/plugins";
inline const std::string kProber = STEWARD_BUILD_DIR "/bin/steward-plugin-probe";

inline std::string file_of(const std::string& folder, const std::string& id) {
    return folder + "/steward_" + id + ".so";
}

// Removed with everything in it.
class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "plugin-host-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("mkdtemp failed");
        }
        path_ = fs::canonical(name).string();
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + '/' + name; }

    // A copy of a plugin file under its own name, with sane rights whatever the umask was.
    std::string add(const std::string& folder, const std::string& id) const {
        const std::string copy = file_of(path_, id);
        fs::copy_file(file_of(folder, id), copy, fs::copy_options::overwrite_existing);
        fs::permissions(copy, fs::perms(0755));
        return copy;
    }

  private:
    std::string path_;
};

inline core::PluginPlaces places(std::vector<std::string> extra = {},
                                 const std::string& own = kOwnFolder) {
    return {kProber, own, std::move(extra), {}};
}

inline std::string refusal(core::PluginCatalogue& catalogue, const std::string& name) {
    const auto found = catalogue.find(name);
    return found ? "accepted: " + found->file : found.error().text;
}

inline std::chrono::milliseconds since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
}

}  // namespace steward::test
