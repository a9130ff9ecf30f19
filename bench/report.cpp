#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace steward::bench {
namespace {

std::string text(double value) {
    char out[32];
    std::snprintf(out, sizeof out, "%.4g", value);
    return out;
}

// JSON has no exponent rules worth a thought, but people read these lines too.
std::string json_number(double value) {
    char out[48];
    std::snprintf(out, sizeof out, "%.3f", value);
    return out;
}

}  // namespace

double Samples::percentile(double percent) const {
    if (values_.empty()) {
        return 0;
    }
    auto sorted = values_;
    std::sort(sorted.begin(), sorted.end());
    const auto rank =
        static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size())));
    return sorted[std::max<std::size_t>(rank, 1) - 1];
}

Report::Report(std::string name) : json_("{\"bench\":\"" + name + "\"") {
    const double load = load_average();
    std::printf("%s (load average %.2f)\n", name.c_str(), load);
    number("load", load);
}

void Report::series(const std::string& name, const std::string& unit, const Samples& samples) {
    constexpr double kPercents[] = {50, 95, 99, 100};
    constexpr const char* kNames[] = {"p50", "p95", "p99", "max"};
    std::printf("  %-28s n %-5zu", name.c_str(), samples.count());
    json_ +=
        ",\"" + name + "\":{\"unit\":\"" + unit + "\",\"n\":" + std::to_string(samples.count());
    for (std::size_t i = 0; i < 4; ++i) {
        const double value = samples.percentile(kPercents[i]);
        std::printf("  %s %8.3f", kNames[i], value);
        json_ += std::string(",\"") + kNames[i] + "\":" + json_number(value);
    }
    std::printf("  %s\n", unit.c_str());
    std::fflush(stdout);
    json_ += "}";
}

void Report::number(const std::string& name, double value) {
    json_ += ",\"" + name + "\":" + json_number(value);
}

void Report::row(Row row) {
    rows_.push_back(std::move(row));
}

void Report::finish() {
    std::printf("%s}\n", json_.c_str());
    std::fflush(stdout);
}

double load_average() {
    double load = 0;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

void print_table(const std::vector<Row>& rows) {
    std::printf("\n%-44s %-6s %9s %9s %7s %8s\n", "what (medians)", "unit", "bare", "steward",
                "ratio", "aim");
    for (const auto& row : rows) {
        const std::optional<double> ratio =
            row.bare ? std::optional<double>(row.steward / *row.bare) : std::nullopt;
        std::string aim;
        if (row.aim) {
            const double value = row.aim_is_ratio && ratio ? *ratio : row.steward;
            aim = (row.aim_is_ratio ? "x" : "") + text(*row.aim) +
                  (value <= *row.aim ? "  met" : "  MISSED");
        }
        std::printf("%-44s %-6s %9s %9s %7s   %s\n", row.what.c_str(), row.unit.c_str(),
                    row.bare ? text(*row.bare).c_str() : "-", text(row.steward).c_str(),
                    ratio ? ("x" + text(*ratio)).c_str() : "-", aim.c_str());
    }
}

}  // namespace steward::bench
