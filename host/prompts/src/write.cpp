#include "write.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "prompt_file.hpp"

namespace steward::prompts {
namespace {

constexpr std::size_t kKeptVersions = 50;
constexpr std::string_view kTemporaryEnding = ".tmp";

bool is_temporary(std::string_view name) noexcept {
    if (!name.starts_with('.') || !name.ends_with(kTemporaryEnding)) {
        return false;
    }
    name.remove_prefix(1);
    name.remove_suffix(std::min(name.size(), kTemporaryEnding.size()));
    return is_prompt_id(name);
}

// The name of a version in the history, without its ending.
std::string version_name(std::string_view updated_at) {
    constexpr std::string_view kOther = ":.+-";
    std::string name;
    for (std::size_t at = 0; at < updated_at.size() && name.size() < 64; ++at) {
        const auto byte = static_cast<unsigned char>(updated_at[at]);
        if ((byte & 0xC0U) == 0x80U) {
            continue;  // the rest of a character beyond ASCII, which is one `_`
        }
        const char c = updated_at[at];
        const bool kept = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || kOther.find(c) != std::string_view::npos;
        name += kept ? c : '_';
    }
    name.erase(0, std::min(name.find_first_not_of('.'), name.size()));
    return name.empty() ? "unknown" : name;
}

std::error_code write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t written = write(fd, data.data(), data.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return last_error();
        }
        data.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

std::error_code write_synced(const std::string& path, std::string_view data, const mode_t* mode) {
    FileDescriptor file(
        open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!file.is_open() || (mode != nullptr && fchmod(file.get(), *mode) != 0)) {
        return last_error();
    }
    if (const auto error = write_all(file.get(), data)) {
        return error;
    }
    if (fsync(file.get()) != 0 || close(file.release()) != 0) {
        return last_error();
    }
    return {};
}

bool has_no_links(int error) noexcept {
    constexpr std::array<int, 5> kErrors{EPERM, EXDEV, EMLINK, EOPNOTSUPP, ENOSYS};
    return std::find(kErrors.begin(), kErrors.end(), error) != kErrors.end();
}

std::error_code copy_file(const std::string& from, const std::string& to) {
    const auto file = read_file(from, kMaxFileBytes);
    if (!file) {
        return file.error();
    }
    const std::string temporary = to.substr(0, to.rfind('/')) + "/.copy.tmp";
    if (const auto error = write_synced(temporary, file->data, nullptr)) {
        return error;
    }
    return std::rename(temporary.c_str(), to.c_str()) == 0 ? std::error_code() : last_error();
}

// Links, or copies where there are no hard links; file_exists if the name holds another file.
std::error_code link_file(const std::string& from, const std::string& to) {
    // What a symbolic link leads to is kept, not the link.
    if (linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        return {};
    }
    const std::error_code error = last_error();
    if (error == std::errc::file_exists) {
        const auto a = status_of(from);
        const auto b = status_of(to);
        const bool same = a && b && a->signature.is_same_place(b->signature);
        return same ? std::error_code() : error;
    }
    if (!has_no_links(error.value())) {
        return error;
    }
    if (exists(to)) {
        return std::make_error_code(std::errc::file_exists);
    }
    return copy_file(from, to);
}

void prune(const std::string& folder, const std::string& kept) {
    auto names = names_in(folder);
    if (!names) {
        return;
    }
    std::erase_if(*names, [](const std::string& name) { return !is_prompt_file(name); });
    if (names->size() <= kKeptVersions) {
        return;
    }
    std::size_t surplus = names->size() - kKeptVersions;
    std::sort(names->begin(), names->end());
    for (const auto& name : *names) {
        if (surplus > 0 && name != kept) {
            unlink((folder + "/" + name).c_str());
            --surplus;
        }
    }
}

}  // namespace

std::error_code keep_version(const std::string& root, const Prompt& prompt) {
    const std::string folder = root + "/.history/" + prompt.id;
    if (const auto error = make_folders(folder)) {
        return error;
    }
    const std::string source = root + "/" + prompt.category + "/" + file_of(prompt.id);
    const std::string stem = version_name(prompt.updated_at);
    std::string name = file_of(stem);
    for (int number = 1;; ++number) {
        const auto error = link_file(source, folder + "/" + name);
        if (!error) {
            break;
        }
        if (error != std::errc::file_exists) {
            return error;
        }
        name = file_of(stem + "~" + std::to_string(number));
    }
    prune(folder, name);
    return {};
}

void remove_stale(const std::string& folder) {
    const auto names = names_in(folder);
    if (!names) {
        return;
    }
    for (const auto& name : *names) {
        if (is_temporary(name)) {
            unlink((folder + "/" + name).c_str());
        }
    }
}

std::error_code replace_file(const std::string& folder, const std::string& id,
                             const std::string& data) {
    const std::string target = folder + "/" + file_of(id);
    const std::string temporary = folder + "/." + id + std::string(kTemporaryEnding);
    struct stat status {};
    const bool replaces = stat(target.c_str(), &status) == 0;
    const mode_t mode = status.st_mode & 07777U;
    auto error = write_synced(temporary, data, replaces ? &mode : nullptr);
    if (!error && std::rename(temporary.c_str(), target.c_str()) != 0) {
        error = last_error();
    }
    if (error) {
        unlink(temporary.c_str());
        return error;
    }
    return sync_folder(folder);
}

}  // namespace steward::prompts
