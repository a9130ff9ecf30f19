// OsLinux on real files: what it says of a file, and when it tells of a folder's changes.
#include "steward/core/os_linux.hpp"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "steward/core/loop.hpp"

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using steward::core::Loop;
using steward::core::OsLinux;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "os-linux-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    fs::path operator/(const std::string& name) const { return path_ / name; }
    std::string text() const { return path_.string(); }

  private:
    fs::path path_;
};

// Runs the loop until the watch has told a name; "" when nothing has come within the time.
std::string change_after(const std::string& watched, const std::function<void()>& deed,
                         std::chrono::milliseconds limit) {
    Loop loop;
    OsLinux os(loop);
    std::string told;
    os.watch_folder(watched, [&](const std::string& name) {
        told = name;
        loop.stop();
    });
    loop.arm(loop.now() + limit, [&] { loop.stop(); });
    deed();
    loop.run();
    return told;
}

constexpr auto kPatience = 5000ms;
constexpr auto kNothingComes = 100ms;

}  // namespace

TEST_CASE("the count of processes killed for want of memory is the kernel's") {
    Loop loop;
    OsLinux os(loop);
    std::ifstream file("/proc/vmstat");
    std::string line;
    std::optional<std::uint64_t> expected;
    while (std::getline(file, line)) {
        if (line.starts_with("oom_kill ")) {
            expected = std::stoull(line.substr(line.find(' ')));
        }
    }
    const auto count = os.oom_kills();
    REQUIRE(count.has_value() == expected.has_value());
    CHECK(count.value_or(0) >= expected.value_or(0));
}

TEST_CASE("a script is a regular file that can be read, or there is a reason") {
    const Folder folder;
    Loop loop;
    OsLinux os(loop);
    CHECK(os.check_file(folder / "app.py") == ENOENT);
    CHECK(os.check_file(folder.text()) == EISDIR);
    std::ofstream(folder / "app.py") << "print()";
    CHECK(os.check_file(folder / "app.py") == 0);
    REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK(os.check_file(folder / "fifo") == EINVAL);
    CHECK(os.check_file((folder / "app.py").string() + "/x") == ENOTDIR);
}

TEST_CASE("a change in a watched folder is told by name") {
    const Folder folder;
    CHECK(change_after(
              folder.text(), [&] { std::ofstream(folder / "app.py") << "x"; }, kPatience) ==
          "app.py");
}

TEST_CASE("changes that are read together are told each by its name, until the watch is ended") {
    const Folder folder;
    Loop loop;
    OsLinux os(loop);
    std::vector<std::string> told;
    bool once = GENERATE(false, true);
    os.watch_folder(folder.text(), [&](const std::string& name) {
        told.push_back(name);
        if (once) {
            os.watch_folder(folder.text(), [](const std::string&) {});
        }
        loop.post([&] { loop.stop(); });
    });
    loop.arm(loop.now() + kPatience, [&] { loop.stop(); });
    std::ofstream(folder / "app.py") << "x";
    std::ofstream(folder / "zz.log") << "x";
    loop.run();
    CHECK(told == (once ? std::vector<std::string>{"app.py"}
                        : std::vector<std::string>{"app.py", "zz.log"}));
}

TEST_CASE("what the interpreter caches is no change of the app's files") {
    const Folder folder;
    CHECK(change_after(
              folder.text(), [&] { fs::create_directory(folder / "__pycache__"); },
              kNothingComes) == "");
}

TEST_CASE("a folder that is not there is awaited, whatever else happens above it") {
    const Folder folder;
    const auto missing = (folder / "a") / "b";
    CHECK(change_after(
              missing.string(),
              [&] {
                  fs::create_directory(folder / "other");
                  fs::create_directories(missing);
              },
              kPatience) == "a");
    fs::remove_all(folder / "a");
    CHECK(change_after(
              missing.string(), [&] { fs::create_directory(folder / "another"); }, kNothingComes) ==
          "");
}

TEST_CASE("a process runs until it is stopped, a zombie or gone", "[os]") {
    Loop loop;
    OsLinux os(loop);
    const pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    REQUIRE(pid > 0);
    CHECK(os.runs(pid));
    REQUIRE(kill(pid, SIGSTOP) == 0);
    int status = 0;
    REQUIRE(waitpid(pid, &status, WUNTRACED) == pid);
    CHECK_FALSE(os.runs(pid));
    REQUIRE(kill(pid, SIGKILL) == 0);
    siginfo_t info{};
    REQUIRE(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
    CHECK_FALSE(os.runs(pid));  // a zombie
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_FALSE(os.runs(pid));
}

TEST_CASE("what cannot be read for want of descriptors is not taken for an end", "[os]") {
    Loop loop;
    OsLinux os(loop);
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{0, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const bool runs = os.runs(getpid());
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(runs);
}

TEST_CASE("the machine's time zone is told with its summer time", "[os]") {
    const std::string before = getenv("TZ") != nullptr ? getenv("TZ") : "";
    REQUIRE(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1) == 0);
    Loop loop;
    OsLinux os(loop);
    using steward::core::WallTime;
    CHECK(os.utc_offset(WallTime(1'767'225'600s)) == 1h);  // 2026-01-01
    CHECK(os.utc_offset(WallTime(1'782'864'000s)) == 2h);  // 2026-07-01
    before.empty() ? unsetenv("TZ") : setenv("TZ", before.c_str(), 1);
    tzset();
}
