#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>

#include "phases.hpp"

namespace steward::bench {
namespace {

constexpr double kSettleMs = 7000;

// Each time that a thread waited for something has also been the time before it woke up.
long waits_of(pid_t pid) {
    long out = 0;
    std::error_code gone;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
        std::ifstream status(task.path() / "status");
        constexpr std::string_view kName = "voluntary_ctxt_switches:";
        for (std::string line; std::getline(status, line);) {
            if (line.compare(0, kName.size(), kName) == 0) {
                out += std::stol(line.substr(kName.size()));
            }
        }
    }
    return out;
}

struct Entry {
    std::unique_ptr<Supervised> supervised;
    Contest* contest = nullptr;
    std::vector<pid_t> processes = {};
    long before = 0;

    [[nodiscard]] long waits() const {
        return std::accumulate(processes.begin(), processes.end(), 0L,
                               [](long sum, pid_t pid) { return sum + waits_of(pid); });
    }
};

}  // namespace

std::vector<Contest> idle(const Workplace& place, int seconds) {
    Contest unprobed{"idle",
                     "wake-ups of all the supervisor's processes while the app idles, no probes",
                     "/min"};
    unprobed.at_most = 0;
    unprobed.remarks[Who::kMonit] = "nothing but probes";
    Contest probed{"idle_probed",
                   "wake-ups of all the supervisor's processes with an HTTP probe every 5 s (and "
                   "steward's sample every 10 s)",
                   "/min"};
    const Phase phase;
    std::vector<Entry> entries;
    for (const Who who : {Who::kSteward, Who::kBare, Who::kRunit, Who::kS6, Who::kSupervisord}) {
        Task task;
        task.steward_options = {"--health", "none", "--metrics", "none"};
        entries.push_back(
            {std::make_unique<Supervised>(place, who, std::string("idle-") + name_of(who), task),
             &unprobed});
    }
    for (const Who who : {Who::kSteward, Who::kMonit}) {
        Task task;
        task.port = free_port();
        const auto port = std::to_string(task.port);
        task.words = {who == Who::kSteward ? "fd={fd}" : "port=" + port};
        task.monit_cycle_s = 5;
        task.monit_check = "  if failed host 127.0.0.1 port " + port +
                           " protocol http request \"/health\" then restart\n";
        entries.push_back(
            {std::make_unique<Supervised>(place, who, std::string("probed-") + name_of(who), task),
             &probed});
    }
    // What a start leads to is over. (Python would still be compiling.)
    sleep_ms(kSettleMs);
    for (auto& entry : entries) {
        entry.processes = processes_of(entry.supervised->top());
        entry.before = entry.waits();
    }
    sleep_ms(1000.0 * seconds);
    for (auto& entry : entries) {
        const auto woken = static_cast<double>(entry.waits() - entry.before);
        entry.contest->samples[entry.supervised->who()].add(woken * 60 / seconds);
    }
    return {unprobed, probed};
}

}  // namespace steward::bench
