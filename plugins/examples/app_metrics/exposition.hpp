// Prometheus' text format (0.0.4) and OpenMetrics (1.0) as a list of series. Strict: a line that
// cannot be read refuses the whole text, because half of it would be mistaken for the whole. Pure;
// any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace examples::app_metrics {

struct Series {
    std::string name;
    std::string help;
    std::string unit;
    bool counter = false;  // else a gauge: the plugin interface knows no other kind
    double value = 0;      // finite
    std::vector<std::pair<std::string, std::string>> labels;
};

struct Exposition {
    std::vector<Series> series;  // in the order of the text
    // What the plugin interface has no place for: a value that is not finite, a name other than
    // [a-z_][a-z0-9_]{0,127}, more than 16 labels.
    std::size_t unfit = 0;
};

// With `open_metrics` the text must end with "# EOF", so that a part is not taken for the whole.
// Throws sdk::Failure UNSUPPORTED "line 7: ...".
[[nodiscard]] Exposition parse_exposition(std::string_view text, bool open_metrics);

}  // namespace examples::app_metrics
