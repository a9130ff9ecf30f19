#include "tree_walk.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <steward/sdk/guard.hpp>
#include <string>
#include <vector>

#include "catch.hpp"
#include "proc_fixture.hpp"

using namespace steward::metrics_proc;
using steward::tests::FixtureProcess;
using steward::tests::ProcFixture;

namespace {

Tree walk(const std::string& root, std::int32_t pid) {
    return walk_tree(root, pid, [] { return false; });
}

std::vector<std::int32_t> pids(const Tree& tree) {
    std::vector<std::int32_t> out;
    for (const Process& process : tree.processes) {
        out.push_back(process.pid);
    }
    return out;
}

using Pids = std::vector<std::int32_t>;

// While it lives, the test has no rights that an ordinary user has not.
class Unprivileged {
  public:
    Unprivileged() {
        if (geteuid() == 0) {
            REQUIRE(seteuid(65534) == 0);
        }
    }
    ~Unprivileged() {
        if (getuid() == 0) {
            (void)!seteuid(0);
        }
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
};

}  // namespace

TEST_CASE("the children of every thread belong to the tree, its root does not", "[metrics_proc]") {
    const Tree tree = walk(STEWARD_SOURCE_DIR "/tests/data/proc/service_tree", 100);
    std::vector<std::int32_t> found = pids(tree);
    REQUIRE(found.size() == 4);
    CHECK(found[0] == 101);
    CHECK(found[3] == 104);
    std::sort(found.begin(), found.end());
    CHECK(found == Pids{101, 102, 103, 104});
    CHECK_FALSE(tree.late);
    CHECK_FALSE(tree.too_many);
    for (const Process& process : tree.processes) {
        CHECK(process.is_zombie() == (process.pid == 102));
        CHECK(process.descriptors.has_value() == (process.pid != 102));
    }
}

TEST_CASE("a process of which anything has vanished is left out", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2, 3, 4}});
    proc.put({.pid = 2, .parent = 1});
    proc.put({.pid = 3, .parent = 1});
    SECTION("all of it") {
        proc.remove(2);
    }
    SECTION("its stat") {
        std::filesystem::remove(proc.folder(2) / "stat");
    }
    SECTION("its statm") {
        std::filesystem::remove(proc.folder(2) / "statm");
    }
    SECTION("its fd") {
        std::filesystem::remove_all(proc.folder(2) / "fd");
    }
    SECTION("the text of its stat") {
        ProcFixture::write(proc.folder(2) / "stat", "");
    }
    SECTION("half of its stat") {
        ProcFixture::write(proc.folder(2) / "stat", "2 (app) S 1 1");
    }
    SECTION("the text of its statm") {
        ProcFixture::write(proc.folder(2) / "statm", "");
    }
    CHECK(pids(walk(proc.root(), 1)) == Pids{3});
}

TEST_CASE("a tree without processes, or without a root, is empty", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1});
    CHECK(walk(proc.root(), 1).processes.empty());
    CHECK(walk(proc.root(), 99).processes.empty());
    CHECK(walk(proc.root() + "/none", 1).processes.empty());
    CHECK(walk("", 1'999'999'999).processes.empty());
}

TEST_CASE("a process is listed once, even if the tree is a ring", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2, 2, 3}});
    proc.put({.pid = 2, .parent = 1, .children = {3, 1}});
    proc.put({.pid = 3, .parent = 2, .children = {2, 3}});
    CHECK(pids(walk(proc.root(), 1)) == Pids{2, 3});
}

TEST_CASE("descriptors that may not be counted are unknown, the rest is known", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2, 3}});
    proc.put({.pid = 2, .parent = 1, .pages = 77});
    proc.put({.pid = 3, .parent = 1});
    std::filesystem::permissions(proc.folder(2) / "fd", std::filesystem::perms::none);
    Tree tree;
    {
        const Unprivileged user;
        tree = walk(proc.root(), 1);
    }
    std::filesystem::permissions(proc.folder(2) / "fd", std::filesystem::perms::owner_all);
    REQUIRE(pids(tree) == Pids{2, 3});
    CHECK_FALSE(tree.processes[0].descriptors);
    CHECK(tree.processes[0].resident_pages == 77);
    CHECK(tree.processes[1].descriptors == 3U);
}

TEST_CASE("a walk that is late ends before the next process", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2, 3, 4, 5}});
    for (const int pid : {2, 3, 4, 5}) {
        proc.put({.pid = pid, .parent = 1});
    }
    int calls = 0;
    const Tree tree = walk_tree(proc.root(), 1, [&] { return ++calls > 3; });
    CHECK(tree.late);
    CHECK(pids(tree) == Pids{2, 3});
}

TEST_CASE("a process whose first thread has ended is no zombie", "[metrics_proc]") {
    const ProcFixture proc;
    proc.put({.pid = 1, .children = {2, 3}});
    proc.put({.pid = 2, .parent = 1, .state = 'Z', .threads = 3});
    proc.put({.pid = 3, .parent = 1, .state = 'Z', .threads = 1});
    const Tree tree = walk(proc.root(), 1);
    REQUIRE(pids(tree) == Pids{2, 3});
    CHECK_FALSE(tree.processes[0].is_zombie());
    CHECK(tree.processes[1].is_zombie());
}

TEST_CASE("without a descriptor the walk fails instead of finding nothing", "[metrics_proc]") {
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int lowest_free = fcntl(0, F_DUPFD_CLOEXEC, 0);
    REQUIRE(lowest_free >= 0);
    close(lowest_free);
    // With 0 to 3 free descriptors each file of the walk is the one that cannot be opened.
    const int allowed = GENERATE(0, 1, 2);
    rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(lowest_free + allowed);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    std::exception_ptr caught;
    try {
        (void)walk(STEWARD_SOURCE_DIR "/tests/data/proc/service_tree", 100);
    } catch (...) {
        // Looked at when there are descriptors again: a sanitizer needs some to check the object.
        caught = std::current_exception();
    }
    setrlimit(RLIMIT_NOFILE, &before);
    REQUIRE(caught);
    steward_status status = STEWARD_OK;
    int error = 0;
    try {
        std::rethrow_exception(caught);
    } catch (const steward::sdk::Failure& failure) {
        status = failure.status();
        error = failure.sys_errno();
    }
    CHECK(status == STEWARD_E_IO);
    CHECK(error == EMFILE);
    CHECK(walk(STEWARD_SOURCE_DIR "/tests/data/proc/service_tree", 100).processes.size() == 4);
}
