#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "commands.hpp"
#include "session.hpp"
#include "state_folder.hpp"
#include "steward/core/spawn.hpp"
#include "steward/prompts/store.hpp"

namespace steward::host {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long an attempt may take to come up, and what it leaves may take to go.
constexpr std::chrono::seconds kPatience{10};
// The promise: nothing is alive so long after the supervisor's death.
constexpr std::chrono::seconds kGoneWithin{1};
// What a server needs at the least: its threads' descriptors, an app's pipes, some clients.
constexpr rlim_t kFewDescriptors = 256;

// What a client says first; the app starts then.
constexpr std::string_view kInitialize =
    R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"any",)"
    R"("capabilities":{},"clientInfo":{"name":"doctor","version":"1"}}})"
    "\n";

std::string reason(int error) {
    return std::system_category().message(error);
}

// Prints one line for each guarantee and remembers whether all hold.
class Report {
  public:
    void holds(const std::string& guarantee, const std::string& why) {
        fmt::print("holds   {}: {}\n", guarantee, why);
    }
    void fails(const std::string& guarantee, const std::string& why) {
        fmt::print("FAILS   {}: {}\n", guarantee, why);
        all_hold_ = false;
    }
    void say(const std::string& guarantee, const core::Result<std::string>& found) {
        found ? holds(guarantee, *found) : fails(guarantee, found.error().text);
    }
    [[nodiscard]] bool all_hold() const { return all_hold_; }

  private:
    bool all_hold_ = true;
};

// ---- a supervisor that is ended on purpose

// Live processes whose environment holds `mark`.
std::vector<pid_t> marked(const std::string& mark) {
    std::vector<pid_t> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) {
            continue;
        }
        std::ifstream file(entry.path() / "environ", std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        if (text.find(mark) != std::string::npos) {  // of a zombie it is empty
            out.push_back(static_cast<pid_t>(std::stol(name)));
        }
    }
    return out;
}

// Looks every 2 ms: nothing tells of the end of a process that is nobody's child here.
bool wait_for(const std::function<bool()>& done, Clock::duration limit) {
    const auto end = Clock::now() + limit;
    while (!done()) {
        if (Clock::now() > end) {
            return false;
        }
        poll(nullptr, 0, 2);
    }
    return true;
}

// A folder that goes with everything in it.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::error_code error;
        std::string name = (fs::temp_directory_path(error) / "steward-doctor-XXXXXX").string();
        path_ = mkdtemp(name.data()) == nullptr ? std::string() : name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        if (!path_.empty()) {
            fs::remove_all(path_, ignored);
        }
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// Starts a supervisor with an app that ignores SIGTERM and has a daemon of its own (another session,
// another parent), ends the supervisor by `signal`, and waits until both are gone.
core::Result<std::string> end_supervisor(const Paths& paths, int signal) {
    if (access(paths.guardian.c_str(), X_OK) != 0) {
        return core::Error{
            fmt::format("{} cannot be executed; build or install Steward again", paths.guardian)};
    }
    const TemporaryFolder folder;
    if (folder.path().empty()) {
        return core::Error{"no temporary folder can be made: " + reason(errno)};
    }
    const std::string mark =
        fmt::format("STEWARD_DOCTOR={:08x}{:08x}", std::random_device()(), std::random_device()());
    std::array<int, 2> pipe{};
    if (pipe2(pipe.data(), O_CLOEXEC) != 0) {
        return core::Error{"no pipe can be made: " + reason(errno)};
    }
    core::UniqueFd input(pipe[0]);
    const core::UniqueFd client(pipe[1]);  // its end, also by the death of this command, ends it
    core::ProcessSpec spec;
    spec.file = paths.program;
    spec.argv = {paths.program,
                 "mcp",
                 "--health",
                 "none",
                 "--restart",
                 "none",
                 "--metrics",
                 "none",
                 "--exit-timeout",
                 "200ms",
                 "--env",
                 mark,
                 "--",
                 "/bin/sh",
                 "-c",
                 "trap '' TERM; (setsid sleep 60 &); while :; do sleep 1; done"};
    const char* const path = std::getenv("PATH");
    spec.environment = {std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin"),
                        "HOME=" + folder.path(), "XDG_STATE_HOME=" + folder.path(),
                        "XDG_CACHE_HOME=" + folder.path()};
    spec.descriptors = {{input.get(), 0}, {-1, 1}, {-1, 2}};
    spec.new_session = true;
    const auto supervisor = core::spawn(spec);
    if (!supervisor) {
        return supervisor.error();
    }
    input.reset();
    const bool asked = write(client.get(), kInitialize.data(), kInitialize.size()) ==
                       static_cast<ssize_t>(kInitialize.size());
    // The shell, its `sleep`, and the daemon.
    const bool up = asked && wait_for([&] { return marked(mark).size() >= 3; }, kPatience);
    const auto begin = Clock::now();
    kill(supervisor->pid, signal);
    const bool gone =
        wait_for([&] { return marked(mark).empty(); }, up ? kPatience : 2 * kGoneWithin);
    const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
    pollfd ended{supervisor->pidfd.get(), POLLIN, 0};
    if (poll(&ended, 1, static_cast<int>(milliseconds(kPatience).count())) <= 0) {
        kill(supervisor->pid, SIGKILL);
        poll(&ended, 1, 1000);
    }
    core::reap(*supervisor);
    if (!up) {
        return core::Error{
            "a supervisor with an app could not be started; `steward run --health "
            "none -- sleep 60` says why"};
    }
    if (!gone || took > kGoneWithin) {
        const auto left = marked(mark);
        for (const pid_t pid : left) {
            kill(pid, SIGKILL);  // Ours by its mark, a moment ago.
        }
        return core::Error{left.empty() ? fmt::format("it took {} ms", took.count())
                                        : fmt::format("{} processes are left after {} ms",
                                                      left.size(), took.count())};
    }
    return fmt::format("tried: an app that ignores SIGTERM and its daemon were gone after {} ms",
                       took.count());
}

