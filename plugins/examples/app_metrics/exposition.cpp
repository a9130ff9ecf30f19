#include "exposition.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <steward/sdk/guard.hpp>
#include <steward/sdk/metrics.hpp>

namespace examples::app_metrics {
namespace {

namespace sdk = steward::sdk;

bool is_name_char(char c, bool first, bool colon) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

bool fits_the_interface(const std::string& name) noexcept {
    return name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
           });
}

// Reads from the front of one line.
class Line {
  public:
    Line(std::string_view text, std::size_t number) : text_(text), number_(number) {}

    [[noreturn]] void refuse(const std::string& why) const {
        throw sdk::Failure(STEWARD_E_UNSUPPORTED, "line " + std::to_string(number_) + ": " + why);
    }
    [[nodiscard]] bool at_end() const noexcept { return text_.empty(); }
    [[nodiscard]] std::string_view rest() const noexcept { return text_; }
    [[nodiscard]] bool take(std::string_view what) noexcept {
        if (!text_.starts_with(what)) {
            return false;
        }
        text_.remove_prefix(what.size());
        return true;
    }
    void expect(std::string_view what) {
        if (!take(what)) {
            refuse("expected \"" + std::string(what) + "\" before \"" + sdk::printable(text_) +
                   '"');
        }
    }
    std::string name(bool colon) {
        std::size_t length = 0;
        while (length < text_.size() && is_name_char(text_[length], length == 0, colon)) {
            ++length;
        }
        if (length == 0) {
            refuse("expected a name before \"" + sdk::printable(text_) + '"');
        }
        return std::string(cut(length));
    }
    std::string_view word() { return cut(std::min(text_.find(' '), text_.size())); }

    // A label's value, behind its opening quote.
    std::string quoted() {
        std::string out;
        while (!take("\"")) {
            if (text_.empty()) {
                refuse("a label's value does not end");
            }
            if (take("\\n")) {
                out.push_back('\n');
            } else if (take("\\\\")) {
                out.push_back('\\');
            } else if (take("\\\"")) {
                out.push_back('"');
            } else if (text_[0] == '\\') {
                refuse("a label's value has an unknown escape");
            } else {
                out.append(cut(1));
            }
        }
        return out;
    }

    double number() {
        std::string_view text = word();
        const std::string_view whole = text;
        const bool negative = text.starts_with('-');
        if (negative || text.starts_with('+')) {
            text.remove_prefix(1);
        }
        double value = 0;
        if (text == "Inf" || text == "inf") {
            value = std::numeric_limits<double>::infinity();
        } else if (text == "NaN" || text == "nan") {
            value = std::numeric_limits<double>::quiet_NaN();
        } else {
            const char* const end = text.data() + text.size();
            const auto result = std::from_chars(text.data(), end, value);
            const bool starts_well =
                !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text[0] == '.');
            if (!starts_well || result.ec != std::errc{} || result.ptr != end) {
                refuse("\"" + sdk::printable(whole) + "\" is no number");
            }
        }
        return negative ? -value : value;
    }

  private:
    std::string_view cut(std::size_t length) {
        const std::string_view head = text_.substr(0, length);
        text_.remove_prefix(length);
        return head;
    }

    std::string_view text_;
    std::size_t number_;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// Behind the opening brace.
Labels read_labels(Line& line) {
    Labels labels;
    while (!line.take("}")) {
        if (!labels.empty()) {
            line.expect(",");
            if (line.take("}")) {
                break;  // Prometheus allows a comma at the end.
            }
        }
        std::string name = line.name(/*colon=*/false);
        line.expect("=\"");
        for (const auto& [other, value] : labels) {
            if (other == name) {
                line.refuse("the label " + name + " is there twice");
            }
        }
        labels.emplace_back(std::move(name), line.quoted());
    }
    return labels;
}

class Parser {
  public:
    Exposition parse(std::string_view text, bool open_metrics) {
        std::size_t number = 0;
        for (; !text.empty(); ++number) {
            const auto end = text.find('\n');
            Line line(text.substr(0, end), number + 1);
            if (eof_) {
                line.refuse("something follows # EOF");
            }
            if (end == std::string_view::npos) {
                line.refuse("the line does not end");
            }
            read_line(line);
            text.remove_prefix(end + 1);
        }
        if (open_metrics && !eof_) {
            Line({}, number + 1).refuse("the text ends before # EOF");
        }
        return std::move(out_);
    }

  private:
    struct Family {
        std::string help;
        std::string type;
        std::string unit;
    };

    void read_line(Line& line) {
        if (line.at_end()) {
            return;
        }
        if (!line.rest().starts_with('#')) {
            read_series(line);
        } else if (line.take("# EOF")) {
            eof_ = line.at_end();
        } else if (line.take("# TYPE ")) {
            Family& family = families_[line.name(/*colon=*/true)];
            line.expect(" ");
            family.type = line.rest();
        } else if (line.take("# HELP ")) {
            Family& family = families_[line.name(/*colon=*/true)];
            family.help = line.take(" ") ? line.rest() : std::string_view{};
        } else if (line.take("# UNIT ")) {
            Family& family = families_[line.name(/*colon=*/true)];
            family.unit = line.take(" ") ? line.rest() : std::string_view{};
        }
    }

    // name{label="value",...} value [timestamp] [# exemplar]
    void read_series(Line& line) {
        Series series;
        series.name = line.name(/*colon=*/true);
        if (line.take("{")) {
            series.labels = read_labels(line);
        }
        line.expect(" ");
        series.value = line.number();
        if (!line.at_end() && !line.rest().starts_with(" # ")) {
            line.expect(" ");
            (void)line.number();
        }
        if (line.take(" # {")) {
            (void)read_labels(line);
            line.expect(" ");
            (void)line.number();
            if (line.take(" ")) {
                (void)line.number();
            }
        }
        if (!line.at_end()) {
            line.refuse("\"" + sdk::printable(line.rest()) + "\" follows the value");
        }
        describe(series);
        if (std::isfinite(series.value) && fits_the_interface(series.name) &&
            series.labels.size() <= sdk::MetricsEmitter::kMaxLabels) {
            out_.series.push_back(std::move(series));
        } else {
            ++out_.unfit;
        }
    }

    // Help, unit and kind are those of the family, which may be called without the series' ending.
    void describe(Series& series) const {
        const std::string_view name = series.name;
        for (const std::string_view ending : {"", "_total", "_bucket", "_count", "_sum"}) {
            if (!name.ends_with(ending)) {
                continue;
            }
            const auto family = families_.find(name.substr(0, name.size() - ending.size()));
            if (family == families_.end()) {
                continue;
            }
            const std::string& type = family->second.type;
            series.help = family->second.help;
            series.unit = family->second.unit;
            series.counter = type == "counter" ||
                             ((type == "histogram" || type == "summary") && !ending.empty());
            return;
        }
    }

    std::map<std::string, Family, std::less<>> families_;
    Exposition out_;
    bool eof_ = false;
};

}  // namespace

Exposition parse_exposition(std::string_view text, bool open_metrics) {
    if (!sdk::is_utf8(text)) {
        throw sdk::Failure(STEWARD_E_UNSUPPORTED, "the answer is not UTF-8");
    }
    return Parser().parse(text, open_metrics);
}

}  // namespace examples::app_metrics
