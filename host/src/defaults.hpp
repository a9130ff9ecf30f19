// The hardcoded defaults, all in one place. Each has a command-line flag (options.cpp); no
// environment variable changes one.
#pragma once
#include <chrono>
#include <cstdint>
#include <string_view>

namespace steward::host::defaults {

using namespace std::chrono_literals;

inline constexpr std::string_view kServiceName = "promptbin";

inline constexpr std::string_view kHost = "127.0.0.1";
inline constexpr std::uint16_t kPort = 5000;
inline constexpr std::uint16_t kPortTries = 100;
inline constexpr std::string_view kHandoff = "auto";

inline constexpr std::chrono::nanoseconds kHealthInterval = 5s;
inline constexpr std::chrono::nanoseconds kHealthTimeout = 2s;
inline constexpr int kHealthFailures = 3;
inline constexpr int kHealthSuccesses = 1;
inline constexpr std::chrono::nanoseconds kBusyLimit = 60s;

inline constexpr std::chrono::nanoseconds kStartupTimeout = 30s;
inline constexpr int kStartupPorts = 3;

inline constexpr std::chrono::nanoseconds kDegradedRetry = 60s;
inline constexpr std::chrono::nanoseconds kDegradedRetryCap = 10min;

inline constexpr std::chrono::nanoseconds kShutdownTimeout = 10s;
inline constexpr std::chrono::nanoseconds kExitTimeout = 800ms;

inline constexpr std::chrono::nanoseconds kMetricsInterval = 10s;
inline constexpr std::chrono::nanoseconds kSimulated = 60min;  // of `steward simulate`

inline constexpr std::string_view kDataDirName = "promptbin-data";  // in the home directory
inline constexpr std::string_view kLogLevel = "info";

// A build with plugins of its own defines strategies() itself (cmake/StewardStaticPlugins.cmake).
struct Strategies {
    std::string_view health = "health_http";
    std::string_view restart = "restart_backoff";
    std::string_view port = "port_sequential";
    std::string_view metrics = "metrics_proc";
};
Strategies strategies();

// An MCP server that hears nothing at all for this long starts the app by itself.
inline constexpr std::chrono::nanoseconds kSilentStart = 1500ms;

// What the app's environment is taken from; a trailing * stands for any ending.
inline constexpr std::string_view kPassedOn[] = {"PATH", "HOME",   "LANG", "LC_*",
                                                 "TZ",   "TMPDIR", "USER", "XDG_*"};
inline constexpr std::string_view kSet[][2] = {{"PYTHONUTF8", "1"}, {"PYTHONUNBUFFERED", "1"}};
// The core's own: what the app's instance is told by, and how it finds a handed-over socket.
inline constexpr std::string_view kOwnVariables[] = {"STEWARD_INSTANCE", "LISTEN_FDS",
                                                     "LISTEN_PID"};

}  // namespace steward::host::defaults
