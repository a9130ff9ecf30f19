#include "state_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>

#include "options.hpp"

namespace steward::host {
namespace {

using core::Error;
using core::UniqueFd;
using std::chrono::system_clock;

constexpr std::string_view kNewPrefix = ".new-";
constexpr std::chrono::hours kUnfinishedFor{1};
constexpr int kAttempts = 16;

Error cannot_make(const std::string& base, const std::string& what, int sys_errno) {
    Error error = core::system_error(base + ": " + what, sys_errno);
    error.text += "; make that folder writable, or set XDG_STATE_HOME to one that is";
    return error;
}

core::Status make_base(const std::string& base) {
    for (std::size_t at = 1; at <= base.size(); ++at) {
        if (at < base.size() && base[at] != '/') {
            continue;
        }
        const std::string part = base.substr(0, at);
        if (::mkdir(part.c_str(), 0700) == 0) {
            ::chmod(part.c_str(), 0700);  // the umask may have taken even the owner's rights
        } else if (const int made = errno; made != EEXIST) {
            // Some systems say EROFS or EACCES of a folder that exists.
            struct stat info {};
            if (::stat(part.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
                return cannot_make(base, "the folder for the server's state cannot be made", made);
            }
        }
    }
    return core::Nothing{};
}

std::string new_name() {
    const time_t now = ::time(nullptr);
    tm utc{};
    ::gmtime_r(&now, &utc);
    char stamp[32];
    ::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    unsigned short entropy = 0;
    if (::getrandom(&entropy, sizeof entropy, GRND_NONBLOCK) != sizeof entropy) {
        timespec clock{};
        ::clock_gettime(CLOCK_MONOTONIC, &clock);
        entropy = static_cast<unsigned short>(clock.tv_nsec);
    }
    char name[64];
    std::snprintf(name, sizeof name, "%s-%ld-%04x", stamp, static_cast<long>(::getpid()), entropy);
    return name;
}

struct NameParts {
    std::int32_t pid = 0;
    core::WallTime since{};
};

// What a folder's name says; nothing if it is not the name of a server's folder.
std::optional<NameParts> parse_name(std::string_view name) {
    constexpr std::size_t kStamp = 16;
    if (name.size() < kStamp + 7 || name[8] != 'T' || name[15] != 'Z' || name[kStamp] != '-') {
        return std::nullopt;
    }
    const auto digits = [&](std::size_t at, std::size_t count, int& value) {
        const char* const end = name.data() + at + count;
        const auto [last, error] = std::from_chars(name.data() + at, end, value);
        return error == std::errc() && last == end && value >= 0;
    };
    tm utc{};
    if (!digits(0, 4, utc.tm_year) || !digits(4, 2, utc.tm_mon) || !digits(6, 2, utc.tm_mday) ||
        !digits(9, 2, utc.tm_hour) || !digits(11, 2, utc.tm_min) || !digits(13, 2, utc.tm_sec)) {
        return std::nullopt;
    }
    const std::size_t dash = name.find('-', kStamp + 1);
    int pid = 0;
    if (dash == std::string_view::npos || name.size() - dash != 5 ||
        !digits(kStamp + 1, dash - kStamp - 1, pid) ||
        name.find_first_not_of("0123456789abcdef", dash + 1) != std::string_view::npos) {
        return std::nullopt;
    }
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    return NameParts{pid, core::WallTime(std::chrono::seconds(::timegm(&utc)))};
}

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

Dir open_dir(int parent, const std::string& name) {
    UniqueFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    Dir dir(fd ? ::fdopendir(fd.get()) : nullptr);
    if (dir) {
        fd.release();
    }
    return dir;
}

system_clock::time_point modified(const struct stat& info) {
    const std::chrono::nanoseconds since =
        std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
    return system_clock::time_point(std::chrono::duration_cast<system_clock::duration>(since));
}

enum class Lock { kHeld, kFree, kMissing };

struct Found {
    std::string name;
    Dir dir;
    Lock lock = Lock::kHeld;
    system_clock::time_point locked{};   // when the lock file was made
    system_clock::time_point written{};  // when anything in the folder was written last
};

// An error that is not "somebody holds it" counts as held: what is not known to be dead is left
// alone.
Lock look_at_lock(Found& found) {
    constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    const UniqueFd lock(::openat(::dirfd(found.dir.get()), "lock", kFlags));
    if (!lock) {
        return errno == ENOENT ? Lock::kMissing : Lock::kHeld;
    }
    struct stat info {};
    if (::fstat(lock.get(), &info) == 0) {
        found.locked = modified(info);
    }
    return ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0 ? Lock::kFree : Lock::kHeld;
}

// The folder itself counts only when it is empty: removing its socket changes its time.
void look_at_age(Found& found, const struct stat& folder) {
    bool any = false;
    while (const dirent* const entry = ::readdir(found.dir.get())) {
        const std::string_view name = entry->d_name;
        struct stat info {};
        if (name == "." || name == ".." ||
            ::fstatat(::dirfd(found.dir.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        found.written = any ? std::max(found.written, modified(info)) : modified(info);
        any = true;
    }
    if (!any) {
        found.written = modified(folder);
    }
}

// The user's own folders whose name without the prefix is a server's, and that were last written
// before then. The locks of others are not even looked at: a look holds the lock for a moment, and
// a server that is just starting may be about to take it.
std::vector<Found> look(const std::string& base, std::string_view prefix,
                        system_clock::time_point before = system_clock::time_point::max()) {
    std::vector<Found> all;
    // Unlike those in it, the base itself may be a link.
    const Dir dir(::opendir(base.c_str()));
    while (const dirent* const entry = dir ? ::readdir(dir.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (!name.starts_with(prefix) || !parse_name(name.substr(prefix.size()))) {
            continue;
        }
        Found found;
        found.name = name;
        found.dir = open_dir(::dirfd(dir.get()), found.name);
        struct stat info {};
        if (!found.dir || ::fstat(::dirfd(found.dir.get()), &info) != 0 ||
            info.st_uid != ::geteuid()) {
            continue;
        }
        look_at_age(found, info);
        if (found.written >= before) {
            continue;
        }
        found.lock = look_at_lock(found);
        all.push_back(std::move(found));
    }
    return all;
}

void remove_folder(const std::string& folder) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
}

void remove_unfinished(const std::string& base) {
    for (const Found& found : look(base, kNewPrefix, system_clock::now() - kUnfinishedFor)) {
        if (found.lock != Lock::kHeld) {
            remove_folder(base + "/" + found.name);
        }
    }
}

std::string without_slash(std::string base) {
    while (base.size() > 1 && base.back() == '/') {
        base.pop_back();
    }
    return base;
}

}  // namespace

std::string StateFolder::base_folder() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && state[0] == '/') {
        return without_slash(state) + "/steward";
    }
    return without_slash(home_folder()) + "/.local/state/steward";
}

core::Result<StateFolder> StateFolder::create(const std::string& wanted) {
    const std::string base = without_slash(wanted);
    if (auto made = make_base(base); !made) {
        return made.error();
    }
    const std::string what = "the server's own folder cannot be made in it";
    int failure = EEXIST;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        const std::string name = new_name();
        const std::string path = base + "/" + name;
        const std::string unfinished = base + "/" + std::string(kNewPrefix) + name;
        if (::mkdir(unfinished.c_str(), 0700) != 0) {
            if (errno != EEXIST) {
                return cannot_make(base, what, errno);
            }
            continue;
        }
        ::chmod(unfinished.c_str(), 0700);
        UniqueFd lock(::open((unfinished + "/lock").c_str(),
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (lock && ::fchmod(lock.get(), 0600) == 0 &&
            ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 &&
            ::rename(unfinished.c_str(), path.c_str()) == 0) {
            remove_dead(base);
            return StateFolder(path, std::move(lock));
        }
        failure = errno;
        remove_folder(unfinished);
        // Taken for a left-over after a long sleep, or the name is taken: once more.
        const bool raced = failure == ENOENT || failure == EWOULDBLOCK;
        if (!raced && failure != EEXIST && failure != ENOTEMPTY) {
            break;
        }
    }
    return cannot_make(base, what, failure);
}

void StateFolder::remove_dead(const std::string& wanted) {
    const std::string base = without_slash(wanted);
    remove_unfinished(base);
    std::vector<Found> dead = look(base, "");
    std::erase_if(dead, [](const Found& found) { return found.lock == Lock::kHeld; });
    std::sort(dead.begin(), dead.end(), [](const Found& a, const Found& b) {
        return std::tie(a.written, a.name) > std::tie(b.written, b.name);
    });
    const auto before = system_clock::now() - kKeptFor;
    for (std::size_t i = 0; i < dead.size(); ++i) {
        // Without a lock file nobody knows: a half-removed folder, or somebody deleted a living
        // server's lock.
        if (dead[i].lock == Lock::kFree) {
            ::unlinkat(::dirfd(dead[i].dir.get()), "status.sock", 0);
        }
        if (i >= kKeptDead || dead[i].written < before) {
            remove_folder(base + "/" + dead[i].name);
        }
    }
}

std::vector<RunningServer> StateFolder::running(const std::string& wanted) {
    const std::string base = without_slash(wanted);
    std::vector<Found> living = look(base, "");
    std::erase_if(living, [](const Found& found) { return found.lock != Lock::kHeld; });
    // By the second in the name, then by the lock file, which is more exact.
    std::sort(living.begin(), living.end(), [](const Found& a, const Found& b) {
        const std::string_view left(a.name.data(), 16);
        const std::string_view right(b.name.data(), 16);
        return std::tie(left, a.locked, a.name) > std::tie(right, b.locked, b.name);
    });
    std::vector<RunningServer> servers;
    for (const Found& found : living) {
        const auto parts = parse_name(found.name);
        servers.push_back({base + "/" + found.name, parts->pid, parts->since});
    }
    return servers;
}

}  // namespace steward::host
