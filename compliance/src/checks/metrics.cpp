// Metrics: figures of a service, from pictures of /proc and from live processes.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <system_error>
#include <vector>

#include "check.hpp"
#include "helper_process.hpp"
#include "metrics_rules.hpp"
#include "proc_picture.hpp"
#include "process_look.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr int kTree = 100;
constexpr int kApp = 200;

// For its scope files that deny us are closed to us, even if we are root.
class AsAnybody {
  public:
    AsAnybody() {
        __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        if (syscall(SYS_capget, &header, before_) == 0) {
            __user_cap_data_struct without[2] = {before_[0], before_[1]};
            without[0].effective &= ~((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH));
            (void)syscall(SYS_capset, &header, without);
        }
    }
    ~AsAnybody() {
        __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        (void)syscall(SYS_capset, &header, before_);
    }
    AsAnybody(const AsAnybody&) = delete;
    AsAnybody& operator=(const AsAnybody&) = delete;

  private:
    __user_cap_data_struct before_[2] = {};
};

// ---- metrics-fixture

using Expected = std::map<std::string, double>;

double page() {
    return static_cast<double>(sysconf(_SC_PAGESIZE));
}

// The figures of those processes, but for the CPU time.
Expected sum_of(const std::vector<PictureProcess>& processes) {
    Expected sum = {{"processes", 0}, {"threads", 0}, {"fds", 0}, {"rss_bytes", 0}};
    for (const PictureProcess& process : processes) {
        sum["processes"] += 1;
        sum["threads"] += process.threads;
        sum["fds"] += process.descriptors;
        sum["rss_bytes"] += static_cast<double>(process.pages) * page();
    }
    return sum;
}

void require_figures(const std::string& asked, const Sampled& sampled, const Expected& expected,
                     const std::set<std::string>& names) {
    require_valid(asked, sampled);
    require(sampled.status == STEWARD_OK,
            asked + ": " + to_text(sampled) + "; expected STEWARD_OK");
    for (const auto& [name, value] : expected) {
        if (names.count(name) == 0) {
            continue;
        }
        const auto got = sampled.value(name);
        require(
            got && std::abs(*got - value) <= std::abs(value) * 1e-9,
            asked + ": " + to_text(sampled) + "; expected " + name + " " + std::to_string(value));
    }
}

void try_awkward(Session& session, const steward_plugin& plugin, const ProcPicture& picture,
                 const std::set<std::string>& names) {
    picture.clear();
    picture.set_uptime(1e8);
    std::vector<PictureProcess> living = {
        {.pid = kApp,
         .parent = kTree,
         .children = {{201, 202, 204}, {203}, {205, 207}},
         .name = ") S 1 (a\n) R 7 7 7",
         .user = 100,
         .threads = 3,
         .pages = 1000,
         .descriptors = 4},
        {.pid = 201,
         .parent = kApp,
         .children = {{206}},
         .name = "a b",
         .nice = -20,
         .threads = 2,
         .pages = 20,
         .descriptors = 1},
        {.pid = 203,
         .parent = kApp,
         .user = 6'000'000'000,
         .system = 5'000'000'000,
         .start = 5'000'000'000,
         .pages = 3'000'000'000},
        {.pid = 206, .parent = 201, .user = 5, .nice = 19, .pages = 7, .descriptors = 2},
        {.pid = 207, .parent = kApp, .name = "", .pages = 1, .descriptors = 70},
    };
    for (const PictureProcess& process : living) {
        picture.put(process);
    }
    picture.put({.pid = kTree, .parent = 1, .children = {{kApp}}, .pages = 50, .descriptors = 5});
    picture.put({.pid = 202, .parent = kApp, .name = "ended", .state = 'Z', .user = 70});
    // 204 has gone altogether, of 205 nothing but the folder is left; 300 belongs to another.
    std::filesystem::create_directory(picture.path(205));
    picture.put({.pid = 300, .parent = 1, .user = 9, .pages = 100, .descriptors = 9});
    const auto instance = session.create(plugin);
    auto expected = sum_of(living);
    const std::string asked =
        "a service of five processes with awkward names, one that has ended "
        "and two that vanish";
    auto& host = session.host();
    require_figures(asked, sample_tree(host, instance, picture.root(), kTree, kApp), expected,
                    names);
    // One second and half a second of CPU time later.
    const auto half = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)) / 2;
    living[2].user += half / 2;
    living[3].system += half - half / 2;
    picture.put(living[2]);
    picture.put(living[3]);
    picture.set_uptime(1e8 + 1);
    host.advance(1s);
    expected["cpu_percent"] =
        100.0 * static_cast<double>(half) / static_cast<double>(sysconf(_SC_CLK_TCK));
    require_figures(asked + ", one second later",
                    sample_tree(host, instance, picture.root(), kTree, kApp), expected, names);
}

