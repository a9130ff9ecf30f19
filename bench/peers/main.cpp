// steward-peers: steward, a bare respawner and four supervisors of Debian in one run. Prints a
// Markdown table; with --json also writes every sample to a file.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>

#include "phases.hpp"

namespace {

using steward::bench::Contest;
using steward::bench::Workplace;

constexpr const char* kUsage =
    "usage: steward-peers [--json FILE] [--quick] [PHASE...]\n"
    "  PHASE    crash, hang, lines, idle, orphans; all of them without one\n"
    "  --json   where every sample is written to, for bench/plot.py\n"
    "  --quick  a few rounds of each, to see that they work\n";

struct Phase {
    const char* name;
    std::vector<Contest> (*run)(const Workplace&, int);
    int rounds;
    int quick;
};

// The whole takes about five minutes.
constexpr Phase kPhases[] = {{"crash", steward::bench::crash, 36, 2},
                             {"lines", steward::bench::log_lines, 7, 2},
                             {"hang", steward::bench::hang, 6, 1},
                             {"idle", steward::bench::idle, 30, 10},
                             {"orphans", steward::bench::orphans, 5, 1}};

struct Request {
    std::string json;
    bool quick = false;
    std::vector<const Phase*> phases;
};

bool parse(int argc, char* argv[], Request& request) {
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            request.json = argv[++i];
            continue;
        }
        if (std::strcmp(argv[i], "--quick") == 0) {
            request.quick = true;
            continue;
        }
        const Phase* found = nullptr;
        for (const auto& phase : kPhases) {
            found = std::strcmp(argv[i], phase.name) == 0 ? &phase : found;
        }
        if (found == nullptr) {
            return false;
        }
        request.phases.push_back(found);
    }
    if (request.phases.empty()) {
        for (const auto& phase : kPhases) {
            request.phases.push_back(&phase);
        }
    }
    return true;
}

int measure(const Request& request) {
    const double load = steward::bench::load_average();
    std::vector<Contest> contests;
    bool failed = false;
    for (const auto* phase : request.phases) {
        std::fprintf(stderr, "steward-peers: %s (load average %.2f)\n", phase->name,
                     steward::bench::load_average());
        try {
            const Workplace place;
            try {
                for (auto& contest :
                     phase->run(place, request.quick ? phase->quick : phase->rounds)) {
                    contests.push_back(std::move(contest));
                }
            } catch (const std::exception& error) {
                failed = true;
                std::fprintf(stderr, "steward-peers: %s: %s\n%s", phase->name, error.what(),
                             place.log_end().c_str());
            }
        } catch (const std::exception& error) {
            failed = true;
            std::fprintf(stderr, "steward-peers: %s: %s\n", phase->name, error.what());
        }
    }
    const auto table = steward::bench::markdown(contests);
    std::fputs(table.c_str(), stdout);
    if (!failed && !request.json.empty()) {
        std::ofstream file(request.json);
        file << steward::bench::json(contests, table, load);
        if (!file.flush()) {
            std::fprintf(stderr, "steward-peers: %s cannot be written\n", request.json.c_str());
            failed = true;
        }
    }
    return failed ? 1 : 0;
}

pid_t measuring = -1;

void stop(int) {
    kill(measuring, SIGKILL);
}

}  // namespace

// Supervisors that are killed leave things behind; so would this program. It measures in a child, and
// here, the next subreaper, what a killed child leaves is ended.
int main(int argc, char* argv[]) {
    Request request;
    if (!parse(argc, argv, request)) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    measuring = fork();
    if (measuring == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        std::exit(measure(request));
    }
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        std::signal(number, stop);
    }
    int status = 0;
    while (measuring > 0 && waitpid(measuring, &status, 0) < 0 && errno == EINTR) {
    }
    steward::bench::end_strays();
    return measuring > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
