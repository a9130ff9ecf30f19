// Resources: descriptors, memory, and what belongs to the whole process.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "captured_output.hpp"
#include "check.hpp"
#include "elf_file.hpp"
#include "helper_process.hpp"
#include "process_look.hpp"
#include "settings.hpp"
#include "steward/core/spawn.hpp"
#include "strategies.hpp"
#include "targets.hpp"
#include "trial.hpp"
#include "use.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

// ---- res-fd-cloexec

// The harness' own server accepts connections meanwhile; they have its port on this side.
bool has_local_port(int fd, std::uint16_t port) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    auto* const raw = static_cast<sockaddr*>(static_cast<void*>(&address));
    return getsockname(fd, raw, &length) == 0 && address.sin_family == AF_INET &&
           ntohs(address.sin_port) == port;
}

void res_fd_cloexec(Trial& trial) {
    const Targets targets;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    const auto before = open_descriptors();
    std::string found;
    // The server's connections come and go while this looks.
    const auto is_ours = [&](int fd) { return has_local_port(fd, targets.good.port()); };
    const auto look = [&](const std::string& when) {
        for (const auto& [fd, what] : open_descriptors()) {
            if (before.count(fd) != 0 || is_ours(fd)) {
                continue;
            }
            const int flags = fcntl(fd, F_GETFD);
            if (flags >= 0 && (flags & FD_CLOEXEC) == 0 && !is_ours(fd) && found.empty()) {
                found = "descriptor " + std::to_string(fd) + " (" + what +
                        ") is open without CLOEXEC " + when;
            }
        }
    };
    host.observe([&](const char* what) { look(std::string("while the plugin calls ") + what); });
    watch_reset();
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        auto instance = session.create(*plugin);
        look("after create");
        (void)use(session, instance, targets);
        look("after calls of its strategies");
        instance.destroy();
        look("after destroy");
    }
    host.observe({});
    require(found.empty(), found);
    require(watch_count(WATCHED_INHERITABLE) == 0,
            std::string("the plugin opens a descriptor without CLOEXEC, by ") +
                watch_name(WATCHED_INHERITABLE) + "()");
}

// ---- res-fd-exhaustion

bool same_statuses(const std::vector<UseAnswer>& one, const std::vector<UseAnswer>& other,
                   std::string& difference) {
    const auto differs = std::mismatch(one.begin(), one.end(), other.begin(), other.end(),
                                       [](const UseAnswer& a, const UseAnswer& b) {
                                           return a.what == b.what && a.status == b.status;
                                       });
    if (differs.first == one.end() && differs.second == other.end()) {
        return true;
    }
    const auto text = [](const auto& at, const auto& end) {
        return at == end
                   ? std::string("nothing")
                   : at->what + ": status " + std::to_string(at->status) + " (" + at->error + ")";
    };
    difference =
        text(differs.first, one.end()) + " before, " + text(differs.second, other.end()) + " after";
    return false;
}

// Such code asks the kernel by a pipe whether memory can be read, and takes no for a fault.
bool needs_pipes(const std::string& file) {
    const auto symbols = ElfFile(file).symbols();
    return std::any_of(symbols.begin(), symbols.end(), [](const ElfFile::Symbol& symbol) {
        return symbol.is_imported() &&
               symbol.name.starts_with("__ubsan_handle_dynamic_type_cache_miss");
    });
}

