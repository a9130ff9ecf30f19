// What can go wrong with an app, induced one by one: flask_explain names it.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bed.hpp"
#include "catch.hpp"
#include "net_kit.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;

class Explained {
  public:
    Explained(const Sandbox& sandbox, StewardStart start) : steward_(sandbox, std::move(start)) {
        steward_.initialize();
    }
    StewardProcess& steward() { return steward_; }

    // The text of flask_explain, once it holds all of these; as it is in the end if it never does.
    std::string text_with(const std::vector<std::string>& parts) {
        std::string text;
        wait_until([&] {
            text = text_at(steward_.tool("flask_explain"), "structuredContent.text");
            for (const auto& part : parts) {
                if (text.find(part) == std::string::npos) {
                    return false;
                }
            }
            return true;
        });
        return text;
    }

  private:
    StewardProcess steward_;
};

StewardStart with(Arguments args, Arguments app) {
    StewardStart start;
    start.args = std::move(args);
    start.app = std::move(app);
    return start;
}

// Once is enough, and what it led to stays to be looked at.
Arguments no_hurry() {
    return settings({"restart_backoff.base_ms=60000", "restart_backoff.cap_ms=60000"});
}

void check_named(Explained& explained, const std::vector<std::string>& parts) {
    const std::string text = explained.text_with(parts);
    for (const auto& part : parts) {
        CHECK_THAT(text, Catch::Contains(part));
    }
    CHECK(explained.steward().impure_lines().empty());
}

void check_named(const Sandbox& sandbox, Arguments args, Arguments app,
                 const std::vector<std::string>& parts) {
    Explained explained(sandbox, with(no_hurry() + std::move(args), std::move(app)));
    check_named(explained, parts);
}

Arguments python(const Sandbox& sandbox, const std::string& script) {
    return {STEWARD_TEST_PYTHON, sandbox.write("app/app.py", script), "--listen-fd", "{fd}"};
}

bool write_value(const std::string& file, const std::string& value) {
    std::ofstream out(file);
    out << value << std::flush;
    return out.good();
}

// What the limit pushes out may not go to the swap, or it limits nothing. Version 1 swaps nothing of
// a group with swappiness 0.
bool keep_from_swap(const std::string& group) {
    if (write_value(group + "/memory.swap.max", "0") ||
        write_value(group + "/memory.swappiness", "0")) {
        return true;
    }
    std::ifstream swaps("/proc/swaps");
    std::string line;
    std::getline(swaps, line);  // the heading
    return swaps.good() && !std::getline(swaps, line);
}