void try_closed(Session& session, const steward_plugin& plugin, const ProcPicture& picture,
                const std::set<std::string>& names) {
    picture.clear();
    picture.set_uptime(20);
    const std::vector<PictureProcess> living = {
        {.pid = kApp, .parent = kTree, .children = {{201}}, .pages = 10, .descriptors = 3},
        {.pid = 201, .parent = kApp, .threads = 2, .pages = 20, .descriptors = 6},
    };
    picture.put({.pid = kTree, .children = {{kApp}}});
    for (const PictureProcess& process : living) {
        picture.put(process);
    }
    const std::string closed = picture.path(201, "fd");
    (void)chmod(closed.c_str(), 0);
    Sampled sampled;
    {
        const auto instance = session.create(plugin);
        const AsAnybody scope;
        sampled = sample_tree(session.host(), instance, picture.root(), kTree, kApp);
    }
    (void)chmod(closed.c_str(), 0700);
    auto expected = sum_of(living);
    expected.erase("fds");
    const std::string asked =
        "a service of two processes, one of which does not let us see its "
        "descriptors";
    require_figures(asked, sampled, expected, names);
    require(!sampled.value("fds"),
            asked + ": " + to_text(sampled) + "; expected no fds, for they cannot be counted");
}

void try_gone(Session& session, const steward_plugin& plugin, const ProcPicture& picture) {
    const auto instance = session.create(plugin);
    picture.clear();
    for (const bool exists : {true, false}) {
        if (exists) {
            picture.put({.pid = kTree, .pages = 10, .descriptors = 3});
        } else {
            picture.clear();
        }
        const auto sampled = sample_tree(session.host(), instance, picture.root(), kTree, kApp);
        const std::string asked =
            exists ? "a tree without descendants" : "a tree that does not exist";
        require_valid(asked, sampled);
        require(sampled.status == STEWARD_E_GONE,
                asked + ": " + to_text(sampled) + "; expected STEWARD_E_GONE");
    }
}

void metrics_fixture(Trial& trial) {
    const ProcPicture picture;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto names = known_names(session, *plugin, picture);
        try_awkward(session, *plugin, picture, names);
        try_closed(session, *plugin, picture, names);
        try_gone(session, *plugin, picture);
    }
}

// ---- metrics-race

// What a look shows while processes are handed from one parent to another.
void try_twice_listed(Session& session, const steward_plugin& plugin, const ProcPicture& picture,
                      const std::set<std::string>& names) {
    picture.clear();
    picture.set_uptime(20);
    const std::vector<PictureProcess> living = {
        {.pid = kApp,
         .parent = kTree,
         .children = {{201, 202, 202}, {202, kApp, kTree}},
         .threads = 2,
         .pages = 10,
         .descriptors = 3},
        {.pid = 201, .parent = kApp, .children = {{202, kApp}}, .pages = 20, .descriptors = 6},
        {.pid = 202, .parent = 201, .children = {{201}}, .pages = 40, .descriptors = 1},
    };
    picture.put({.pid = kTree, .children = {{kApp, 202}}, .pages = 10, .descriptors = 3});
    for (const PictureProcess& process : living) {
        picture.put(process);
    }
    const auto instance = session.create(plugin);
    require_figures("a service of three processes, some of them listed as children of several",
                    sample_tree(session.host(), instance, picture.root(), kTree, kApp),
                    sum_of(living), names);
}

// Reaps the orphans that have come to this process, the subreaper, and have ended.
int reap_orphans() {
    int reaped = 0;
    if (const auto orphans = core::inherited_children()) {
        for (const pid_t pid : *orphans) {
            reaped += waitpid(pid, nullptr, WNOHANG) > 0 ? 1 : 0;
        }
    }
    return reaped;
}

