// What an answer says about the service: the part of plugin_name that needs no network.
//
// Healthy is an HTTP answer with a status from 200 to 299 that has come within slow_ms: an app that
// takes seconds for its own health page is of no use to people, even if it answers in the end.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <steward/sdk.hpp>

namespace policy {

namespace sdk = steward::sdk;

// The defaults stand here, and only here; names, bounds and descriptions in the table below. The
// host makes `steward plugins` and `--set plugin_name.path=/ping` of both.
struct Settings {
    std::string path = "/health";
    std::int64_t slow_ms = 0;
};
inline constexpr std::array kFields{
    sdk::text("path", &Settings::path, "What is asked for, beginning with a slash."),
    sdk::integer("slow_ms", &Settings::slow_ms, {0, 3'600'000},
                 "An answer that takes longer is not healthy, in milliseconds; 0: any will do."),
};

// The path goes into the request as it is: a line break there would begin another line of it.
inline void check_path(const std::string& path) {
    const bool plain =
        std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (!path.starts_with('/') || path.size() > 1024 || !plain) {
        throw sdk::SettingsError("path",
                                 "must begin with / and be at most 1024 printable ASCII characters "
                                 "without spaces (got \"" +
                                     sdk::printable(path) + "\")");
    }
}

inline std::string request_text(const std::string& path, const std::string& host) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
}

struct Outcome {
    std::int32_t verdict = STEWARD_UNKNOWN;
    steward_status status = STEWARD_OK;
    std::int32_t code = 0;  // HTTP status, or 0
    std::string detail;     // one line for people
};

// Longer heads than this are refused.
inline constexpr std::size_t kMostHead = 16'384;

// The status in "HTTP/1.1 200 OK"; 0 if `head` does not begin like that.
inline std::int32_t http_status(std::string_view head) {
    std::int32_t status = 0;
    if (head.size() < 12 || !head.starts_with("HTTP/1.") || head[8] != ' ') {
        return 0;
    }
    const auto [end, error] = std::from_chars(head.data() + 9, head.data() + 12, status);
    return error == std::errc{} && end == head.data() + 12 && status >= 100 ? status : 0;
}

inline bool is_whole(std::string_view head) {
    return head.find("\r\n\r\n") != std::string_view::npos || head.size() > kMostHead;
}

// The verdict on what has been read when no more of it is wanted, or will come.
inline Outcome judge(const Settings& settings, std::string_view head, sdk::Duration took) {
    const std::string asked = "GET " + settings.path + ": ";
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    const std::int32_t code = http_status(head);
    if (head.empty()) {
        return {STEWARD_UNHEALTHY, STEWARD_OK, 0,
                asked + "the connection was closed without an answer"};
    }
    if (code == 0) {
        return {STEWARD_UNHEALTHY, STEWARD_OK, 0, asked + "the answer is not HTTP"};
    }
    if (head.find("\r\n\r\n") == std::string_view::npos) {
        return {STEWARD_UNHEALTHY, STEWARD_OK, code,
                asked + (head.size() > kMostHead ? "the answer's head is longer than 16 KiB"
                                                 : "the answer ended within its head")};
    }
    if (code < 200 || code > 299) {
        return {STEWARD_UNHEALTHY, STEWARD_OK, code,
                asked + std::to_string(code) + ", expected 200 to 299"};
    }
    const std::string answer =
        asked + std::to_string(code) + " after " + std::to_string(ms) + " ms";
    if (settings.slow_ms != 0 && took > std::chrono::milliseconds(settings.slow_ms)) {
        return {STEWARD_UNHEALTHY, STEWARD_OK, code,
                answer + ", expected within " + std::to_string(settings.slow_ms) + " ms"};
    }
    return {STEWARD_HEALTHY, STEWARD_OK, code, answer};
}

}  // namespace policy
