#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace steward::bench {
namespace {

std::string text(std::optional<double> value, const char* before = "") {
    if (!value) {
        return "-";
    }
    char out[32];
    std::snprintf(out, sizeof out, *value >= 1000 ? "%s%.0f" : "%s%.3g", before, *value);
    return out;
}

std::optional<double> ratio(const Row& row, const std::optional<double>& to) {
    return to ? std::optional<double>(row.steward / *to) : std::nullopt;
}

// "x1.25 met", "at least 30000 MISSED"; an aim about a side that was not measured is left open.
std::string verdict(const Row& row, const Aim& aim) {
    const bool least = aim.is == Aim::Is::kLeast;
    auto value = std::optional<double>(row.steward);
    if (aim.of != Aim::Of::kValue) {
        value = ratio(row, aim.of == Aim::Of::kBare ? row.bare : row.typescript);
    }
    constexpr const char* kBefore[] = {"", "x", "ts x"};
    std::string out = least ? "at least " : "";
    out += text(aim.limit, kBefore[static_cast<int>(aim.of)]);
    if (!value) {
        return out + " open";
    }
    return out + ((least ? *value >= aim.limit : *value <= aim.limit) ? " met" : " MISSED");
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
    std::printf("\n%-42s %-5s %9s %10s %9s %8s %8s  %s\n", "what (medians)", "unit", "bare",
                "typescript", "steward", "/ bare", "/ ts", "aims");
    for (const auto& row : rows) {
        std::string aims;
        for (const auto& aim : row.aims) {
            aims += (aims.empty() ? "" : ", ") + verdict(row, aim);
        }
        std::printf("%-42s %-5s %9s %10s %9s %8s %8s  %s\n", row.what.c_str(), row.unit.c_str(),
                    text(row.bare).c_str(), text(row.typescript).c_str(), text(row.steward).c_str(),
                    text(ratio(row, row.bare), "x").c_str(),
                    text(ratio(row, row.typescript), "x").c_str(), aims.c_str());
    }
}

}  // namespace steward::bench
