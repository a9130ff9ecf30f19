#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "benches.hpp"
#include "mcp_client.hpp"

namespace steward::bench {
namespace {

constexpr double kAimMib = 10;
constexpr std::int64_t kPatience = 30'000'000'000;
constexpr int kCalls = 20'000;

std::string process_file(pid_t pid, const std::string& name) {
    return "/proc/" + std::to_string(pid) + "/" + name;
}

struct Weight {
    double pss = 0;
    double own = 0;  // what nobody else maps
    Weight operator+(const Weight& other) const { return {pss + other.pss, own + other.own}; }
};

// In MiB.
Weight weigh(pid_t pid) {
    std::ifstream file(process_file(pid, "smaps_rollup"));
    Weight out;
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string name;
        double kib = 0;
        words >> name >> kib;
        if (name == "Pss:") {
            out.pss = kib / 1024;
        } else if (name == "Private_Clean:" || name == "Private_Dirty:") {
            out.own += kib / 1024;
        }
    }
    if (out.pss <= 0) {
        throw std::runtime_error(process_file(pid, "smaps_rollup") + " cannot be read");
    }
    return out;
}

// Any thread may have started it.
pid_t find_guardian(pid_t steward) {
    for (const auto& task : std::filesystem::directory_iterator(process_file(steward, "task"))) {
        std::ifstream children(task.path() / "children");
        pid_t child = 0;
        while (children >> child) {
            std::string name;
            std::getline(std::ifstream(process_file(child, "comm")) >> std::ws, name);
            if (name == "app-guardian") {
                return child;
            }
        }
    }
    throw std::runtime_error("steward has no child called app-guardian");
}

}  // namespace

std::vector<Row> memory(const Workplace& place, const Settings& settings) {
    Report report("memory");
    Samples steward_mib;
    Samples guardian_mib;
    Samples both_mib;
    Samples own_mib;
    Samples used_mib;
    for (int round = 0; round < settings.rounds_or(5); ++round) {
        const auto port = free_port();
        // Short intervals, so that every periodic part has run many times after a second.
        McpClient server(place, place.steward_mcp(port, {"--health-interval", "100ms",
                                                         "--metrics-interval", "100ms"}));
        server.send(initialize_line() + initialized_line());
        server.receive_with("\"id\":0", server.started_at() + kPatience);
        wait_for_health(port, server.started_at() + kPatience);
        sleep_ms(1500);
        const auto guardian = find_guardian(server.pid());
        const auto weight = weigh(server.pid());
        const auto both = weight + weigh(guardian);
        steward_mib.add(weight.pss);
        guardian_mib.add(both.pss - weight.pss);
        both_mib.add(both.pss);
        own_mib.add(both.own);
        server.pump_status_calls(settings.rounds ? 100 : kCalls, 256, 500, now_ns() + kPatience);
        used_mib.add((weigh(server.pid()) + weigh(guardian)).pss);
        server.close();
    }
    report.series("steward, PSS", "MiB", steward_mib);
    report.series("app-guardian, PSS", "MiB", guardian_mib);
    report.series("both, PSS", "MiB", both_mib);
    report.series("both, private pages", "MiB", own_mib);
    report.series("both after many calls, PSS", "MiB", used_mib);
    report.row({"PSS of steward and app-guardian, at rest", "MiB", std::nullopt, both_mib.median(),
                kAimMib, false});
    report.row(
        {"the same after many calls", "MiB", std::nullopt, used_mib.median(), kAimMib, false});
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
