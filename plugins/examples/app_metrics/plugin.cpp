// The plugin app_metrics: strategy steward.metrics/1 from what the app itself offers. See README.md.
#include <algorithm>
#include <array>
#include <chrono>
#include <steward/sdk.hpp>
#include <vector>

#include "exposition.hpp"
#include "scrape.hpp"

namespace {

namespace sdk = steward::sdk;
using examples::app_metrics::Exposition;
using examples::app_metrics::Series;

// What is left of the deadline for handing the series over.
constexpr auto kMargin = std::chrono::milliseconds(20);

void check_path(const std::string& path) {
    if (path.empty() || path[0] != '/' || path.size() > 1024 ||
        std::any_of(path.begin(), path.end(), [](char c) { return c <= ' ' || c > '~'; })) {
        throw sdk::SettingsError("path",
                                 "must begin with a slash and be at most 1024 characters of "
                                 "printable ASCII without spaces (got \"" +
                                     sdk::printable(path) + "\")");
    }
}

// "http_,process_" as a list; empty names are none.
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == ',') {
            parts.emplace_back();
        } else if (c != ' ') {
            parts.back().push_back(c);
        }
    }
    parts.erase(std::remove(parts.begin(), parts.end(), std::string()), parts.end());
    return parts;
}

class AppMetrics {
  public:
    struct Settings {
        std::string path = "/metrics";
        std::string only;
        std::int64_t max_series = 128;
    };
    // The host keeps 256 series of one sample; one of them is ours.
    static constexpr std::array kFields{
        sdk::text("path", &Settings::path, "Where the app offers its metrics."),
        sdk::text("only", &Settings::only,
                  "Beginnings of the names to pass on, with commas between; empty: all."),
        sdk::integer("max_series", &Settings::max_series, {1, 255},
                     "How many series are passed on at most."),
    };
    static constexpr sdk::About kAbout{
        .name = "The app's own metrics",
        .vendor = "Steward examples",
        .version = STEWARD_PLUGIN_VERSION,
        .license = "MIT",
        .url = "",
        .summary = "Passes on what the app offers for Prometheus under /metrics."};

    AppMetrics(sdk::Host host, const Settings& settings)
        : host_(host),
          path_(settings.path),
          only_(split(settings.only)),
          max_series_(static_cast<std::size_t>(settings.max_series)) {
        check_path(path_);
    }

    steward_status sample(const sdk::MetricsRequest& request, const sdk::MetricsEmitter& emit) {
        if (request.port == 0) {
            throw sdk::Failure(STEWARD_E_UNSUPPORTED, "the service has no port to ask");
        }
        const auto endpoint = examples::app_metrics::parse_endpoint(request.address, request.port);
        if (!endpoint) {
            throw sdk::Failure(STEWARD_E_UNSUPPORTED, sdk::printable(request.address) +
                                                          " is not a literal IPv4 or IPv6 address");
        }
        const auto response =
            examples::app_metrics::scrape(host_, *endpoint, path_, request.deadline - kMargin);
        if (response.status() != 200) {
            throw sdk::Failure(STEWARD_E_UNSUPPORTED, "GET " + sdk::printable(path_) + ": " +
                                                          std::to_string(response.status()) +
                                                          ", expected 200");
        }
        report(examples::app_metrics::parse_exposition(response.body(), response.open_metrics()),
               emit);
        return STEWARD_OK;
    }

  private:
    [[nodiscard]] bool wanted(const Series& series) const {
        return only_.empty() || std::any_of(only_.begin(), only_.end(), [&](const auto& begin) {
                   return series.name.starts_with(begin);
               });
    }

    void report(const Exposition& exposition, const sdk::MetricsEmitter& emit) const {
        std::size_t passed_on = 0;
        std::size_t left_out = exposition.unfit;
        for (const Series& series : exposition.series) {
            if (!wanted(series)) {
                continue;
            }
            if (passed_on == max_series_) {
                ++left_out;
                continue;
            }
            ++passed_on;
            std::vector<sdk::MetricLabel> labels;
            for (const auto& [name, value] : series.labels) {
                labels.push_back({name, value});
            }
            const sdk::Metric metric{series.name, series.help, series.unit};
            series.counter ? emit.counter(metric, series.value, labels)
                           : emit.gauge(metric, series.value, labels);
        }
        emit.gauge({"app_metrics_left_out",
                    "Series of the app that could not be passed on, or were too many", ""},
                   static_cast<double>(left_out));
    }

    sdk::Host host_;
    std::string path_;
    std::vector<std::string> only_;
    std::size_t max_series_;
};

}  // namespace

STEWARD_PLUGIN(app_metrics, AppMetrics)
