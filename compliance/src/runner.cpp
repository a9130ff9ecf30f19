#include "runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <list>
#include <optional>
#include <stdexcept>
#include <utility>

#include <Poco/DigestEngine.h>
#include <Poco/SHA2Engine.h>

#include "call_note.hpp"
#include "front.hpp"
#include "process_look.hpp"
#include "program_names.hpp"
#include "scratch.hpp"
#include "steward/core/plugin_catalogue.hpp"
#include "steward/core/spawn.hpp"
#include "steward/core/unique_fd.hpp"
#include "verdict.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace steward::compliance {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMostOutput = 4096;
constexpr std::size_t kMostVerdict = 64 * 1024;
// Without it nothing else can be tried.
constexpr std::string_view kGate = "load-now";

// Where the file itself is. What is no file is told in the supervisor's words.
std::string real_file(const std::string& path, const std::string& refusal) {
    char resolved[PATH_MAX];
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
        throw std::runtime_error(refusal);
    }
    if (realpath(path.c_str(), resolved) == nullptr) {
        throw std::runtime_error(path + ": " + std::strerror(errno));
    }
    return resolved;
}

// Budgets are for plain code.
milliseconds budget_of(const Check& check) {
#ifdef STEWARD_SANITIZED
    return 5 * check.budget;
#else
    return check.budget;
#endif
}

std::string sha256_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    Poco::SHA2Engine engine(Poco::SHA2Engine::SHA_256);
    char block[65536];
    while (file.read(block, sizeof block) || file.gcount() > 0) {
        engine.update(block, static_cast<std::size_t>(file.gcount()));
    }
    return Poco::DigestEngine::digestToHex(engine.digest());
}

std::pair<core::UniqueFd, core::UniqueFd> make_pipe() {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        throw std::runtime_error(std::string("cannot make a pipe: ") + std::strerror(errno));
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return {core::UniqueFd(ends[0]), core::UniqueFd(ends[1])};
}

