// The folder of a running server: where it is, what it is made of, and what becomes of dead ones.
#include "state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <regex>
#include <thread>

#include "status_bench.hpp"

using namespace steward;
using namespace steward::test;
using host::StateFolder;

namespace {

// Sets or removes an environment variable for as long as it lives.
class Env {
  public:
    Env(const char* name, const char* value) : name_(name) {
        if (const char* before = std::getenv(name)) {
            before_ = before;
        }
        value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
    }
    ~Env() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
    Env(const Env&) = delete;
    Env& operator=(const Env&) = delete;

  private:
    const char* name_;
    std::optional<std::string> before_;
};

class Umask {
  public:
    explicit Umask(mode_t mask) : before_(::umask(mask)) {}
    ~Umask() { ::umask(before_); }
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;

  private:
    mode_t before_;
};

mode_t mode_of(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

// So long ago, of a file or folder itself.
void age(const std::string& path, std::chrono::seconds ago) {
    timespec times[2]{};
    ::clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= ago.count();
    times[1] = times[0];
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// What a dead server left: lock, socket, log, all written so long ago.
std::string leave_dead(const std::string& base, const std::string& name, std::chrono::seconds ago) {
    const std::string folder = base + "/" + name;
    fs::create_directories(folder);
    for (const char* file : {"lock", "status.sock", "steward.log"}) {
        write_file(folder + "/" + file, "");
        age(folder + "/" + file, ago);
    }
    age(folder, ago);
    return folder;
}

std::string dead_name(int number) {
    char name[64];
    std::snprintf(name, sizeof name, "20261101T0000%02dZ-%d-%04x", number % 60, 1000 + number,
                  number);
    return name;
}

StateFolder made(const std::string& base) {
    auto folder = StateFolder::create(base);
    INFO((folder ? "" : folder.error().text));
    REQUIRE(folder);
    return std::move(*folder);
}

std::vector<std::string> running(const std::string& base) {
    std::vector<std::string> folders;
    for (const auto& server : StateFolder::running(base)) {
        folders.push_back(server.folder);
    }
    return folders;
}

}  // namespace

TEST_CASE("the state folders are below XDG_STATE_HOME, else below the home folder") {
    const Env home("HOME", "/home/somebody");
    SECTION("an absolute XDG_STATE_HOME counts") {
        const Env xdg("XDG_STATE_HOME", "/var/state/");
        CHECK(StateFolder::base_folder() == "/var/state/steward");
    }
    SECTION("a relative one is ignored, as the specification asks") {
        const Env xdg("XDG_STATE_HOME", "state");
        CHECK(StateFolder::base_folder() == "/home/somebody/.local/state/steward");
    }
    SECTION("an empty one is ignored") {
        const Env xdg("XDG_STATE_HOME", "");
        CHECK(StateFolder::base_folder() == "/home/somebody/.local/state/steward");
    }
    SECTION("without HOME the password file says where home is") {
        const Env xdg("XDG_STATE_HOME", nullptr);
        const Env no_home("HOME", nullptr);
        const std::string base = StateFolder::base_folder();
        CHECK(base.front() == '/');
        CHECK(base.ends_with("/.local/state/steward"));
        CHECK(base.find("somebody") == std::string::npos);
    }
}

TEST_CASE("a state folder is named after start and pid, private, and locked") {
    const TempFolder temp;
    const std::string base = temp / "a/b/steward";
    const Umask umask(GENERATE(0U, 022U, 0777U));
    const auto folder = made(base);

    const std::regex name("[0-9]{8}T[0-9]{6}Z-" + std::to_string(::getpid()) + "-[0-9a-f]{4}");
    CHECK(std::regex_match(fs::path(folder.path()).filename().string(), name));
    CHECK(fs::path(folder.path()).parent_path() == base);
    for (const auto& path : {temp / "a", temp / "a/b", base, folder.path()}) {
        CHECK(mode_of(path) == 0700);
    }
    CHECK(mode_of(folder.path() + "/lock") == 0600);

    int locks = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code ignored;
        if (fs::read_symlink(entry, ignored) == folder.path() + "/lock") {
            ++locks;
            CHECK((::fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    CHECK(locks == 1);
}

TEST_CASE("the mode of folders that were there already is not changed") {
    const TempFolder temp;
    fs::create_directory(temp / "state");
    fs::permissions(temp / "state", fs::perms(0755));
    const auto folder = made(temp / "state/steward");
    CHECK(mode_of(temp / "state") == 0755);
}

TEST_CASE("a server counts as running for as long as its lock is held") {
    const TempFolder temp;
    CHECK(running(temp / "nothing").empty());
    CHECK_FALSE(fs::exists(temp / "nothing"));

    auto first = std::make_unique<StateFolder>(made(temp.path()));
    StateFolder second = made(temp.path() + "/");
    const StateFolder moved = std::move(second);
    CHECK(running(temp.path()) == Lines{moved.path(), first->path()});

    const auto servers = StateFolder::running(temp.path());
    REQUIRE(servers.size() == 2);
    CHECK(servers[0].pid == ::getpid());
    const auto since = std::chrono::system_clock::now() - servers[0].since;
    CHECK(since >= 0s);
    CHECK(since < 60s);

    const std::string path = first->path();
    first.reset();
    CHECK(running(temp.path()) == Lines{moved.path()});
    CHECK(fs::exists(path));
}

TEST_CASE("a server that is killed does not count as running any more") {
    const TempFolder temp;
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const auto folder = StateFolder::create(temp.path());
        const char made_it = folder ? 'y' : 'n';
        [[maybe_unused]] const ssize_t written = ::write(ready[1], &made_it, 1);
        ::pause();
        ::_exit(0);
    }
    char answer = 0;
    CHECK(::read(ready[0], &answer, 1) == 1);
    CHECK(answer == 'y');
    const auto servers = StateFolder::running(temp.path());
    ::kill(child, SIGKILL);
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    ::close(ready[0]);
    ::close(ready[1]);

    REQUIRE(servers.size() == 1);
    CHECK(servers[0].pid == child);
    CHECK(running(temp.path()).empty());
    CHECK(fs::exists(servers[0].folder));
}

TEST_CASE("a dead server's socket goes at once, its folder a week after it was last written") {
    const TempFolder temp;
    const auto young = leave_dead(temp.path(), dead_name(1), 1h);
    const auto old = leave_dead(temp.path(), dead_name(2), 24h * 7 + 1h);
    const auto nearly = leave_dead(temp.path(), dead_name(3), 24h * 7 - 1h);
    const auto written_late = leave_dead(temp.path(), dead_name(4), 24h * 30);
    age(written_late + "/steward.log", 24h);
    fs::create_directories(old + "/plugins/deep");
    write_file(old + "/plugins/deep/copy.so", "x");
    age(old + "/plugins", 24h * 8);

    const auto folder = made(temp.path());
    CHECK(fs::exists(young + "/steward.log"));
    CHECK_FALSE(fs::exists(young + "/status.sock"));
    CHECK_FALSE(fs::exists(old));
    CHECK(fs::exists(nearly + "/steward.log"));
    CHECK(fs::exists(written_late + "/steward.log"));
    CHECK(fs::exists(folder.path() + "/lock"));

    // Removing the sockets was no writing: the week goes on.
    age(nearly + "/lock", 24h * 8);
    age(nearly + "/steward.log", 24h * 8);
    StateFolder::remove_dead(temp.path());
    CHECK_FALSE(fs::exists(nearly));
}

TEST_CASE("of dead servers' folders the twenty newest are kept") {
    const TempFolder temp;
    for (int i = 0; i < 25; ++i) {
        leave_dead(temp.path(), dead_name(i), std::chrono::minutes(100 - i));
    }
    StateFolder::remove_dead(temp.path());
    for (int i = 0; i < 25; ++i) {
        INFO(i);
        CHECK(fs::exists(temp / dead_name(i)) == (i >= 5));
    }
}

TEST_CASE("cleaning never touches a living server, however old and numerous") {
    const TempFolder temp;
    std::vector<StateFolder> living;
    for (int i = 0; i < 25; ++i) {
        living.push_back(made(temp.path()));
        write_file(living.back().path() + "/status.sock", "");
    }
    for (const auto& folder : living) {
        age(folder.path() + "/status.sock", 24h * 365);
        age(folder.path() + "/lock", 24h * 365);
        age(folder.path(), 24h * 365);
    }
    StateFolder::remove_dead(temp.path());
    for (const auto& folder : living) {
        CHECK(fs::exists(folder.path() + "/status.sock"));
    }
    CHECK(running(temp.path()).size() == 25);
}

TEST_CASE("a folder whose lock file is gone is neither running nor robbed of its socket") {
    const TempFolder temp;
    const auto folder = made(temp.path());
    write_file(folder.path() + "/status.sock", "");
    fs::remove(folder.path() + "/lock");
    StateFolder::remove_dead(temp.path());
    CHECK(fs::exists(folder.path() + "/status.sock"));
    CHECK(running(temp.path()).empty());
}

TEST_CASE("cleaning leaves alone what is no server's folder") {
    const TempFolder temp;
    const TempFolder elsewhere;
    leave_dead(elsewhere.path(), "target", 24h * 30);
    const std::vector<std::string> foreign = {
        "notes",
        "20261101T000000Z-1-abc",
        "20261101T000000Z-1-abcde",
        "20261101T000000Z-1-ABCD",
        "20261101T000000Z--abcd",
        "20261101T000000Z-x1-abcd",
        "20261101T00000-Z-1-abcd",
        "x20261101T000000Z-1-abcd",
        "20261101T000000Z-1-abcd.bak",
        ".new-notes",
        "20261101T000000Z-99999999999-abcd",
    };
    for (const auto& name : foreign) {
        leave_dead(temp.path(), name, 24h * 30);
    }
    write_file(temp / dead_name(1), "a file with a folder's name");
    age(temp / dead_name(1), 24h * 30);
    fs::create_directory_symlink(elsewhere / "target", temp / dead_name(2));
    age(temp / dead_name(2), 24h * 30);

    StateFolder::remove_dead(temp.path());
    for (const auto& name : foreign) {
        INFO(name);
        CHECK(fs::exists(temp / name + "/status.sock"));
    }
    CHECK(fs::exists(temp / dead_name(1)));
    CHECK(fs::is_symlink(temp / dead_name(2)));
    CHECK(fs::exists(elsewhere / "target/status.sock"));
    CHECK(running(temp.path()).empty());
}

TEST_CASE("a link in a dead server's folder is removed, and not what it points to") {
    const TempFolder temp;
    const TempFolder elsewhere;
    write_file(elsewhere / "precious", "x");
    const auto old = leave_dead(temp.path(), dead_name(1), 24h * 30);
    fs::create_directory_symlink(elsewhere.path(), old + "/link");
    age(old + "/link", 24h * 30);
    StateFolder::remove_dead(temp.path());
    CHECK_FALSE(fs::exists(old));
    CHECK(fs::exists(elsewhere / "precious"));
}

TEST_CASE("a half-made folder is removed when nobody can be at work on it") {
    const TempFolder temp;
    const auto fresh = leave_dead(temp.path(), ".new-" + dead_name(1), 30min);
    const auto old = leave_dead(temp.path(), ".new-" + dead_name(2), 2h);
    const auto locked = leave_dead(temp.path(), ".new-" + dead_name(3), 2h);
    const auto empty = temp / (".new-" + dead_name(4));
    fs::create_directory(empty);
    const core::UniqueFd lock(::open((locked + "/lock").c_str(), O_RDWR | O_CLOEXEC));
    REQUIRE(::flock(lock.get(), LOCK_EX | LOCK_NB) == 0);

    StateFolder::remove_dead(temp.path());
    CHECK(fs::exists(fresh));
    CHECK_FALSE(fs::exists(old));
    CHECK(fs::exists(locked));
    CHECK(fs::exists(empty));
    CHECK(running(temp.path()).empty());

    age(empty, 2h);
    StateFolder::remove_dead(temp.path());
    CHECK_FALSE(fs::exists(empty));
}

TEST_CASE("a state folder that cannot be made says which, why, and what to do") {
    const TempFolder temp;
    const std::string remedy = "; make that folder writable, or set XDG_STATE_HOME to one that is";
    SECTION("a file is in the way") {
        write_file(temp / "state", "");
        const std::string base = temp / "state/steward";
        const auto folder = StateFolder::create(base);
        REQUIRE_FALSE(folder);
        CHECK(folder.error().text ==
              base + ": the folder for the server's state cannot be made: Not a directory" +
                  remedy);
        CHECK(folder.error().sys_errno == ENOTDIR);
    }
    SECTION("it may not be written") {
        // The rights of root would get in the way; those of a thread for files can be set aside.
        std::optional<core::Error> error;
        fs::permissions(temp.path(), fs::perms(0555));
        std::thread([&] {
            ::setfsuid(65534);
            if (const auto folder = StateFolder::create(temp.path()); !folder) {
                error = folder.error();
            }
        }).join();
        fs::permissions(temp.path(), fs::perms(0755));
        REQUIRE(error);
        CHECK(error->text ==
              temp.path() + ": the server's own folder cannot be made in it: Permission denied" +
                  remedy);
        CHECK(fs::is_empty(temp.path()));
    }
}
