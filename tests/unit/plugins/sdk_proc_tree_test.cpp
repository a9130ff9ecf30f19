// proc_tree.hpp over fixtures, and over this process itself.
#include <steward/sdk/proc_tree.hpp>

#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "catch.hpp"

namespace {

namespace fs = std::filesystem;
using steward::sdk::descendants;
using steward::sdk::descendants_within;
using Pids = std::vector<std::int32_t>;

// A /proc of a test's own, removed at its end.
class ProcRoot {
  public:
    ProcRoot() {
        std::string name = (fs::temp_directory_path() / "steward-proc-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        root_ = name;
    }
    ~ProcRoot() { fs::remove_all(root_); }
    ProcRoot(const ProcRoot&) = delete;
    ProcRoot& operator=(const ProcRoot&) = delete;
    ProcRoot(ProcRoot&&) = delete;
    ProcRoot& operator=(ProcRoot&&) = delete;

    void task(int pid, int tid, const std::string& children) const {
        const fs::path folder =
            fs::path(root_) / std::to_string(pid) / "task" / std::to_string(tid);
        fs::create_directories(folder);
        std::ofstream(folder / "children") << children;
    }
    [[nodiscard]] const std::string& path() const { return root_; }

  private:
    std::string root_;
};

Pids sorted(Pids pids) {
    std::sort(pids.begin(), pids.end());
    return pids;
}

}  // namespace

TEST_CASE("descendants are found through every thread, without the root", "[sdk][proc_tree]") {
    const ProcRoot proc;
    proc.task(10, 10, "11 12 ");
    proc.task(10, 15, "13 ");
    proc.task(11, 11, "");
    proc.task(12, 12, "14 ");
    proc.task(13, 13, "");
    proc.task(14, 14, "");
    proc.task(1, 1, "10 ");
    CHECK(sorted(descendants(proc.path(), 10, 100)) == Pids{11, 12, 13, 14});
    CHECK(descendants(proc.path(), 10, 100).back() == 14);
    CHECK(descendants(proc.path(), 14, 100).empty());
    CHECK(descendants(proc.path(), 99, 100).empty());
}

TEST_CASE("a limit is kept", "[sdk][proc_tree]") {
    const ProcRoot proc;
    std::string many;
    for (int pid = 1000; pid < 3000; ++pid) {
        many += std::to_string(pid) + " ";
    }
    proc.task(10, 10, many);
    CHECK(descendants(proc.path(), 10, 5000).size() == 2000);
    CHECK(descendants(proc.path(), 10, 7).size() == 7);
    CHECK(descendants(proc.path(), 10, 0).empty());
}

TEST_CASE("what is beyond a limit is told of, and not looked at", "[sdk][proc_tree]") {
    using steward::sdk::descendants_within;
    const ProcRoot proc;
    proc.task(10, 10, "1234567890 12 ");
    proc.task(10, 15, "13 ");
    proc.task(12, 12, "14 ");
    proc.task(12, 16, "");
    proc.task(13, 13, "");
    proc.task(14, 14, "");
    const auto whole = descendants_within(proc.path(), 10, {100, 6});
    CHECK(sorted(whole.pids) == Pids{12, 13, 14, 1234567890});
    CHECK_FALSE(whole.truncated);
    const auto threads = descendants_within(proc.path(), 10, {100, 1});
    CHECK(threads.pids == Pids{1234567890, 12});
    CHECK(threads.truncated);
    CHECK(descendants_within(proc.path(), 10, {100, 5}).truncated);
    const auto processes = descendants_within(proc.path(), 10, {2, 100});
    CHECK(processes.pids == Pids{1234567890, 12});
    CHECK(processes.truncated);
    // A file of much more than is wanted is not read to its end, nor a number taken in half.
    std::string many;
    for (int pid = 1000000000; pid < 1000020000; ++pid) {
        many += std::to_string(pid) + " ";
    }
    proc.task(20, 20, many);
    for (const std::size_t limit : {1, 372, 373, 400, 745}) {
        const auto some = descendants_within(proc.path(), 20, {limit, 100}).pids;
        CHECK(some.size() == limit);
        CHECK(some.back() == 1000000000 + static_cast<int>(limit) - 1);
    }
}

TEST_CASE("who has no time left is told how far it came", "[sdk][proc_tree]") {
    const ProcRoot proc;
    proc.task(10, 10, "11 ");
    proc.task(11, 11, "12 ");
    proc.task(12, 12, "");
    int looks = 0;
    const auto found = descendants_within(proc.path(), 10, {}, [&] { return ++looks <= 2; });
    CHECK(found.pids == Pids{11, 12});
    CHECK(found.truncated);
    CHECK(looks == 3);
    CHECK(found.error == 0);
}

TEST_CASE("a lack of descriptors is told, and is no empty tree", "[sdk][proc_tree]") {
    const ProcRoot proc;
    proc.task(10, 10, "11 ");
    proc.task(11, 11, "");
    struct rlimit usual {};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &usual) == 0);
    const struct rlimit none = {3, usual.rlim_max};  // 0 to 2 are open
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto found = descendants_within(proc.path(), 10, {});
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &usual) == 0);
    CHECK(found.error == EMFILE);
    CHECK(found.pids.empty());
    CHECK(descendants_within(proc.path(), 10, {}).error == 0);
    CHECK(descendants_within(proc.path(), 99, {}).error == 0);  // there is none: no lack
}

TEST_CASE("vanished processes, circles and nonsense do no harm", "[sdk][proc_tree]") {
    const ProcRoot proc;
    proc.task(10, 10, "11 12 11 ");  // 12 has vanished
    proc.task(11, 11, "10 11 x -5 0 99999999999 13");
    fs::create_directories(fs::path(proc.path()) / "13" / "task" / "13");  // no children file
    CHECK(sorted(descendants(proc.path(), 10, 100)) == Pids{11, 12, 13});
    CHECK(descendants(proc.path() + "/nowhere", 10, 100).empty());
}

TEST_CASE("a child of this process is found in the real /proc", "[sdk][proc_tree]") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        char byte = 0;
        (void)::close(ends[1]);
        (void)!::read(ends[0], &byte, 1);
        ::_exit(0);
    }
    CHECK(descendants("/proc", ::getpid(), 1000) == Pids{child});
    (void)::close(ends[0]);
    (void)::close(ends[1]);
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