// Takes some of what is there, keeps `most` bytes in all. False at the end of the stream. Not all of
// it: a writer that is faster must not keep the runner from looking at the time.
bool take(int fd, std::string& text, std::size_t most) {
    constexpr int kBlocks = 64;
    char block[4096];
    for (int i = 0; i < kBlocks; ++i) {
        const ssize_t got = ::read(fd, block, sizeof block);
        if (got > 0) {
            text.append(
                block, std::min(static_cast<std::size_t>(got), most - std::min(most, text.size())));
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else {
            return got < 0 && errno == EAGAIN;
        }
    }
    return true;
}

struct Job {
    const Check* check = nullptr;
    core::ChildProcess child;
    core::UniqueFd output;
    core::UniqueFd verdict;
    core::UniqueFd call;  // as call_note.hpp has it
    std::string output_text;
    std::string verdict_text;
    Clock::time_point begun;
    bool killed = false;
};

class Runner {
  public:
    Runner(const RunRequest& request, std::string file)
        : request_(request), file_(std::move(file)), program_("/proc/self/exe") {}

    std::vector<Result> run() {
        // First alone: when it fails, the rest cannot be tried.
        std::deque<const Check*> waiting(request_.checks.begin(), request_.checks.end());
        if (!waiting.empty() && waiting.front()->id == kGate) {
            start(*waiting.front());
            waiting.pop_front();
            while (!jobs_.empty()) {
                wait();
            }
            gate_shut_ = is_bad(results_.front().outcome);
        }
        while (!waiting.empty() || !jobs_.empty()) {
            while (!waiting.empty() && jobs_.size() < std::max(1U, request_.jobs)) {
                const Check& next = *waiting.front();
                waiting.pop_front();
                if (gate_shut_) {
                    finish({&next, Outcome::kSkip, "the library does not load", {}, {}, {}, {}});
                } else {
                    start(next);
                }
            }
            if (!jobs_.empty()) {
                wait();
            }
        }
        std::sort(results_.begin(), results_.end(), [](const Result& a, const Result& b) {
            return a.check->number < b.check->number;
        });
        return std::move(results_);
    }

  private:
    void start(const Check& check) {
        auto [output, output_end] = make_pipe();
        auto [verdict, verdict_end] = make_pipe();
        auto call = make_call_note();
        core::ProcessSpec spec;
        spec.file = program_;
        spec.argv = {"steward-compliance",          "check",
                     std::string(check.id),         file_,
                     std::to_string(request_.seed), std::to_string(getpid())};
        for (char** variable = environ; *variable != nullptr; ++variable) {
            spec.environment.emplace_back(*variable);
        }
        spec.descriptors = {{-1, 0},
                            {output_end.get(), 1},
                            {output_end.get(), 2},
                            {verdict_end.get(), kVerdictFd},
                            {call.get(), kCallFd}};
        spec.new_session = true;
        auto child = core::spawn(spec);
        if (!child) {
            throw std::runtime_error(child.error().text);
        }
        jobs_.push_back({&check,
                         std::move(*child),
                         std::move(output),
                         std::move(verdict),
                         std::move(call),
                         {},
                         {},
                         Clock::now(),
                         false});
    }

    // Waits for something to happen to a child, and takes it in.
    void wait() {
        std::vector<pollfd> polled;
        polled.push_back({request_.front, POLLIN, 0});  // A negative descriptor is passed over.
        auto next_deadline = Clock::time_point::max();
        for (const Job& job : jobs_) {
            polled.push_back({job.child.pidfd.get(), POLLIN, 0});
            polled.push_back({job.output.get(), POLLIN, 0});
            polled.push_back({job.verdict.get(), POLLIN, 0});
            if (!job.killed) {
                next_deadline = std::min(next_deadline, job.begun + budget_of(*job.check));
            }
        }
        int timeout = -1;
        if (next_deadline != Clock::time_point::max()) {
            const auto left = std::chrono::ceil<milliseconds>(next_deadline - Clock::now());
            timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        }
        (void)::poll(polled.data(), polled.size(), timeout);
        if (polled.front().revents != 0) {
            for (const Job& job : jobs_) {
                (void)::kill(-job.child.pid, SIGKILL);
            }
            end_all_children();
            for (const Job& job : jobs_) {
                remove_scratch(job);
            }
            _exit(2);
        }
        std::size_t at = 1;
        for (auto job = jobs_.begin(); job != jobs_.end();) {
            const bool ended = polled[at].revents != 0;
            at += 3;
            read(*job);
            if (ended && end(*job)) {
                job = jobs_.erase(job);
                continue;
            }
            if (!job->killed && Clock::now() >= job->begun + budget_of(*job->check)) {
                kill(*job);
            }
            ++job;
        }
    }

    // At its end a stream is closed: poll() would report it again and again.
    static void read(Job& job) {
        if (job.output && !take(job.output.get(), job.output_text, kMostOutput)) {
            job.output.reset();
        }
        if (job.verdict && !take(job.verdict.get(), job.verdict_text, kMostVerdict)) {
            job.verdict.reset();
        }
    }

    static void kill(Job& job) {
        job.killed = true;
        // Not reaped yet, so the number of the group is still its own.
        (void)::kill(-job.child.pid, SIGKILL);
        (void)syscall(SYS_pidfd_send_signal, job.child.pidfd.get(), SIGKILL, nullptr, 0);
    }

    bool end(Job& job) {
        // While it is a zombie nobody else can have the number of its group.
        siginfo_t info{};
        if (waitid(P_PID, static_cast<id_t>(job.child.pid), &info, WEXITED | WNOWAIT | WNOHANG) !=
                0 ||
            info.si_pid == 0) {
            return false;
        }
        (void)::kill(-job.child.pid, SIGKILL);
        int status = 0;
        (void)core::reap(job.child, &status);
        end_strays();
        remove_scratch(job);
        read(job);
        finish(result_of(job, status));
        return true;
    }

    static void remove_scratch(const Job& job) {
        std::error_code ignored;
        std::filesystem::remove_all(scratch_folder(job.child.pid), ignored);
    }

    // What left the child's session came to this process, the subreaper.
    static void end_strays() {
        for (;;) {
            const auto strays = core::inherited_children();
            if (!strays || !end_processes(*strays)) {
                return;
            }
        }
    }

    static Result result_of(const Job& job, int status) {
        Result result;
        result.check = job.check;
        result.output = as_utf8(job.output_text);
        result.duration = std::chrono::duration_cast<milliseconds>(Clock::now() - job.begun);
        const auto verdict = verdict_of(job.verdict_text);
        const std::string call = read_call_note(job.call.get());
        const std::string where = call.empty() ? "" : " in " + call;
        if (verdict && !job.killed) {
            result.outcome = verdict->outcome;
            result.detail = verdict->detail;
            result.unusable = verdict->unusable;
        } else if (job.killed) {
            result.outcome = Outcome::kTimeout;
            result.detail = "it did not end within " +
                            std::to_string(budget_of(*job.check).count()) + " ms" +
                            (where.empty() ? "" : ", being" + where) +
                            "; it was killed with all it had started";
        } else {
            result.outcome = Outcome::kCrash;
            result.detail = WIFSIGNALED(status) ? std::string("it ended by signal ") +
                                                      std::to_string(WTERMSIG(status)) + " (" +
                                                      strsignal(WTERMSIG(status)) + ")" + where
                                                : "it ended the process with exit status " +
                                                      std::to_string(WEXITSTATUS(status)) + where +
                                                      " before the check was done";
        }
        return result;
    }

    void finish(Result result) {
        results_.push_back(std::move(result));
        if (request_.progress) {
            request_.progress(*results_.back().check, results_.size(), request_.checks.size());
        }
    }

    const RunRequest& request_;
    std::string file_;
    std::string program_;
    std::list<Job> jobs_;
    std::vector<Result> results_;
    bool gate_shut_ = false;
};

}  // namespace

Report run_checks(const RunRequest& request) {
    const auto begun = Clock::now();
    Report report;
    report.seed = request.seed;
    if (const auto reaper = core::become_subreaper(); !reaper) {
        throw std::runtime_error(reaper.error().text);
    }
    core::PluginCatalogue catalogue({next_to_program(kProber), next_to_program("plugins"), {}, {}});
    // With a slash, for it is no id.
    const auto info = catalogue.find(
        request.file.find('/') == std::string::npos ? "./" + request.file : request.file);
    if (info) {
        report.id = info->id;
        report.version = info->version;
    } else {
        report.refused = info.error().text;
    }
    report.file = real_file(request.file, report.refused);
    report.sha256 = sha256_of(report.file);
    report.results = Runner(request, report.file).run();
    report.duration = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
    return report;
}

bool was_loaded(const Report& report) {
    // Without the gate in the run, each check can say it.
    const bool all_unusable = !report.results.empty() &&
                              std::all_of(report.results.begin(), report.results.end(),
                                          [](const Result& result) { return result.unusable; });
    return !all_unusable &&
           std::none_of(report.results.begin(), report.results.end(), [](const Result& result) {
               return result.check->id == kGate && is_bad(result.outcome);
           });
}

}  // namespace steward::compliance
