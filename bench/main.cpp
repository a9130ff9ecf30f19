// steward-bench: runs the measurements that are named, or all, and prints one table at the end.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "benches.hpp"

namespace {

using steward::bench::Row;
using steward::bench::Settings;
using steward::bench::Workplace;

struct Bench {
    const char* name;
    std::vector<Row> (*run)(const Workplace&, const Settings&);
};

constexpr Bench kBenches[] = {
    {"respawn", steward::bench::respawn}, {"flask_start", steward::bench::flask_start},
    {"mcp", steward::bench::mcp},         {"search", steward::bench::search},
    {"output", steward::bench::output},   {"plugins", steward::bench::plugins}};

constexpr const char* kUsage =
    "usage: steward-bench [--rounds N] [--node-modules DIR] [NAME...]\n"
    "  NAME            respawn, flask_start, mcp, search, output, plugins; all of them without a "
    "name\n"
    "  --rounds        rounds of each, instead of its own number; 3 shows quickly whether all of "
    "them work\n"
    "  --node-modules  where Node and the TypeScript SDK are; build/node/node_modules without it\n";

struct Request {
    Settings settings;
    std::vector<const Bench*> benches;
};

// False if the command line makes no sense.
bool parse(int argc, char* argv[], Request& request) {
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            const int rounds = std::atoi(argv[++i]);
            if (rounds < 1 || rounds > 100'000) {
                return false;
            }
            request.settings.rounds = rounds;
            continue;
        }
        if (std::strcmp(argv[i], "--node-modules") == 0 && i + 1 < argc) {
            request.settings.node_modules = std::filesystem::absolute(argv[++i]).string();
            continue;
        }
        const Bench* found = nullptr;
        for (const auto& bench : kBenches) {
            found = std::strcmp(argv[i], bench.name) == 0 ? &bench : found;
        }
        if (found == nullptr) {
            return false;
        }
        request.benches.push_back(found);
    }
    if (request.benches.empty()) {
        for (const auto& bench : kBenches) {
            request.benches.push_back(&bench);
        }
    }
    return true;
}

// Adds the rows; false if it could not be measured.
bool run(const Bench& bench, const Settings& settings, std::vector<Row>& rows) {
    try {
        const Workplace place;
        try {
            for (auto& row : bench.run(place, settings)) {
                rows.push_back(std::move(row));
            }
            return true;
        } catch (const std::exception& error) {
            std::fprintf(stderr, "steward-bench: %s: %s\n%s", bench.name, error.what(),
                         place.log_end().c_str());
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "steward-bench: %s: %s\n", bench.name, error.what());
    }
    return false;
}

}  // namespace

int main(int argc, char* argv[]) {
    Request request;
    if (!parse(argc, argv, request)) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    std::signal(SIGPIPE, SIG_IGN);
    int failed = 0;
    std::vector<Row> rows;
    for (const auto* bench : request.benches) {
        failed += run(*bench, request.settings, rows) ? 0 : 1;
    }
    steward::bench::print_table(rows);
    // A missed aim is a finding, not a failure.
    return failed == 0 ? 0 : 1;
}
