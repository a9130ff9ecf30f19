// The app's output at full speed: the account is exact, memory is bounded, and the app never waits
// for the disk. STEWARD_OUTPUT_BYTES in the environment makes it more than 256 MB.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "bed.hpp"
#include "catch.hpp"

namespace steward::tests {
namespace {

constexpr long kMiB = 1024;  // in kB
constexpr Milliseconds kFlood{120'000};

std::int64_t flood_bytes() {
    const char* const more = std::getenv("STEWARD_OUTPUT_BYTES");
    return more == nullptr ? 256'000'000 : std::atoll(more);
}

long pss_kb(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string word; file >> word;) {
        if (word == "Pss:") {
            long kb = 0;
            file >> kb;
            return kb;
        }
    }
    throw std::runtime_error("no Pss in smaps_rollup of " + std::to_string(pid));
}

// Stops one thread of steward as a write that never returns would; false where tracing is not
// allowed.
class StoppedThread {
  public:
    StoppedThread(pid_t process, const std::string& name) {
        const std::string tasks = "/proc/" + std::to_string(process) + "/task";
        for (const auto& entry : std::filesystem::directory_iterator(tasks)) {
            std::string comm = read_file(entry.path().string() + "/comm");
            if (comm == name + "\n") {
                thread_ = std::atoi(entry.path().filename().c_str());
            }
        }
        if (thread_ == 0) {
            throw std::runtime_error("steward has no thread " + name);
        }
        int status = 0;
        stopped_ = ptrace(PTRACE_SEIZE, thread_, 0, 0) == 0 &&
                   ptrace(PTRACE_INTERRUPT, thread_, 0, 0) == 0 &&
                   waitpid(thread_, &status, __WALL) == thread_;
    }
    ~StoppedThread() { go_on(); }
    StoppedThread(const StoppedThread&) = delete;
    StoppedThread& operator=(const StoppedThread&) = delete;

    bool stopped() const { return stopped_; }
    void go_on() {
        if (std::exchange(stopped_, false)) {
            ptrace(PTRACE_DETACH, thread_, 0, 0);
        }
    }

  private:
    pid_t thread_ = 0;
    bool stopped_ = false;
};

// The sum of "N lines (M bytes) of the app's output were dropped" in the files of the app's output,
// and of the app's bytes in them.
struct InFiles {
    std::int64_t dropped = 0;
    std::int64_t kept = 0;
};

InFiles in_files(const Sandbox& sandbox) {
    InFiles sum;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(sandbox.state())) {
        if (entry.path().filename().string().rfind("app.log", 0) != 0) {
            continue;
        }
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) {
            const auto kind = line.find(' ', line.find(' ') + 1) + 1;
            if (line.compare(kind, 4, "log ") == 0) {
                sum.dropped += std::atoll(line.c_str() + line.find('(') + 1);
            } else {
                sum.kept += static_cast<std::int64_t>(line.size() - kind - 4 + 1);
            }
        }
    }
    return sum;
}

std::string app_log(const Sandbox& sandbox) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(sandbox.state())) {
        if (entry.path().filename() == "app.log") {
            return read_file(entry.path().string());
        }
    }
    return {};
}

bool adds_up(const Json& status) {
    return number_at(status, "output.read_bytes") == number_at(status, "output.written_bytes") +
                                                         number_at(status, "output.dropped_bytes") +
                                                         number_at(status, "output.waiting_bytes");
}

// flood_app in a bed of its own; it writes nothing before go().
class Flood {
  public:
    Flood()
        : bed_({"--health", "none", "--port-strategy", "none"},
               {STEWARD_FLOOD_APP, std::to_string(flood_bytes()), place_.path()}) {
        bed_.wait_status([](const Json& status) { return number_at(status, "pid") > 0; });
    }
    Bed& bed() { return bed_; }
    pid_t pid() { return bed_.steward().pid(); }
    void go() { place_.write("go", ""); }
    // "TOTAL LONGEST" of the report, in milliseconds.
    std::pair<long, long> wait(const std::string& name) {
        const bool came = wait_until(
            [&] {
                bed_.steward().pump();
                return std::filesystem::exists(place_.file(name));
            },
            kFlood);
        if (!came) {
            throw std::runtime_error("the app has not come to " + name);
        }
        std::ifstream file(place_.file(name));
        std::pair<long, long> times;
        file >> times.first >> times.second;
        return times;
    }
    // Once nothing waits any more.
    Json settled() {
        return bed_.wait_status([](const Json& status) {
            return number_at(status, "output.read_bytes") == flood_bytes() &&
                   number_at(status, "output.waiting_bytes") == 0;
        });
    }

