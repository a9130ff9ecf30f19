// The plugin health_http: strategy steward.health/1 by one HTTP GET. See README.md.
#include <algorithm>
#include <array>
#include <cstdint>
#include <steward/sdk.hpp>
#include <string>
#include <string_view>

#include "prober.hpp"

namespace steward::health_http {
namespace {

constexpr std::size_t kPathLimit = 1024;

// The path goes into the request line as it is: a space or a line break there would be another
// request.
void check_path(const std::string& path) {
    if (path.empty() || path[0] != '/') {
        throw sdk::SettingsError(
            "path", "must begin with a slash (got " + sdk::printable('"' + path) + "\")");
    }
    if (path.size() > kPathLimit) {
        throw sdk::SettingsError(
            "path", "must be at most 1024 bytes (got " + std::to_string(path.size()) + ")");
    }
    if (std::any_of(path.begin(), path.end(), [](char c) { return c <= ' ' || c > '~'; })) {
        throw sdk::SettingsError("path",
                                 "must be printable ASCII without spaces; percent-encode (got \"" +
                                     sdk::printable(path) + "\")");
    }
}

JsonPointer checked_pointer(const std::string& text) {
    auto pointer = JsonPointer::parse(text);
    if (!pointer) {
        throw sdk::SettingsError(
            "pointer",
            "must be empty or a JSON pointer such as /status, with ~ written as ~0 (got \"" +
                sdk::printable(text) + "\")");
    }
    return *std::move(pointer);
}

class HealthHttp {
  public:
    struct Settings {
        std::string path = "/health";
        std::int64_t expect_status = 200;
        std::string pointer = "/status";
        std::string expect = "healthy";
    };
    static constexpr std::array kFields{
        sdk::text("path", &Settings::path, "What is asked for, beginning with a slash."),
        sdk::integer("expect_status", &Settings::expect_status, {100, 599},
                     "The HTTP status of a healthy answer. Redirects are not followed."),
        sdk::text("pointer", &Settings::pointer,
                  "JSON pointer to the value in the answer's body that tells the health; empty: "
                  "the body is "
                  "not looked at."),
        sdk::text("expect", &Settings::expect,
                  "The value of a healthy answer there; true, false, null and numbers are compared "
                  "as they "
                  "are written."),
    };
    static constexpr sdk::About kAbout{
        "HTTP health check",
        "Steward",
        STEWARD_PLUGIN_VERSION,
        "MIT",
        "",
        "Asks the service for a page and compares the status and one value of its JSON."};

    HealthHttp(sdk::Host host, const Settings& settings) : prober_(host, question(settings)) {}

    void start(const sdk::HealthRequest& request, sdk::HealthDone done) {
        prober_.start(request, std::move(done));
    }
    void cancel(steward_token probe) noexcept { prober_.cancel(probe); }

  private:
    static Question question(const Settings& settings) {
        check_path(settings.path);
        return {settings.path, settings.expect_status, settings.pointer, settings.expect,
                checked_pointer(settings.pointer)};
    }

    Prober prober_;
};

}  // namespace
}  // namespace steward::health_http

STEWARD_PLUGIN(health_http, steward::health_http::HealthHttp)
