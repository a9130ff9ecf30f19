#include "new_plugin.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "printable.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::host {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlaceholder = "plugin_name";

struct NewFile {
    fs::path name;  // within the project
    std::string content;
};

bool is_id(const std::string& name) {
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    return !name.empty() && name.size() <= 64 && lower(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '_'; });
}

std::optional<core::Error> refusal(const NewPlugin& wanted) {
    if (!is_id(wanted.name)) {
        return core::Error{
            fmt::format("new-plugin: the name must be 1 to 64 of a-z, 0-9 and _, beginning with a "
                        "letter, such as my_policy (got {})",
                        wanted.name.empty() ? "nothing" : printable(wanted.name))};
    }
    if (wanted.name == "none") {
        return core::Error{
            "new-plugin: none is what turns a strategy off, so a plugin cannot be called so; "
            "choose "
            "another name"};
    }
    if (strategy_flag(wanted.kind).empty()) {
        return core::Error{fmt::format("--kind: must be health, restart, port or metrics (got {})",
                                       printable(wanted.kind))};
    }
    return std::nullopt;
}

void put_name(std::string& text, const std::string& name) {
    for (auto at = text.find(kPlaceholder); at != std::string::npos;
         at = text.find(kPlaceholder, at + name.size())) {
        text.replace(at, kPlaceholder.size(), name);
    }
}

// Throws filesystem_error.
void read_template(const fs::path& folder, const std::string& name, std::vector<NewFile>& files) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) {
            continue;
        }
        std::ifstream in(entry.path(), std::ios::binary);
        std::string content(std::istreambuf_iterator<char>(in), {});
        if (!in.is_open() || in.bad()) {
            throw fs::filesystem_error("cannot be read", entry.path(),
                                       std::make_error_code(std::errc::io_error));
        }
        std::string path = fs::relative(entry.path(), folder).string();
        put_name(path, name);
        put_name(content, name);
        files.push_back({path, std::move(content)});
    }
}

core::Result<std::vector<NewFile>> read_templates(const NewPlugin& wanted) {
    std::vector<NewFile> files;
    try {
        for (const std::string& part : {std::string("common"), wanted.kind}) {
            read_template(fs::path(wanted.templates) / part, wanted.name, files);
        }
    } catch (const fs::filesystem_error& error) {
        return core::Error{
            fmt::format("new-plugin: the template {} cannot be read: {}; install Steward's "
                        "component sdk beside "
                        "the program",
                        error.path1().string(), error.code().message())};
    }
    std::sort(files.begin(), files.end(),
              [](const NewFile& a, const NewFile& b) { return a.name < b.name; });
    const auto same =
        std::adjacent_find(files.begin(), files.end(),
                           [](const NewFile& a, const NewFile& b) { return a.name == b.name; });
    if (same != files.end()) {
        return core::Error{fmt::format(
            "new-plugin: {} is another file of the project, so the plugin cannot be called {}; "
            "choose another name",
            same->name.string(), wanted.name)};
    }
    return files;
}

// What has been made, to be unmade unless it is kept.
class Made {
  public:
    Made() = default;
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    ~Made() {
        std::error_code ignored;
        for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) {
            fs::remove(*path, ignored);
        }
    }
    void keep() { paths_.clear(); }

    // Also the folders above it that are missing. An error's number, or 0.
    int folder(const fs::path& path) {
        std::error_code error;
        if (path.empty() || fs::is_directory(path, error)) {
            return 0;
        }
        if (const int above = folder(path.parent_path()); above != 0) {
            return above;
        }
        if (!fs::create_directory(path, error)) {
            return error ? error.value() : EEXIST;
        }
        paths_.push_back(path);
        return 0;
    }
    // An error's number, or 0. EXCL: nothing is ever overwritten.
    int file(const fs::path& path, std::string_view content) {
        const core::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (!fd) {
            return errno;
        }
        paths_.push_back(path);
        while (!content.empty()) {
            const ssize_t written = write(fd.get(), content.data(), content.size());
            if (written < 0 && errno != EINTR) {
                return errno;
            }
            content.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
        }
        return 0;
    }

  private:
    std::vector<fs::path> paths_;
};

core::Error cannot_write(const fs::path& path, int error) {
    return core::Error{fmt::format(
        "new-plugin: {} cannot be made: {}; give a folder that can be, with --into FOLDER",
        path.string(), std::strerror(error))};
}

}  // namespace

std::string strategy_flag(const std::string& kind) {
    for (const auto& [known, flag] : {std::pair("health", "--health"),
                                      {"restart", "--restart"},
                                      {"port", "--port-strategy"},
                                      {"metrics", "--metrics"}}) {
        if (kind == known) {
            return flag;
        }
    }
    return {};
}

core::Result<std::vector<std::string>> write_new_plugin(const NewPlugin& wanted) {
    if (auto problem = refusal(wanted)) {
        return *std::move(problem);
    }
    // Without the slash at its end, of which a folder "" would be made.
    fs::path folder = fs::path(wanted.folder).lexically_normal();
    folder = folder.has_filename() ? folder : folder.parent_path();
    std::error_code error;
    const auto there = fs::symlink_status(folder, error);
    if (fs::exists(there)) {
        const bool empty = fs::is_directory(folder, error) && fs::is_empty(folder, error);
        if (error) {
            return cannot_write(folder, error.value());
        }
        if (!empty) {
            return core::Error{fmt::format(
                "new-plugin: {} is there already and {}; nothing is overwritten: give a new or "
                "empty folder with --into FOLDER",
                folder.string(), fs::is_directory(folder) ? "is not empty" : "is no folder")};
        }
    }
    const auto files = read_templates(wanted);
    if (!files) {
        return files.error();
    }
    Made made;
    std::vector<std::string> names;
    for (const NewFile& file : *files) {
        const fs::path path = folder / file.name;
        if (const int problem = made.folder(path.parent_path()); problem != 0) {
            return cannot_write(path.parent_path(), problem);
        }
        if (const int problem = made.file(path, file.content); problem != 0) {
            return cannot_write(path, problem);
        }
        names.push_back(file.name.string());
    }
    made.keep();
    return names;
}

}  // namespace steward::host