  private:
    Sandbox place_;
    Bed bed_;
};

}  // namespace

TEST_CASE("output at full speed: the account is exact and the memory bounded") {
    Flood flood;
    flood.go();
    flood.wait("tenth");
    const long early = pss_kb(flood.pid());
    flood.wait("done");
    const long late = pss_kb(flood.pid());
    CHECK(late <= early + kMiB);
    const Json status = flood.settled();
    INFO(Poco::Dynamic::Var(status).toString());
    CHECK(adds_up(status));
    const InFiles files = in_files(flood.bed().sandbox());
    CHECK(files.kept ==
          number_at(status, "output.written_bytes") - number_at(status, "output.expired_bytes"));
    CHECK(files.dropped <= number_at(status, "output.dropped_bytes"));
    REQUIRE(flood.bed().end().code == 0);
}

TEST_CASE("output while the disk takes nothing: the app never waits, and the account is exact") {
    Flood flood;
    StoppedThread disk(flood.pid(), "log");
    if (!disk.stopped()) {
        WARN("left out: this machine does not let a process be traced");
        return;
    }
    flood.go();
    flood.wait("tenth");
    const long early = pss_kb(flood.pid());
    const auto [total, longest] = flood.wait("done");
    INFO("all took " << total << " ms, the longest write " << longest << " ms");
    CHECK(longest < 1000);
    CHECK(pss_kb(flood.pid()) <= early + kMiB);
    const Json stuck = flood.bed().wait_status(
        [](const Json& status) { return number_at(status, "output.read_bytes") == flood_bytes(); });
    CHECK(adds_up(stuck));
    CHECK(number_at(stuck, "output.written_bytes") == 0);
    CHECK(number_at(stuck, "output.waiting_bytes") <= 4 * 1024 * 1024);
    CHECK(number_at(stuck, "healthy") == 1);

    disk.go_on();
    const Json status = flood.settled();
    INFO(Poco::Dynamic::Var(status).toString());
    CHECK(adds_up(status));
    // What is kept fits into the first file, so that everything can be counted there.
    CHECK(number_at(status, "output.expired_bytes") == 0);
    REQUIRE(wait_until([&] {
        return in_files(flood.bed().sandbox()).dropped == number_at(status, "output.dropped_bytes");
    }));
    CHECK(in_files(flood.bed().sandbox()).kept == number_at(status, "output.written_bytes"));
    const Json began = flood.bed().wait_event("output.degraded");
    CHECK(text_at(began, "cause").rfind("the app's output cannot be kept in full: ", 0) == 0);
    const Json over = flood.bed().wait_event("output.resumed");
    CHECK(number_at(over, "dropped_bytes") == number_at(status, "output.dropped_bytes"));
    CHECK(flood.bed().events("output.degraded").size() == 1);
    REQUIRE(flood.bed().end().code == 0);
}

TEST_CASE("the last lines before a crash stand in its record") {
    const std::string script =
        "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo frame $i >&2; done; "
        "printf 'what broke' >&2; kill -SEGV $$";
    Bed bed({"--health", "none", "--port-strategy", "none"}, {"/bin/sh", "-c", script});
    const Json exit = bed.wait_event("service.exit");
    CHECK(number_at(exit, "signal") == SIGSEGV);
    std::string expected;
    for (int i = 22; i <= 30; ++i) {
        expected += "frame " + std::to_string(i) + "\n";
    }
    CHECK(text_at(exit, "output_tail") == expected + "what broke");
    REQUIRE(bed.end().code == 0);
}

TEST_CASE("what the app writes as its very last is in the file") {
    Bed bed({"--health", "none", "--port-strategy", "none"},
            {"/bin/sh", "-c", "trap 'echo good bye; exit 0' TERM; while :; do sleep 0.01; done"});
    bed.wait_status([](const Json& status) { return number_at(status, "pid") > 0; });
    const auto pid = static_cast<pid_t>(number_at(bed.status(), "pid"));
    // The trap is set once the shell has its first child.
    REQUIRE(wait_until([&] { return !children_of(pid).empty(); }));
    REQUIRE(bed.end().code == 0);
    CHECK(app_log(bed.sandbox()).find(" out good bye\n") != std::string::npos);
}

}  // namespace steward::tests
