// Samples, their order statistics, and how a measurement is reported: lines for people, one JSON
// line, rows of the table.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace steward::bench {

// Values of one kind, in the order of measurement.
class Samples {
  public:
    void add(double value) { values_.push_back(value); }
    [[nodiscard]] std::size_t count() const { return values_.size(); }
    [[nodiscard]] const std::vector<double>& values() const { return values_; }
    // The nearest rank: the smallest value that `percent` of all do not exceed. 0 without values.
    [[nodiscard]] double percentile(double percent) const;
    [[nodiscard]] double median() const { return percentile(50); }

  private:
    std::vector<double> values_;
};

// What steward's value is measured against.
struct Aim {
    enum class Of { kValue, kBare, kTypeScript };
    enum class Is { kMost, kLeast };
    double limit = 0;
    Of of = Of::kValue;  // the value itself, or its ratio to another side
    Is is = Is::kMost;
};

// A row of the table: medians.
struct Row {
    std::string what;
    std::string unit;
    std::optional<double> bare = {};
    std::optional<double> typescript = {};
    double steward = 0;
    std::vector<Aim> aims = {};
};

class Report {
  public:
    explicit Report(std::string name);

    // Prints one line for people: the name and n, p50, p95, p99, max; the same goes into the JSON
    // line.
    void series(const std::string& name, const std::string& unit, const Samples& samples);
    // One number for the JSON line alone.
    void number(const std::string& name, double value);
    void row(Row row);
    // Prints the JSON line.
    void finish();

    [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

  private:
    std::string json_;
    std::vector<Row> rows_;
};

// The load of the last minute.
double load_average();

void print_table(const std::vector<Row>& rows);

}  // namespace steward::bench
