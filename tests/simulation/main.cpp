// The program `simulation`: runs seeded schedules until one breaks an invariant; see README.md.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <limits>
#include <optional>
#include <string_view>

#include "simulation.hpp"

namespace {

using namespace steward::simulation;

constexpr const char* kUsage =
    "usage: simulation [--seeds N] [--from SEED] [--seconds N] [--steps N] [--at-least N]\n"
    "       simulation --seed S\n"
    "  --seeds N     how many schedules (1000; without limit with --seconds)\n"
    "  --from SEED   the first one's seed (1)\n"
    "  --seconds N   stop after this time\n"
    "  --at-least N  fail when fewer schedules than this were done in that time\n"
    "  --steps N     how many steps one schedule may take (100000)\n"
    "  --seed S      replay this one and print all that happens\n";

struct Arguments {
    std::optional<std::uint64_t> seeds;
    std::uint64_t from = 1;
    std::optional<std::uint64_t> seconds;
    std::optional<std::uint64_t> seed;
    std::uint64_t at_least = 0;
    std::uint64_t steps = 100'000;
};

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const auto value = i + 1 < argc ? number(argv[i + 1]) : std::nullopt;
        if (!value) {
            return std::nullopt;
        }
        if (name == "--seeds") {
            arguments.seeds = value;
        } else if (name == "--from") {
            arguments.from = *value;
        } else if (name == "--seconds") {
            arguments.seconds = value;
        } else if (name == "--seed") {
            arguments.seed = value;
        } else if (name == "--at-least") {
            arguments.at_least = *value;
        } else if (name == "--steps") {
            arguments.steps = *value;
        } else {
            return std::nullopt;
        }
    }
    return arguments;
}

void report(const Schedule& schedule, const Outcome& outcome, const Options& options) {
    const auto& broken = *outcome.broken;
    std::printf(
        "FAILED: seed %llu breaks %s (%s) after %.3f s; reproduce: simulation --seed %llu\n",
        static_cast<unsigned long long>(schedule.seed), broken.name.c_str(), broken.what.c_str(),
        std::chrono::duration<double>(outcome.at).count(),
        static_cast<unsigned long long>(schedule.seed));
    std::fflush(stdout);
    const auto smallest = shrunk(schedule, broken.name, options);
    std::printf("shrunk from %zu to %zu items:\n", schedule.items.size(), smallest.items.size());
    std::fflush(stdout);
    Options traced = options;
    traced.trace = &std::cout;
    simulate(smallest, traced);
    std::cout.flush();
}

int replay(const Arguments& arguments) {
    Options options;
    options.max_steps = arguments.steps;
    const auto schedule = schedule_of(*arguments.seed);
    auto traced = options;
    traced.trace = &std::cout;
    const auto outcome = simulate(schedule, traced);
    std::cout.flush();
    if (outcome.broken) {
        report(schedule, outcome, options);
        return 1;
    }
    std::printf("seed %llu: %zu items, %llu steps, nothing is broken\n",
                static_cast<unsigned long long>(schedule.seed), schedule.items.size(),
                static_cast<unsigned long long>(outcome.steps));
    return 0;
}

int run(const Arguments& arguments) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const auto elapsed = [begin] { return std::chrono::duration<double>(Clock::now() - begin); };
    const auto seeds = arguments.seeds.value_or(
        arguments.seconds ? std::numeric_limits<std::uint64_t>::max() : 1000);
    Options options;
    options.max_steps = arguments.steps;
    std::uint64_t schedules = 0;
    std::uint64_t steps = 0;
    std::uint64_t faults = 0;
    bool failed = false;
    while (schedules < seeds && !failed &&
           !(arguments.seconds && elapsed().count() >= static_cast<double>(*arguments.seconds))) {
        const auto schedule = schedule_of(arguments.from + schedules);
        const auto outcome = simulate(schedule, options);
        ++schedules;
        steps += outcome.steps;
        faults += outcome.faults;
        if (outcome.broken) {
            report(schedule, outcome, options);
            failed = true;
        }
    }
    std::printf("%llu schedules from seed %llu on, %llu steps, %llu faults injected, %.1f s\n",
                static_cast<unsigned long long>(schedules),
                static_cast<unsigned long long>(arguments.from),
                static_cast<unsigned long long>(steps), static_cast<unsigned long long>(faults),
                elapsed().count());
    if (!failed && schedules < arguments.at_least) {
        std::printf("FAILED: fewer than %llu schedules\n",
                    static_cast<unsigned long long>(arguments.at_least));
        failed = true;
    }
    return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto arguments = parse(argc, argv);
    if (!arguments) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    return arguments->seed ? replay(*arguments) : run(*arguments);
}