// ---- what can be asked without starting anything

core::Result<std::string> hand_over() {
    const core::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!listener ||
        bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener.get(), 1) != 0) {
        return core::Error{"no socket can listen on 127.0.0.1: " + reason(errno)};
    }
    return std::string("the supervisor listens on 127.0.0.1 itself and keeps the socket");
}

// Who listens is found in the socket table, whose it is in /proc/PID/fd.
core::Result<std::string> names_strangers() {
    for (const char* table : {"/proc/net/tcp", "/proc/self/fd"}) {
        if (access(table, R_OK) != 0) {
            return core::Error{
                fmt::format("{} cannot be read: {}; mount /proc", table, reason(errno))};
        }
    }
    const core::UniqueFd six(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return std::string(six ? "the socket tables of IPv4 and IPv6 can be read"
                           : "the socket table can be read; there is no IPv6 here");
}

core::Result<std::string> sees_processes() {
    const std::string children = fmt::format("/proc/self/task/{}/children", getpid());
    for (const auto& file : {std::string("/proc/self/stat"), children}) {
        if (access(file.c_str(), R_OK) != 0) {
            return core::Error{fmt::format(
                "{} cannot be read: {}; mount /proc (and a kernel with CONFIG_PROC_CHILDREN)", file,
                reason(errno))};
        }
    }
    return std::string("/proc tells state, CPU and memory of each process");
}

core::Result<std::string> takes_output() {
    constexpr int kWanted = 1024 * 1024;
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        return core::Error{"no pipe can be made: " + reason(errno)};
    }
    const core::UniqueFd reader(ends[0]);
    const core::UniqueFd writer(ends[1]);
    const int size = fcntl(writer.get(), F_SETPIPE_SZ, kWanted);
    if (size < kWanted) {
        return core::Error{
            fmt::format("a pipe holds {} KiB, not 1 MiB: an app that writes in bursts may wait; "
                        "raise /proc/sys/fs/pipe-max-size or pipe-user-pages-soft",
                        std::max(fcntl(writer.get(), F_GETPIPE_SZ), 0) / 1024)};
    }
    return std::string("a pipe of 1 MiB is always drained; what no disk takes is counted");
}

core::Result<std::string> knows_suspend() {
    timespec time{};
    if (clock_gettime(CLOCK_BOOTTIME, &time) != 0) {
        return core::Error{"there is no CLOCK_BOOTTIME: a suspend may count as a hang"};
    }
    return std::string(
        "CLOCK_BOOTTIME tells a suspend from a hang; no decision uses the wall clock");
}

core::Result<std::string> sees_changes(const std::string& data_dir) {
    const core::UniqueFd watch(inotify_init1(IN_CLOEXEC));
    if (!watch) {
        return core::Error{
            fmt::format("inotify is not to be had ({}): changes are looked for once a "
                        "second; raise fs.inotify.max_user_instances",
                        reason(errno))};
    }
    std::error_code error;
    if (!fs::is_directory(data_dir, error)) {
        return fmt::format("{} is not there yet; inotify is", data_dir);
    }
    prompts::PromptStore store(data_dir);
    const auto count = store.count();
    if (!store.is_watched()) {
        return core::Error{
            fmt::format("{} cannot be watched (a network file system, or too many "
                        "watches): changes are looked for once a second",
                        data_dir)};
    }
    return fmt::format("{} with {} prompts is watched", data_dir, count);
}

core::Result<std::string> has_room() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < kFewDescriptors) {
        return core::Error{
            fmt::format("only {} open files are allowed: give at least {} (ulimit -n)",
                        files.rlim_cur, kFewDescriptors)};
    }
    return fmt::format("{} open files are allowed", files.rlim_cur);
}

core::Result<std::string> keeps_log() {
    const std::string base = StateFolder::base_folder();
    if (const auto why = why_not_writable(base); !why.empty()) {
        return core::Error{
            fmt::format("{} cannot be written: {}; there will be no log and no "
                        "`steward status`; set XDG_STATE_HOME or change its rights",
                        base, why)};
    }
    return base + " can be written";
}

}  // namespace

int doctor_command(const Options& options) {
    const auto paths = find_paths();
    // What is tried is cleaned up before a signal ends this command, and a pipe that nobody reads is
    // an error, not the end.
    sigset_t before;
    const sigset_t ending = Session::ending_signals();
    pthread_sigmask(SIG_BLOCK, &ending, &before);
    signal(SIGPIPE, SIG_IGN);
    Report report;
    report.say("a supervisor that is killed (SIGKILL) leaves nothing",
               end_supervisor(paths, SIGKILL));
    report.say("a supervisor that is told to end (SIGTERM) leaves nothing",
               end_supervisor(paths, SIGTERM));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    report.say("the port never closes while an app restarts", hand_over());
    report.say("a stranger on the port is named", names_strangers());
    report.say("health is judged by the process, too", sees_processes());
    report.say("the app's output never holds it up", takes_output());
    report.say("no clock makes a false restart", knows_suspend());
    report.say("changes of prompts are seen at once", sees_changes(options.data_dir));
    report.say("there is room for what a session opens", has_room());
    report.say("what happened can be read later", keeps_log());
    return report.all_hold() ? 0 : 2;
}

}  // namespace steward::host
