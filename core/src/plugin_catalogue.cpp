#include "steward/core/plugin_catalogue.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>

#include "built_in_plugin.hpp"
#include "plugin_answer.hpp"
#include "plugin_file.hpp"
#include "plugin_prober.hpp"
#include "steward/abi.h"

namespace steward::core {
namespace {

namespace fs = std::filesystem;
using Poco::JSON::Object;

// An answer is good for the ABI that it was judged by.
std::string cache_format() {
    return "4/abi" + std::to_string(STEWARD_ABI_MAJOR) + "." + std::to_string(STEWARD_ABI_MINOR);
}

std::string identity(const struct stat& s) {
    std::ostringstream key;
    key << s.st_dev << ':' << s.st_ino << ':' << s.st_mtim.tv_sec << '.' << s.st_mtim.tv_nsec << ':'
        << s.st_size;
    return key.str();
}

std::string stem_id(const std::string& file) {
    const std::string name = fs::path(file).filename().string();
    constexpr std::string_view kPrefix = "steward_";
    constexpr std::string_view kSuffix = ".so";
    if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) ||
        !name.ends_with(kSuffix)) {
        return {};
    }
    return name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
}

// Absolute, without dots and without a slash at the end. A path that cannot be made so stays as it
// is.
std::string absolute_path(const std::string& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    if (error) {
        return path;
    }
    const fs::path normal = absolute.lexically_normal();
    return (normal.has_filename() ? normal : normal.parent_path()).string();
}

// Why a folder cannot be searched; empty: it can.
std::string folder_fault(const std::string& folder) {
    std::error_code error;
    const fs::directory_iterator it(folder, error);
    return error ? "cannot be searched: " + error.message() +
                       ": give a folder with steward_ID.so "
                       "files"
                 : std::string();
}

// Also when it is a link that leads nowhere: that is told then.
bool exists(const std::string& file) {
    struct stat status {};
    return lstat(file.c_str(), &status) == 0;
}

}  // namespace

bool PluginInfo::has(const std::string& interface) const {
    return std::find(interfaces.begin(), interfaces.end(), interface) != interfaces.end();
}

PluginCatalogue::PluginCatalogue(PluginPlaces places) : places_(std::move(places)) {
    places_.own_folder = absolute_path(places_.own_folder);
}