void res_fd_exhaustion(Trial& trial) {
    if (needs_pipes(trial.file())) {
        skip(
            "it is built with the check vptr of UndefinedBehaviorSanitizer, which needs "
            "descriptors itself: build it with -fno-sanitize=vptr to try this");
    }
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const Targets targets;
        const std::string config = SettingsSchema(*plugin).defaults();
        const auto instance = session.create(*plugin, config);
        const auto before = use(session, instance, targets);
        Created created;
        std::vector<UseAnswer> meanwhile;
        {
            const DescriptorFamine famine;
            created = session.try_create(*plugin, config);
            meanwhile = use(session, instance, targets);
        }
        meanwhile.push_back({"create", created.status, created.error});
        for (const UseAnswer& answer : meanwhile) {
            const auto usual = std::find_if(before.begin(), before.end(), [&](const UseAnswer& b) {
                return b.what == answer.what && b.status == answer.status;
            });
            require(usual != before.end() || answer.status == STEWARD_OK ||
                        answer.status == STEWARD_E_IO || answer.status == STEWARD_E_NOMEM,
                    "with no descriptor left, " + answer.what + ": status " +
                        std::to_string(answer.status) + " (" + answer.error +
                        "); expected STEWARD_E_IO, or STEWARD_OK if it needs none");
        }
        std::string difference;
        require(same_statuses(before, use(session, instance, targets), difference),
                "when descriptors can be had again, not all is as before: " + difference);
        const Created again = session.try_create(*plugin, config);
        require(again.status == STEWARD_OK,
                "when descriptors can be had again, create gives status " +
                    std::to_string(again.status) + ": " + again.error);
    }
}

// ---- res-oom

constexpr std::uint64_t kMostAllocations = 200;

// Calls f() again and again, with its first allocation failing, then its second, and so on until
// it makes less.
template <class F>
void fail_each_allocation(F&& f) {
    for (std::uint64_t nth = 1; nth <= kMostAllocations; ++nth) {
        watch_reset();
        (void)watch_fail_allocation(nth, 1);
        f(nth);
        (void)watch_fail_allocation(0, 0);
        if (watch_count(WATCHED_ALLOC) < nth) {
            return;
        }
    }
}

void require_success_or_nomem(const std::string& what, std::uint64_t nth, steward_status status,
                              steward_status usual, const std::string& text) {
    require(status == usual || status == STEWARD_E_NOMEM,
            what + " with its allocation no. " + std::to_string(nth) + " failing: status " +
                std::to_string(status) + " (" + text + "); expected STEWARD_E_NOMEM or success");
}

void run_out_of_memory(Session& session, const Instance& instance) {
    const steward_plugin& plugin = instance.plugin();
    if (offers(plugin, STEWARD_IFACE_RESTART)) {
        const RestartQuestion question{{{STEWARD_EV_EXIT, 1, 1'000'000, 1'000'000, 0}}, 2'000'000};
        const auto usual = decide(instance, question);
        fail_each_allocation([&](std::uint64_t nth) {
            const auto decided = decide(instance, question);
            require_success_or_nomem("decide", nth, decided.status, usual.status, decided.error);
        });
        require(decide(instance, question) == usual,
                "decide does not answer as before when memory can be had again");
    }
    if (offers(plugin, STEWARD_IFACE_PORT)) {
        const PortQuestion question;
        const auto usual = propose(instance, question);
        fail_each_allocation([&](std::uint64_t nth) {
            const auto proposed = propose(instance, question);
            require_success_or_nomem("propose", nth, proposed.status, usual.status, proposed.error);
        });
        require(propose(instance, question) == usual,
                "propose does not answer as before when memory can be had again");
    }
    if (offers(plugin, STEWARD_IFACE_METRICS)) {
        MetricsQuestion question;
        question.app_pid = getpid();
        question.tree_pid = getppid();
        question.deadline = std::numeric_limits<steward_ns>::max();
        const auto usual = sample(instance, question);
        fail_each_allocation([&](std::uint64_t nth) {
            const auto sampled = sample(instance, question);
            require_success_or_nomem("sample", nth, sampled.status, usual.status, sampled.error);
        });
        require(sample(instance, question).status == usual.status,
                "sample does not answer as before when memory can be had again");
    }
    if (offers(plugin, STEWARD_IFACE_HEALTH)) {
        const ClosedPort refused;
        Prober prober(session.host(), instance);
        steward_token token = 0;
        const auto probe = [&] {
            const steward_status started = prober.start(++token, kLoopback, refused.port());
            if (started != STEWARD_OK) {
                HealthReport none;
                none.verdict = STEWARD_UNKNOWN;
                none.status = started;
                none.detail = prober.error();
                return none;
            }
            require(prober.settle(token, 2s, 100ms), "a probe of a refused port is not reported");
            return prober.of(token).front();
        };
        const HealthReport usual = probe();
        fail_each_allocation([&](std::uint64_t nth) {
            const HealthReport report = probe();
            require(report.verdict == usual.verdict || report.verdict == STEWARD_UNKNOWN,
                    "a probe with its allocation no. " + std::to_string(nth) +
                        " failing: " + to_text(report) + "; without that: " + to_text(usual));
            require_success_or_nomem("a probe of a refused port", nth, report.status, usual.status,
                                     report.detail);
        });
        const HealthReport again = probe();
        require(
            again.verdict == usual.verdict && again.status == usual.status,
            "a probe is not reported as before when memory can be had again: " + to_text(again));
    }
}