void try_churn(Session& session, const steward_plugin& plugin) {
    constexpr int kOrphans = 40;
    HelperProcess churn(helper_arguments("churn"));
    (void)churn.read_line();
    const auto instance = session.create(plugin);
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    std::map<std::string, double> counters;
    int samples = 0;
    for (int orphans = 0; orphans < kOrphans && std::chrono::steady_clock::now() < give_up;
         orphans += reap_orphans()) {
        const auto sampled = sample_tree(session.host(), instance, "/proc", getpid(), churn.pid());
        ++samples;
        const std::string asked = "a service that starts and ends processes all the time, sample " +
                                  std::to_string(samples);
        require_valid(asked, sampled);
        require(sampled.status == STEWARD_OK,
                asked + ": " + to_text(sampled) + "; expected STEWARD_OK");
        const double processes = sampled.value("processes").value_or(1);
        require(processes >= 1 && sampled.value("threads").value_or(processes) >= processes,
                asked + ": " + to_text(sampled) +
                    "; expected one process at least, and no less threads");
        for (const Metric& metric : sampled.metrics) {
            if (metric.kind == STEWARD_COUNTER && metric.labels.empty()) {
                const double before = std::exchange(counters[metric.name], metric.value);
                require(metric.value >= before, asked + ": " + to_text(sampled) + "; the counter " +
                                                    metric.name + " has fallen from " +
                                                    std::to_string(before));
            }
        }
    }
}

void metrics_race(Trial& trial) {
    const ProcPicture picture;
    for (const auto* plugin : trial.plugins()) {
        {
            FakePluginHost host(FakePluginHost::Clock::kVirtual);
            Session session(trial.library(), host);
            try_twice_listed(session, *plugin, picture, known_names(session, *plugin, picture));
        }
        FakePluginHost host(FakePluginHost::Clock::kReal);
        Session session(trial.library(), host);
        try_churn(session, *plugin);
    }
}

// ---- metrics-live

std::chrono::nanoseconds cpu_time(clockid_t clock) {
    timespec now{};
    (void)clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Until the process has computed that much. Throws std::system_error.
void sleep_until(clockid_t clock, std::chrono::nanoseconds time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const timespec at{static_cast<time_t>(seconds.count()),
                      static_cast<long>((time - seconds).count())};
    int error = EINTR;
    while (error == EINTR) {
        error = clock_nanosleep(clock, TIMER_ABSTIME, &at, nullptr);
    }
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), "cannot wait for a CPU clock");
    }
}

struct Look {
    std::chrono::nanoseconds before;  // the CPU time of the process, around the sample
    std::chrono::nanoseconds after;
    steward_ns at = 0;
    Sampled sampled;
};

Look look_at(Session& session, const Instance& instance, int pid, clockid_t clock) {
    Look look;
    look.before = cpu_time(clock);
    look.at = session.host().now();
    look.sampled = sample_tree(session.host(), instance, "/proc", getpid(), pid);
    look.after = cpu_time(clock);
    return look;
}

void metrics_live(Trial& trial) {
    constexpr auto kWork = 150ms;
    FakePluginHost host(FakePluginHost::Clock::kReal);
    Session session(trial.library(), host);
    HelperProcess busy(helper_arguments("busy"));
    (void)busy.read_line();
    clockid_t clock{};
    require(clock_getcpuclockid(busy.pid(), &clock) == 0, "the busy child has no clock");
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        const Look first = look_at(session, instance, busy.pid(), clock);
        sleep_until(clock, first.after + kWork);
        const Look second = look_at(session, instance, busy.pid(), clock);
        require_valid("a busy process", second.sampled);
        const auto percent = second.sampled.value("cpu_percent");
        if (!percent) {
            skip("it emits no cpu_percent for a live process (" + to_text(second.sampled) + ")");
        }
        // The kernel rounds to clock ticks, at either end.
        const auto tick = std::chrono::nanoseconds(1s) / sysconf(_SC_CLK_TCK);
        const double elapsed = static_cast<double>(second.at - first.at);
        const double least = static_cast<double>((second.before - first.after - tick).count());
        const double most = static_cast<double>((second.after - first.before + tick).count());
        require(*percent >= 90 * least / elapsed && *percent <= 110 * most / elapsed,
                "a process that used " + std::to_string((second.after - first.before) / 1ms) +
                    " ms of CPU time in " + std::to_string((second.at - first.at) / 1'000'000) +
                    " ms: cpu_percent is " + std::to_string(*percent) +
                    "; expected it within 10 %");
    }
}

