// metrics_proc on the real /proc, with processes that the test starts: all descendants of the test
// itself.
#include <Poco/Pipe.h>
#include <Poco/Process.h>
#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "catch.hpp"
#include "metrics_bench.hpp"
#include "tree_walk.hpp"

using namespace steward::tests;
using namespace std::chrono_literals;
using steward::metrics_proc::Process;
using steward::metrics_proc::Tree;
using steward::metrics_proc::walk_tree;

namespace {

// The load program, which ends with its standard input.
class Load {
  public:
    explicit Load(const Poco::Process::Args& args)
        : handle_(Poco::Process::launch(STEWARD_TEST_LOAD, args, &input_, &output_, nullptr)) {}
    ~Load() { end(); }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    std::string read_line() {
        std::string line;
        char c = 0;
        while (output_.readBytes(&c, 1) == 1 && c != '\n') {
            line += c;
        }
        return line;
    }
    int end() {
        input_.close(Poco::Pipe::CLOSE_WRITE);
        return ended_ ? 0 : (ended_ = true, handle_.wait());
    }
    [[nodiscard]] int pid() const { return handle_.id(); }

  private:
    Poco::Pipe input_;
    Poco::Pipe output_;
    Poco::ProcessHandle handle_;
    bool ended_ = false;
};

// VmRSS of the process, in bytes.
double resident_bytes(std::int32_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmRSS:", 0) == 0) {
            return std::stod(line.substr(6)) * 1024;
        }
    }
    return 0;
}

Tree own_tree() {
    return walk_tree("/proc", getpid(), [] { return false; });
}

}  // namespace

TEST_CASE("memory, processes and threads agree with /proc within 10 percent",
          "[metrics_proc][proc]") {
    Load load({"hold", "4", "8"});
    REQUIRE(load.read_line() == "ready");
    MetricsBench bench;
    REQUIRE(bench.sample("/proc", getpid()) == STEWARD_OK);
    double expected = 0;
    const Tree tree = own_tree();
    for (const Process& process : tree.processes) {
        expected += resident_bytes(process.pid);
    }
    CHECK(tree.processes.size() == 5);
    CHECK(bench.value("processes") == 5);
    CHECK(bench.value("threads") == 5);
    CHECK(expected > 4 * 8 * 1024.0 * 1024);
    CHECK(bench.value("rss_bytes") > 0.9 * expected);
    CHECK(bench.value("rss_bytes") < 1.1 * expected);
    // Standard input, output and error, and the pipe that the five share.
    CHECK(bench.value("fds") == 5 * 5);
    CHECK(load.end() == 0);
    CHECK(bench.sample("/proc", getpid()) == STEWARD_E_GONE);
}

TEST_CASE("the CPU time of a child that has ended agrees with getrusage within 10 percent",
          "[metrics_proc][proc]") {
    MetricsBench bench;
    Load load({"burn", "400"});
    std::istringstream line(load.read_line());
    std::string word;
    double used = 0;
    line >> word >> used;
    REQUIRE(word == "burnt");
    used /= 1e6;
    CHECK(used >= 0.4);
    REQUIRE(bench.sample("/proc", getpid()) == STEWARD_OK);
    CHECK(bench.value("cpu_seconds_total") > 0.9 * used);
    CHECK(bench.value("cpu_seconds_total") < 1.1 * used + 0.02);
    CHECK(bench.value("cpu_percent") > 0);
}

TEST_CASE("a tree that forks and dies meanwhile causes no error and no duplicate",
          "[metrics_proc][proc]") {
    Load load({"churn"});
    REQUIRE(load.read_line() == "ready");
    MetricsBench bench;
    double last_seconds = 0;
    std::size_t most = 0;
    for (int round = 0; round < 500; ++round) {
        REQUIRE(bench.sample("/proc", getpid()) == STEWARD_OK);
        REQUIRE(bench.value("cpu_seconds_total") >= last_seconds);
        last_seconds = bench.value("cpu_seconds_total");
        const Tree tree = own_tree();
        std::set<std::pair<std::int32_t, std::uint64_t>> seen;
        for (const Process& process : tree.processes) {
            if (!seen.emplace(process.pid, process.stat.start_ticks).second) {
                FAIL("process " << process.pid << " is listed twice");
            }
        }
        most = std::max(most, tree.processes.size());
    }
    // Short-lived ones were seen at all.
    CHECK(most >= 2);
    CHECK(load.end() == 0);
}
