#include "plugin_prober.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

#include "plugin_answer.hpp"
#include "steward/core/machine.hpp"
#include "steward/core/spawn.hpp"

namespace steward::core {
namespace {

constexpr int kProbeTimeMs = 2000;  // for each file
constexpr int kEndTimeMs = 500;
// Of the plugin's own code the prober runs only this.
constexpr const char* kMustReturn =
    ": its static constructors, get_plugin, get_interface and config_schema must return";
constexpr std::size_t kMaxProbeOutput = 4 * 1024 * 1024;

std::int64_t now_ms() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return std::int64_t{ts.tv_sec} * 1000 + ts.tv_nsec / 1'000'000;
}

// How a prober ended.
struct ProberRun {
    bool loading = false;  // it was loading the file after those that it answered for
    std::string end;       // "ended the process that loaded it (exit code 3)"
};

// Takes what the prober prints until it ends, prints too much or is silent for too long. It answers
// for the files in their order, so a path that is no UTF-8 does no harm. True: it was silent.
bool read_answers(int fd, int pidfd, std::size_t expected, std::vector<PluginInfo>& answers,
                  bool& loading) {
    std::string text;
    std::array<char, 65536> buffer;
    std::int64_t deadline = now_ms() + kProbeTimeMs;
    for (;;) {
        // What a plugin has started may hold the output open longer than the prober lives.
        std::array<pollfd, 2> waiting{{{fd, POLLIN, 0}, {pidfd, POLLIN, 0}}};
        const auto left = std::max<std::int64_t>(0, deadline - now_ms());
        const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0 || text.size() > kMaxProbeOutput) {
            return true;
        }
        if (waiting[0].revents == 0) {
            return false;
        }
        const ssize_t n = read(fd, buffer.data(), buffer.size());
        if (n <= 0) {
            return false;
        }
        text.append(buffer.data(), static_cast<std::size_t>(n));
        for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
            const auto line = parse_object(text.substr(0, end));
            text.erase(0, end + 1);
            if (answers.size() == expected) {
                continue;
            }
            // The line after "loading" is the answer, whatever it holds: leaving it out would give
            // its place to the next file's.
            if (loading) {
                answers.push_back(judge_answer(line));
            }
            loading = !loading && line && line->optValue<bool>("loading", false);
            deadline = now_ms() + kProbeTimeMs;
        }
    }
}

// Kills and reaps the prober, however it is left (an exception).
class ProberEnd {
  public:
    explicit ProberEnd(ChildProcess child) : child_(std::move(child)) {}
    ~ProberEnd() { (void)wait_status(); }
    ProberEnd(const ProberEnd&) = delete;
    ProberEnd& operator=(const ProberEnd&) = delete;

    int pidfd() const { return child_.pidfd.get(); }

    // Waits for its end; false: it has not come.
    bool wait(int ms) const {
        const std::int64_t deadline = now_ms() + ms;
        pollfd end{child_.pidfd.get(), POLLIN, 0};
        int ready = 0;
        do {
            const auto left = std::max<std::int64_t>(0, deadline - now_ms());
            ready = ::poll(&end, 1, static_cast<int>(left));
        } while (ready < 0 && errno == EINTR);
        return ready > 0;
    }

    // Ends it, if it has not ended by itself.
    int wait_status() {
        if (!ended_) {
            ended_ = true;
            syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGKILL, nullptr, 0);
            // Not reaped yet, so the number of its group is its own.
            (void)kill(-child_.pid, SIGKILL);
            (void)wait(kProbeTimeMs);
            reap_later(std::move(child_), &status_);
        }
        return status_;
    }

    // Reaps what can be reaped; what not even SIGKILL has ended is tried again with the next
    // prober.
    static void reap_later(ChildProcess child, int* status) {
        static std::mutex mutex;
        static auto& left = *new std::vector<ChildProcess>();
        const std::lock_guard lock(mutex);
        std::erase_if(left, [](const ChildProcess& other) { return reap(other); });
        if (!reap(child, status)) {
            left.push_back(std::move(child));
        }
    }

  private:
    ChildProcess child_;
    bool ended_ = false;
    int status_ = 0;
};

ProberRun run_prober(const std::string& prober, const std::vector<std::string>& files,
                     std::vector<PluginInfo>& answers) {
    ProberRun run;
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        run.end = system_error("no pipe can be made").text;
        return run;
    }
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    ProcessSpec spec;
    spec.file = prober;
    spec.argv = {"steward-plugin-probe"};
    spec.argv.insert(spec.argv.end(), files.begin(), files.end());
    spec.descriptors = {{-1, 0}, {writer.get(), 1}, {-1, 2}};
    spec.new_session = true;  // What a plugin starts while it is loaded ends with the prober.
    auto child = spawn(spec);
    if (!child) {
        run.end = child.error().text;
        return run;
    }
    writer.reset();
    ProberEnd prober_end(std::move(*child));
    const bool silent =
        read_answers(reader.get(), prober_end.pidfd(), files.size(), answers, run.loading);
    if (!silent) {
        (void)prober_end.wait(kEndTimeMs);  // Who closes its output is about to end by itself.
    }
    const int status = prober_end.wait_status();
    const bool killed = WIFSIGNALED(status);
    const std::string how = describe_exit(killed, killed ? WTERMSIG(status) : WEXITSTATUS(status));
    if (silent) {
        run.end = run.loading ? "did not come back within 2 s from being loaded"
                              : "steward-plugin-probe says nothing";
    } else {
        run.end =
            (run.loading ? "ended the process that loaded it (" : "steward-plugin-probe ended (") +
            how + ")";
    }
    return run;
}

}  // namespace

// The one that the prober dies or hangs on is named, and a new prober goes on behind it.
std::map<std::string, Probed> probe_plugins(const std::string& prober,
                                            std::vector<std::string> files) {
    std::map<std::string, Probed> probed;
    while (!files.empty()) {
        std::vector<PluginInfo> got;
        const ProberRun run = run_prober(prober, files, got);
        for (std::size_t i = 0; i < got.size(); ++i) {
            probed[files[i]] = {std::move(got[i]), true};
        }
        files.erase(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(got.size()));
        if (!files.empty() && !run.loading && got.empty()) {
            // No file is at fault, and another attempt would end like this one.
            for (const auto& file : files) {
                probed[file].info.error = "cannot be examined: " + run.end;
            }
            break;
        }
        if (!files.empty() && run.loading) {
            Probed& fatal = probed[files.front()];
            fatal.info.error = run.end + kMustReturn;
            fatal.is_verdict = true;
            files.erase(files.begin());
        }
    }
    return probed;
}

}  // namespace steward::core