// ---- metrics-fuzz

std::string random_bytes(Random& random, std::uint64_t count) {
    std::string text;
    for (; count > 0; --count) {
        text += static_cast<char>(random.next());
    }
    return text;
}

std::string mutated(std::string text, Random& random) {
    static constexpr std::string_view kNumbers[] = {"-1",
                                                    "18446744073709551615",
                                                    "9223372036854775808",
                                                    "99999999999999999999999999",
                                                    "-9223372036854775809",
                                                    "1e308",
                                                    "0x7f",
                                                    "nan"};
    for (auto rounds = 1 + random.below(3); rounds > 0; --rounds) {
        const auto at = random.below(text.size() + 1);
        switch (random.below(7)) {
            case 0:
                return {};
            case 1:
                text.resize(at);
                break;
            case 2:
                text = random_bytes(random, random.below(300));
                break;
            case 3:
                if (!text.empty()) {
                    text[at % text.size()] = static_cast<char>(random.next());
                }
                break;
            case 4:
                text.insert(at, random_bytes(random, random.below(20)));
                break;
            case 5: {  // a word becomes a number that no counter has
                const auto begin = text.find_last_of(' ', at) + 1;
                const auto end = std::min(text.find_first_of(" \n", begin), text.size());
                text.replace(begin, end - begin, kNumbers[random.below(std::size(kNumbers))]);
                break;
            }
            default:
                text.erase(std::remove(text.begin(), text.end(), random.one_in(2) ? ')' : ' '),
                           text.end());
        }
    }
    return text;
}

void metrics_fuzz(Trial& trial) {
    constexpr int kRounds = 300;
    // More than fits into any machine's memory.
    constexpr double kMostBytes = 0x1p60;
    constexpr double kMostThreads = 0x1p22;
    const ProcPicture picture;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    Random& random = trial.random();
    const std::vector<PictureProcess> good = {
        {.pid = kTree, .children = {{kApp, 201}}, .pages = 10, .descriptors = 1},
        {.pid = kApp, .parent = kTree, .children = {{202, 203}}, .user = 7, .pages = 10},
        {.pid = 201, .parent = kTree, .user = 100, .threads = 2, .pages = 9, .descriptors = 2},
        {.pid = 202, .parent = kApp, .state = 'Z', .user = 3},
        {.pid = 203, .parent = kApp, .system = 8, .children_user = 9, .pages = 1, .descriptors = 1},
    };
    for (const auto* plugin : trial.plugins()) {
        (void)known_names(session, *plugin, picture);
        const auto instance = session.create(*plugin);
        picture.clear();
        for (const PictureProcess& process : good) {
            picture.put(process);
        }
        for (int round = 0; round < kRounds; ++round) {
            host.advance(1s);
            std::map<std::string, std::string> changed;  // and what was in them
            picture.set_uptime(1000 + round);
            for (auto changes = 1 + random.below(4); changes > 0; --changes) {
                const int pid = good[random.below(good.size())].pid;
                static constexpr std::string_view kFiles[] = {"stat", "statm", "status",
                                                              "children"};
                const auto file = kFiles[random.below(std::size(kFiles))];
                const std::string path =
                    file == "children"
                        ? picture.path(pid, "task/" + std::to_string(pid) + "/children")
                        : picture.path(pid, std::string(file));
                const std::string text = picture.read(path);
                changed.emplace(path, text);
                picture.write(path, mutated(text, random));
            }
            if (random.one_in(20)) {
                picture.write(picture.root() + "/uptime", mutated("1000.5 2000.1\n", random));
            }
            const auto sampled = sample_tree(host, instance, picture.root(), kTree, kApp);
            const std::string asked =
                "files of /proc with nonsense in them, round " + std::to_string(round + 1);
            require_valid(asked, sampled);
            const auto within = [&](const char* name, double most) {
                const double value = sampled.value(name).value_or(0);
                require(value >= 0 && value <= most,
                        asked + ": " + to_text(sampled) + "; no service has that for " + name);
            };
            const auto processes = static_cast<double>(good.size());
            within("processes", processes);
            within("threads", processes * kMostThreads);
            within("fds", 4);
            within("rss_bytes", kMostBytes);
            within("cpu_percent", std::numeric_limits<double>::max());
            for (const auto& [path, text] : changed) {
                picture.write(path, text);
            }
        }
    }
}

