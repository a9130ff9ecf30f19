#include "plugin_file.hpp"

#include <limits.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>

namespace steward::core {
namespace {

constexpr int kMaxLinks = 40;  // as Linux has it

std::string link_target(const std::string& link) {
    char target[PATH_MAX];
    const ssize_t length = readlink(link.c_str(), target, sizeof target);
    return {target, length < 0 ? 0 : static_cast<std::size_t>(length)};
}

bool is_foreign(uid_t owner) {
    return owner != 0 && owner != geteuid();
}

// Can a user other than the owner take away or rename what others own in this folder?
bool is_open_to_all(const struct stat& folder) {
    return (folder.st_mode & S_IWOTH) != 0 && (folder.st_mode & S_ISVTX) == 0;
}

// The group that a user's own files have; nothing if the user is unknown here.
std::optional<gid_t> group_of_user(uid_t user) {
    std::array<char, 16384> text;
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(user, &entry, text.data(), text.size(), &found) != 0 || found == nullptr) {
        return std::nullopt;
    }
    return found->pw_gid;
}

std::string belongs_to(uid_t owner) {
    return "belongs to another user (uid " + std::to_string(owner) + ")";
}

std::string folder_open_to_all(const std::string& folder) {
    return "the folder " + folder +
           " can be written by everybody, who could put another file in its place: chmod o-w " +
           folder;
}

void push_components(const std::string& path, std::deque<std::string>& names) {
    std::deque<std::string> own;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        if (const auto name = path.substr(at, end - at); !name.empty() && name != ".") {
            own.push_back(name);
        }
        at = end + 1;
    }
    names.insert(names.begin(), own.begin(), own.end());
}

// Goes the way that the kernel goes, and looks at each folder and link on it.
std::string distrust_of_way(const std::string& file) {
    std::deque<std::string> names;
    push_components(file, names);
    std::string folder;  // without the slash at its end
    struct stat in {};   // of the folder
    int links = 0;
    if (stat("/", &in) != 0 || is_open_to_all(in)) {
        return folder_open_to_all("/");
    }
    while (!names.empty()) {
        const std::string name = names.front();
        names.pop_front();
        if (name == "..") {
            folder.erase(std::min(folder.rfind('/'), folder.size()));
            if (stat((folder + "/").c_str(), &in) != 0) {
                return {};  // It has gone since; whoever opens it says so.
            }
            continue;
        }
        const std::string path = folder + "/" + name;
        struct stat entry {};
        if (lstat(path.c_str(), &entry) != 0) {
            return {};
        }
        if (is_foreign(entry.st_uid) && !S_ISREG(entry.st_mode) &&
            (S_ISLNK(entry.st_mode) || (in.st_mode & S_IWOTH) != 0)) {
            return path + ", which leads to it, " + belongs_to(entry.st_uid) +
                   ": copy the file to a folder of your own";
        }
        if (S_ISLNK(entry.st_mode)) {
            const std::string target = link_target(path);
            if (++links > kMaxLinks || target.empty()) {
                return {};
            }
            push_components(target, names);
            if (target.front() == '/') {
                folder.clear();
                (void)stat("/", &in);
            }
        } else if (S_ISDIR(entry.st_mode)) {
            if (is_open_to_all(entry)) {
                return folder_open_to_all(path);
            }
            folder = path;
            in = entry;
        }
    }
    return {};
}

}  // namespace

std::string plugin_file_fault(const std::string& file, struct stat& status) {
    if (stat(file.c_str(), &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return "is a folder: give the steward_ID.so in it";
        }
        return S_ISREG(status.st_mode)
                   ? std::string()
                   : "is no regular file, but a device, pipe or socket: give a steward_ID.so";
    }
    const int error = errno;
    struct stat itself {};
    const bool is_link = lstat(file.c_str(), &itself) == 0 && S_ISLNK(itself.st_mode);
    if (error == ELOOP) {
        return "its links lead in a circle: mend them, or give the file itself";
    }
    if (error == ENOENT && is_link) {
        return "is a link to " + link_target(file) +
               ", which does not exist: mend the link, or give the file itself";
    }
    if (error == ENOENT || error == ENOTDIR) {
        return "does not exist: give the path of a steward_ID.so, or an id that `steward plugins` "
               "lists";
    }
    return std::string("cannot be read: ") + std::strerror(error) + ": give this user the right to";
}

std::string plugin_file_distrust(const std::string& file, const struct stat& status) {
    if (is_foreign(status.st_uid)) {
        return belongs_to(status.st_uid) + ": chown it to yourself or root";
    }
    if ((status.st_mode & S_IWOTH) != 0) {
        return "can be written by everybody: chmod o-w " + file;
    }
    if ((status.st_mode & S_IWGRP) != 0) {
        const auto owner = group_of_user(status.st_uid);
        if (!owner || *owner != status.st_gid) {
            return "can be written by its group: chmod g-w " + file;
        }
    }
    return distrust_of_way(file);
}

}  // namespace steward::core