void need_watched_allocator() {
    if (watch_fail_allocation(0, 0) == 0) {
        skip("the allocator is the sanitizer's in this build of the harness");
    }
}

void res_oom(Trial& trial) {
    need_watched_allocator();
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const std::string config = SettingsSchema(*plugin).defaults();
        fail_each_allocation([&](std::uint64_t nth) {
            const Created created = session.try_create(*plugin, config);
            require_success_or_nomem("create", nth, created.status, STEWARD_OK, created.error);
            require(!created.touched, "create has failed and *out is changed");
        });
        const auto instance = session.create(*plugin, config);
        run_out_of_memory(session, instance);
    }
}

// ---- res-heap-zero

void res_heap_zero(Trial& trial) {
    constexpr std::size_t kRounds = 5;
    need_watched_allocator();
    if (trial.library().has_own_threads()) {
        skip("what its own threads allocate is not counted");
    }
    const bool unloadable = trial.library().unloadable();
    const Targets targets;
    std::array<std::int64_t, kRounds> blocks{};
    for (std::int64_t& after : blocks) {
        Library library(trial.file());
        (void)live(library, targets);
        if (unloadable) {
            library.unload();
        }
        after = watch_live_blocks();
    }
    // What is made once for the process, in the first round, is no leak.
    const std::int64_t more = blocks.back() - blocks.front();
    require(more <= 0, std::to_string(kRounds - 1) +
                           " rounds of load, init, create, use, destroy and deinit leave " +
                           std::to_string(more) + " blocks of memory, expected none");
}

// ---- res-stdio-silent

void res_stdio_silent(Trial& trial) {
    const Targets targets;
    CapturedOutput output;
    (void)live(trial.library(), targets);
    output.end();
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
        const std::string text = output.text(fd);
        require(text.empty(),
                "the plugin writes to descriptor " + std::to_string(fd) + ": \"" + text + "\"");
    }
}

// ---- res-process-state

void res_process_state(Trial& trial) {
    const Targets targets;
    const auto before = process_state();
    watch_reset();
    (void)live(trial.library(), targets);
    const std::string changed = difference(before, process_state());
    require(changed.empty(),
            "after its life from load to deinit the process is not as before: " + changed);
    // Changed and set back is seen by whatever else runs in the process meanwhile.
    for (const auto call : {WATCHED_FORK, WATCHED_EXEC, WATCHED_SIGNAL, WATCHED_ENV, WATCHED_CHDIR,
                            WATCHED_UMASK, WATCHED_LOCALE, WATCHED_DUP2}) {
        require(watch_count(call) == 0, std::string("the plugin calls ") + watch_name(call) +
                                            "(); what that changes is the host's");
    }
}

// ---- res-no-reap