// ---- metrics-deadline

void metrics_deadline(Trial& trial) {
    constexpr int kProcesses = 10'000;
    // What a plugin may go on with when its time is over.
    constexpr auto kGrace = 25ms;
    const ProcPicture picture;
    for (const auto* plugin : trial.plugins()) {
        {
            FakePluginHost host(FakePluginHost::Clock::kVirtual);
            Session session(trial.library(), host);
            (void)known_names(session, *plugin, picture);
        }
        picture.clear();
        std::vector<int> children(kProcesses);
        for (int i = 0; i < kProcesses; ++i) {
            children[static_cast<std::size_t>(i)] = 1000 + i;
        }
        picture.put({.pid = kTree, .children = {children}});
        picture.put({.pid = 1000, .parent = kTree, .pages = 1, .descriptors = 1});
        picture.put_likes(1000, 1001, kProcesses - 1);
        picture.set_uptime(20);
        FakePluginHost host(FakePluginHost::Clock::kReal);
        Session session(trial.library(), host);
        for (const auto limit : {0ms, 10ms}) {
            const auto instance = session.create(*plugin);
            const auto begun = thread_cpu_time();
            const auto sampled = sample_tree(host, instance, picture.root(), kTree, 1000, limit);
            const auto used = thread_cpu_time() - begun;
            const std::string asked = "a service of 10000 processes and a deadline in " +
                                      std::to_string(limit.count()) + " ms";
            require_valid(asked, sampled);
            require(sampled.status == STEWARD_OK || sampled.status == STEWARD_E_TIMEOUT,
                    asked + ": " + to_text(sampled) + "; expected TIMEOUT, or OK in time");
            require(used <= limit + kGrace,
                    asked + ": it computed for " + std::to_string(used / 1ms) + " ms (" +
                        to_text(sampled) + "); expected it to stop at the deadline");
        }
    }
}

constexpr std::array kChecks{
    Check{
        78, "metrics-fixture", Level::kMust, STEWARD_IFACE_METRICS,
        "from a /proc with awkward names, ended and vanished processes, closed files and large "
        "counters the figures of the names in metrics.h are exact; every series is valid",
        "a program may be called \") R 1 1\"; a figure that is a little wrong misleads people for "
        "months before they notice",
        "read the program's name up to the last ')', numbers as 64 bits; leave out what vanishes, "
        "and fds when they cannot be counted; answer GONE when there is no descendant",
        10s, &metrics_fixture},
    Check{
        79, "metrics-race", Level::kMust, STEWARD_IFACE_METRICS,
        "processes that start, end and change parents during a sample make no error, are counted "
        "once, and let no counter fall",
        "real services do that all the time; an error would drop the sample just when the service "
        "is busy",
        "treat ENOENT and ESRCH as \"has ended\", remember which pids were seen, and keep "
        "counters of ended processes",
        20s, &metrics_race},
    Check{80, "metrics-live", Level::kShould, STEWARD_IFACE_METRICS,
          "cpu_percent of a live, busy process is within 10 % of the CPU time that it used",
          "users compare it with top, and set limits by it",
          "divide the difference of user and system time by the time between the two samples", 20s,
          &metrics_live},
    Check{
        81, "metrics-fuzz", Level::kMust, STEWARD_IFACE_METRICS,
        "files of /proc with nonsense in them make no crash, no invalid series and no figure that "
        "no service can have",
        "a hook of a security module or a container runtime can show files that are cut off or "
        "empty; the supervisor reads them in its own process",
        "check that each field is there and is a number in its bounds; leave out the process "
        "otherwise",
        20s, &metrics_fuzz},
    Check{
        82, "metrics-deadline", Level::kMust, STEWARD_IFACE_METRICS,
        "a sample of 10,000 processes ends at its deadline, with TIMEOUT, or in time",
        "a fork bomb in the service would otherwise hold the plugin's thread until the host gives "
        "the library up, with health checks and restarts waiting behind it",
        "ask the host's clock between processes and return STEWARD_E_TIMEOUT; what was added up "
        "until then may be emitted",
        20s, &metrics_deadline},
};

}  // namespace

const std::span<const Check> kMetricsChecks{kChecks};

}  // namespace steward::compliance