std::vector<std::string> PluginCatalogue::files_of(const std::string& folder) const {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (!stem_id(it->path().string()).empty()) {
            files.push_back(absolute_path(it->path().string()));
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<PluginInfo> PluginCatalogue::list() {
    std::vector<std::pair<std::string, std::string>> files;
    std::vector<PluginInfo> found;
    for (const auto& folder : places_.extra) {
        if (auto fault = folder_fault(folder); !fault.empty()) {
            PluginInfo info;
            info.file = absolute_path(folder);
            info.origin = "--plugin-dir " + folder;
            info.error = std::move(fault);
            found.push_back(std::move(info));
        }
        for (auto& file : files_of(folder)) {
            files.emplace_back(std::move(file), "--plugin-dir " + folder);
        }
    }
    const std::size_t extra = files.size();
    for (auto& file : files_of(places_.own_folder)) {
        files.emplace_back(std::move(file), "next to the program");
    }
    auto examined = examine(files);
    examined.insert(examined.begin() + static_cast<std::ptrdiff_t>(extra), built_in().begin(),
                    built_in().end());
    std::move(examined.begin(), examined.end(), std::back_inserter(found));
    std::map<std::string, std::string> first;
    for (auto& info : found) {
        if (info.error.empty()) {
            const auto [it, is_new] = first.emplace(info.id, info.file);
            if (!is_new) {
                info.shadowed_by = it->second;
            }
        }
    }
    return found;
}

Result<PluginInfo> PluginCatalogue::find(const std::string& name) {
    std::vector<std::pair<std::string, std::string>> files;
    if (name.find('/') != std::string::npos) {
        files.emplace_back(absolute_path(name), "given by path");
    } else {
        const std::string base = "steward_" + name + ".so";
        for (const auto& folder : places_.extra) {
            if (const auto fault = folder_fault(folder); !fault.empty()) {
                return Error{"--plugin-dir " + folder + ": " + fault};
            }
            const auto file = absolute_path((fs::path(folder) / base).string());
            if (exists(file)) {
                files.emplace_back(file, "--plugin-dir " + folder);
                break;
            }
        }
        for (const auto& info : built_in()) {
            if (files.empty() && info.id == name) {
                return info.error.empty() ? Result<PluginInfo>(info)
                                          : Error{info.file + ": " + info.error};
            }
        }
        const auto own = (fs::path(places_.own_folder) / base).string();
        if (files.empty() && exists(own)) {
            files.emplace_back(own, "next to the program");
        }
    }
    if (files.empty()) {
        return Error{name +
                     ": no such plugin; see `steward plugins`, or give the folder of steward_" +
                     name + ".so with --plugin-dir"};
    }
    auto found = examine(files);
    if (found.empty()) {
        return Error{name + ": cannot be examined"};
    }
    if (!found.front().error.empty()) {
        return Error{found.front().file + ": " + found.front().error};
    }
    return std::move(found.front());
}

std::vector<PluginInfo> PluginCatalogue::examine(
    const std::vector<std::pair<std::string, std::string>>& files_and_origins) {
    load_cache();
    std::map<std::string, PluginInfo> answers;
    std::map<std::string, std::string> keys;
    std::vector<std::string> unknown;
    for (const auto& [file, origin] : files_and_origins) {
        PluginInfo info;
        info.file = file;
        struct stat status {};
        const bool own = fs::path(file).parent_path() == places_.own_folder;
        info.error = plugin_file_fault(file, status);
        if (info.error.empty() && !own) {
            info.error = plugin_file_distrust(file, status);
        }
        if (!info.error.empty()) {
            answers[file] = info;
            continue;
        }
        keys[file] = identity(status);
        const auto known = known_.find(file);
        if (known != known_.end() && known->second.key == keys[file]) {
            answers[file] = known->second.info;
        } else {
            unknown.push_back(file);
        }
    }
    for (auto& [file, probed] : probe_plugins(places_.prober, unknown)) {
        if (probed.is_verdict) {
            known_[file] = {keys[file], probed.info};
            dirty_ = dirty_ || probed.info.error.empty();
        }
        answers[file] = std::move(probed.info);
    }
    std::vector<PluginInfo> out;
    for (const auto& [file, origin] : files_and_origins) {
        auto info = answers[file];
        info.file = file;
        info.origin = origin;
        // The prober has said so already, unless this is another file's answer.
        if (info.error.empty() && info.id != stem_id(file)) {
            info.error =
                "its id is " + info.id + ", so the file must be called steward_" + info.id + ".so";
        }
        out.push_back(std::move(info));
    }
    return out;
}

const std::vector<PluginInfo>& PluginCatalogue::built_in() {
    if (!built_in_) {
        built_in_.emplace();
        for (const auto* entry : built_in_plugins()) {
            built_in_->push_back(built_in_info(*entry));
        }
    }
    return *built_in_;
}

void PluginCatalogue::load_cache() {
    if (cache_loaded_ || places_.cache_file.empty()) {
        return;
    }
    cache_loaded_ = true;
    std::ifstream file(places_.cache_file);
    std::string line;
    while (std::getline(file, line)) {
        const auto entry = parse_object(line);
        if (!entry || entry->optValue<std::string>("format", "") != cache_format()) {
            continue;
        }
        try {
            auto info = plugin_from_json(entry->getObject("answer"));
            if (info.error.empty()) {
                known_[info.file] = {entry->getValue<std::string>("key"), info};
            }
        } catch (const Poco::Exception&) {
            continue;
        }
    }
}

void PluginCatalogue::save_cache() {
    if (!dirty_ || places_.cache_file.empty()) {
        return;
    }
    dirty_ = false;
    std::error_code error;
    const fs::path target(places_.cache_file);
    fs::create_directories(target.parent_path(), error);
    const std::string temporary = places_.cache_file + "." + std::to_string(getpid());
    {
        std::ofstream file(temporary, std::ios::trunc);
        for (const auto& [path, known] : known_) {
            // Why a file was refused may lie outside of it: a library that is missing, a busy
            // machine.
            if (!known.info.error.empty() || access(path.c_str(), F_OK) != 0) {
                continue;
            }
            try {
                Object entry;
                entry.set("format", cache_format());
                entry.set("key", known.key);
                entry.set("answer", plugin_to_json(known.info));
                entry.stringify(file);
                file << '\n';
            } catch (const Poco::Exception&) {
                continue;
            }
        }
        if (!file.flush()) {
            fs::remove(temporary, error);
            return;
        }
    }
    fs::rename(temporary, target, error);
    if (error) {
        fs::remove(temporary, error);
    }
}

}  // namespace steward::core