// A memory control group of its own, with a limit; there is none (an empty path) where this user
// may not make one.
class MemoryGroup {
  public:
    MemoryGroup() {
        const std::string limit = std::to_string(32 * 1024 * 1024);
        for (const auto& [root, name_of_limit] :
             {std::pair("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
              std::pair("/sys/fs/cgroup", "memory.max")}) {
            std::string name = std::string(root) + "/steward-test-XXXXXX";
            if (mkdtemp(name.data()) == nullptr) {
                continue;
            }
            if (write_value(name + "/" + name_of_limit, limit) && keep_from_swap(name)) {
                // Version 1, where it accounts swap: the limit of both.
                write_value(name + "/memory.memsw.limit_in_bytes", limit);
                path_ = name;
                return;
            }
            rmdir(name.c_str());
        }
    }
    ~MemoryGroup() {
        if (!path_.empty()) {
            wait_until([this] { return rmdir(path_.c_str()) == 0; }, Milliseconds(1000));
        }
    }
    MemoryGroup(const MemoryGroup&) = delete;
    MemoryGroup& operator=(const MemoryGroup&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// A file system of 64 KiB that is full; `made` is false where this user may not mount one.
class FullDisk {
  public:
    explicit FullDisk(std::string path) : path_(std::move(path)) {
        fs::create_directories(path_);
        made = unshare(CLONE_NEWNS) == 0 &&
               mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               mount("none", path_.c_str(), "tmpfs", 0, "size=64k") == 0;
        if (made) {
            std::ofstream file(path_ + "/filler", std::ios::binary);
            file << std::string(1024 * 1024, '.') << std::flush;
        }
    }
    ~FullDisk() {
        if (made) {
            umount2(path_.c_str(), MNT_DETACH);
        }
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

    bool made = false;

  private:
    std::string path_;
};

}  // namespace

TEST_CASE("explained: the kernel's out-of-memory killer", "[causes]") {
    const MemoryGroup group;
    if (group.path().empty()) {
        WARN(
            "no memory control group can be made here: only the unit tests of Service and OsLinux "
            "look at this cause");
        return;
    }
    const Sandbox sandbox;
    const auto script =
        sandbox.write("hog",
                      "#!/bin/sh\necho $$ > " + group.path() + "/cgroup.procs || exit 3\nexec " +
                          STEWARD_TEST_PYTHON + " -c 'x = b\"x\" * (1 << 29)'\n",
                      /*executable=*/true);
    check_named(sandbox, {}, {script},
                {"killed by signal 9 (SIGKILL)", "the kernel's out-of-memory killer has struck"});
}

TEST_CASE("explained: a segmentation fault", "[causes]") {
    const Sandbox sandbox;
    check_named(sandbox, {}, test_app({"--signal", std::to_string(SIGSEGV)}),
                {"killed by signal 11 (SIGSEGV)"});
}

TEST_CASE("explained: a program that is not there (ENOENT)", "[causes]") {
    const Sandbox sandbox;
    const auto program = sandbox.file("no/such/program");
    check_named(sandbox, {}, {program, "{fd}"}, {program, "No such file or directory"});
}

TEST_CASE("explained: a program that may not be executed (EACCES)", "[causes]") {
    const Sandbox sandbox;
    const auto program = sandbox.write("program", "#!/bin/sh\n", /*executable=*/false);
    check_named(sandbox, {}, {program, "{fd}"}, {program, "Permission denied"});
}

TEST_CASE("explained: an import that fails", "[causes]") {
    const Sandbox sandbox;
    check_named(sandbox, {}, python(sandbox, "from os import no_such_name\n"),
                {"ImportError: cannot import name 'no_such_name'", "mend what the cause names"});
}

TEST_CASE("explained: a syntax error", "[causes]") {
    const Sandbox sandbox;
    check_named(sandbox, {}, python(sandbox, "def broken(:\n"),
                {"SyntaxError", "mend what the cause names"});
}

TEST_CASE("explained: the port is taken", "[causes]") {
    const Sandbox sandbox;
    StewardStart start = with({"--port-tries", "1"}, test_app());
    start.port = free_port();
    const auto held = occupy("127.0.0.1", start.port, Ends::kListening);
    const std::string port = std::to_string(start.port);
    Explained explained(sandbox, std::move(start));
    check_named(explained, {"no port can be had", port, "in use"});
}

TEST_CASE("explained: a start that takes too long", "[causes]") {
    const Sandbox sandbox;
    check_named(sandbox, {"--startup-timeout", "200ms"}, test_app({"--start-delay-ms", "60000"}),
                {"not healthy within 200 ms"});
}

TEST_CASE("explained: an app that hangs", "[causes]") {
    const Sandbox sandbox;
    Explained explained(sandbox,
                        with(no_hurry() + Arguments{"--health-interval", "50ms", "--health-timeout",
                                                    "100ms", "--health-failures", "2"},
                             test_app({"--hang-after-ms", "300"})));
    explained.steward().wait_state("running");
    check_named(explained, {"2 failed health checks in a row", "GET /health", "no answer"});
}

TEST_CASE("explained: an answer with the wrong body", "[causes]") {
    const Sandbox sandbox;
    check_named(sandbox,
                settings({"health_http.path=/other"}) + Arguments{"--startup-timeout", "300ms"},
                test_app(), {"not healthy within 300 ms", "GET /other: 200", "/status"});
}

TEST_CASE("explained: a full disk that the app notices", "[causes]") {
    const Sandbox sandbox;
    check_named(sandbox, {},
                python(sandbox, "with open('/dev/full', 'w') as file:\n    file.write('x')\n"),
                {"exit code 1: OSError: [Errno 28] No space left on device"});
}

TEST_CASE("explained: a plugin that does not come back", "[causes]") {
    const Sandbox sandbox;
    Explained explained(sandbox,
                        with({"--plugin-dir", STEWARD_SLOW_PLUGINS, "--restart", "slow_restart"},
                             test_app({"--exit-code", "3"})));
    check_named(explained, {"slow_restart"});
    sandbox.wait_event("plugin.quarantined");
    check_named(explained, {"slow_restart", "quarantined"});
}

// Last: the mount namespace stays this program's.
TEST_CASE("explained: a disk so full that steward has no log", "[causes]") {
    const Sandbox sandbox;
    const FullDisk disk(sandbox.state());
    if (!disk.made) {
        WARN("no file system can be mounted here: only /dev/full looks at this cause");
        return;
    }
    check_named(sandbox, {},
                python(sandbox, "with open('" + sandbox.state() +
                                    "/more', 'w') as file:\n    file.write('x' * 100000)\n"),
                {"exit code 1: OSError: [Errno 28] No space left on device"});
}

}  // namespace steward::tests
