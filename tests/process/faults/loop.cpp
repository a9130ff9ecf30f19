#include "loop.hpp"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace steward::faults {

void require(bool kept, const std::string& otherwise) {
    if (!kept) {
        throw Broken(otherwise);
    }
}

Loop::Loop(std::string name, const Options& options)
    : name_(std::move(name)), options_(options), seed_(options.seed) {}

bool Loop::more() const {
    const auto elapsed = Clock::now() - began_;
    return !failed_ && done_ < options_.count &&
           !(options_.seconds &&
             elapsed >= std::chrono::seconds(static_cast<std::int64_t>(*options_.seconds)));
}

void Loop::figure(const std::string& series, double value) {
    figures_[series].push_back(value);
}

void Loop::figure(const std::string& series, Clock::duration time) {
    figure(series, std::chrono::duration<double, std::milli>(time).count());
}

void Loop::failed(const std::string& what) {
    failed_ = true;
    std::printf("FAILED: %s, after %llu: %s\nrepeat: fault_loops %s --seed %llu --count %llu%s\n",
                name_.c_str(), static_cast<unsigned long long>(done_), what.c_str(), name_.c_str(),
                static_cast<unsigned long long>(seed_),
                static_cast<unsigned long long>(options_.count - std::min(done_, options_.count)),
                options_.flask ? " --app flask" : "");
    std::fflush(stdout);
}

int Loop::end(const std::string& rest) {
    for (auto& [series, values] : figures_) {
        std::sort(values.begin(), values.end());
        const auto at = [&values = values](std::size_t percent) {
            return values[(values.size() - 1) * percent / 100];
        };
        std::printf("  %-48s n %-6zu median %-8.1f p99 %-8.1f max %.1f\n", series.c_str(),
                    values.size(), at(50), at(99), at(100));
    }
    if (!failed_ && done_ < options_.at_least) {
        std::printf("FAILED: %s: %llu are fewer than %llu\n", name_.c_str(),
                    static_cast<unsigned long long>(done_),
                    static_cast<unsigned long long>(options_.at_least));
        failed_ = true;
    }
    std::printf("%s%s: %llu of %llu in %.0f s, %s%s\n", name_.c_str(),
                options_.flask ? " (Flask)" : "", static_cast<unsigned long long>(done_),
                static_cast<unsigned long long>(options_.count), ms_between(began_) / 1000,
                rest.c_str(), failed_ ? ", FAILED" : "");
    std::fflush(stdout);
    return failed_ ? 1 : 0;
}

double ms_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

void let_pass(std::chrono::microseconds time) {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    const auto ns = until.tv_nsec + time.count() * 1000;
    until.tv_sec += ns / 1'000'000'000;
    until.tv_nsec = ns % 1'000'000'000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) != 0) {
    }
}

std::chrono::microseconds instant(Random& random, Milliseconds most) {
    const auto us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(most).count());
    return std::chrono::microseconds(random.below(random.one_in(2) ? us / 10 + 1 : us + 1));
}

bool send_signal(const core::UniqueFd& pidfd, int number) {
    return syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0) == 0;
}

bool has_report(const std::string& text) {
    return text.find("Sanitizer") != std::string::npos ||
           text.find("runtime error:") != std::string::npos;
}

}  // namespace steward::faults