void res_no_reap(Trial& trial) {
    const Targets targets;
    core::ProcessSpec spec;
    spec.file = "/proc/self/exe";
    spec.argv = {"steward-compliance"};
    for (auto& argument : helper_arguments("sentinel")) {
        spec.argv.push_back(std::move(argument));
    }
    spec.descriptors = {{-1, 0}, {-1, 1}, {-1, 2}};
    auto sentinel = core::spawn(spec);
    if (!sentinel) {
        skip("cannot start a child: " + sentinel.error().text);
    }
    // Ended, and not yet waited for.
    pollfd ended{sentinel->pidfd.get(), POLLIN, 0};
    (void)poll(&ended, 1, /*timeout=*/10'000);
    watch_reset();
    (void)live(trial.library(), targets);
    int status = 0;
    const pid_t reaped = waitpid(sentinel->pid, &status, WNOHANG);
    require(reaped == sentinel->pid && WIFEXITED(status) && WEXITSTATUS(status) == kSentinelStatus,
            "a child of the host that had ended cannot be waited for any more: the plugin has "
            "taken its exit status");
    require(watch_count(WATCHED_WAIT) == 0,
            std::string("the plugin calls ") + watch_name(WATCHED_WAIT) +
                "(); children and their exit statuses are the host's");
}

constexpr std::array kChecks{
    Check{47, "res-fd-cloexec", Level::kMust, "",
          "every descriptor that the plugin opens has CLOEXEC from the beginning",
          "the host starts processes at any moment: they inherit what has no CLOEXEC, and keep "
          "ports and files open that nobody knows of",
          "pass O_CLOEXEC, SOCK_CLOEXEC, EFD_CLOEXEC or the \"e\" of fopen() in the call that "
          "opens; std::ifstream cannot",
          20s, &res_fd_cloexec},
    Check{48, "res-fd-exhaustion", Level::kMust, "",
          "with no descriptor left every call answers with STEWARD_OK or STEWARD_E_IO, and "
          "afterwards all is as before",
          "a process that runs out of descriptors for a minute needs its supervisor most of all",
          "check what open() and socket() return, and keep no state of a call that has failed", 20s,
          &res_fd_exhaustion},
    Check{49, "res-oom", Level::kShould, "",
          "each of the first 200 allocations of each call may fail: the answer is "
          "STEWARD_E_NOMEM or right, and the instance works afterwards",
          "a supervisor lives through a shortage of memory, and a plugin that ends it there "
          "takes every service with it",
          "let std::bad_alloc come to the boundary, and change state only after the last thing "
          "that may throw",
          20s, &res_oom},
    Check{50, "res-heap-zero", Level::kMust, "",
          "from load to deinit, and again: no block of memory more is in use",
          "a policy is swapped under a running service as often as the user likes",
          "free in destroy and deinit all that create and init have made", 20s, &res_heap_zero},
    Check{51, "res-stdio-silent", Level::kMust, "", "nothing is written to descriptors 1 and 2",
          "descriptor 1 of the supervisor carries the protocol of its client: one line of "
          "somebody else's ends the session",
          "log by host->log()", 20s, &res_stdio_silent},
    Check{52, "res-process-state", Level::kMust, "",
          "signal dispositions and mask, working directory, umask, environment, locale, limits "
          "and children are left alone, also for a moment",
          "all of it belongs to every thread of the process: a umask that is changed for one "
          "call is the umask of a file that the host creates meanwhile",
          "do without: use the *at() calls, MSG_NOSIGNAL, std::to_chars, and the host's reactor "
          "instead of a process",
          20s, &res_process_state},
    Check{53, "res-no-reap", Level::kMust, "",
          "the exit status of a child of the host is still there after all calls",
          "the supervisor learns from it how a service has ended; without it a crash is a riddle",
          "never wait for a child that is not yours, and have none", 20s, &res_no_reap},
};

}  // namespace

const std::span<const Check> kResourceChecks{kChecks};

}  // namespace steward::compliance
