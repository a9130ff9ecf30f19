// The command line: what was asked for, with the defaults filled in.
//
// parse() reads nothing but its arguments and the home directory's name; it starts and opens
// nothing.
#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "defaults.hpp"

namespace steward::host {

enum class Command {
    kMcp,
    kRun,
    kPlugins,
    kNewPlugin,
    kStatus,
    kLogs,
    kCheck,
    kDoctor,
    kSimulate,
    kConnect
};

using Settings =
    std::map<std::string, std::map<std::string, std::string>>;  // plugin id -> key -> value

struct Options {
    Command command = Command::kMcp;

    std::string host{defaults::kHost};
    std::uint16_t port = defaults::kPort;
    std::uint16_t port_tries = defaults::kPortTries;
    std::string handoff{defaults::kHandoff};
    std::chrono::nanoseconds health_interval = defaults::kHealthInterval;
    std::chrono::nanoseconds health_timeout = defaults::kHealthTimeout;
    int health_failures = defaults::kHealthFailures;
    int health_successes = defaults::kHealthSuccesses;
    std::chrono::nanoseconds busy_limit = defaults::kBusyLimit;
    std::chrono::nanoseconds startup_timeout = defaults::kStartupTimeout;
    int startup_ports = defaults::kStartupPorts;
    std::chrono::nanoseconds degraded_retry = defaults::kDegradedRetry;
    std::chrono::nanoseconds shutdown_timeout = defaults::kShutdownTimeout;
    std::chrono::nanoseconds exit_timeout = defaults::kExitTimeout;
    std::chrono::nanoseconds metrics_interval = defaults::kMetricsInterval;
    std::string python;    // empty: the one that the build found, else python3 on PATH
    std::string data_dir;  // absolute
    std::string log_level{defaults::kLogLevel};

    std::string health{defaults::strategies().health};
    std::string restart{defaults::strategies().restart};
    std::string port_strategy{defaults::strategies().port};
    std::string metrics{defaults::strategies().metrics};
    std::vector<std::string> plugin_dirs;
    Settings settings;
    bool strategies_given =
        false;  // any of the six above was: plugins are checked before anything is served

    std::vector<std::string> pass_env;                         // --env NAME
    std::vector<std::pair<std::string, std::string>> set_env;  // --env NAME=VALUE

    std::vector<std::string> app_command;  // after --; empty: PromptBin

    bool open_browser = false;         // run --open
    bool json = false;                 // plugins, status
    bool watch = false;                // status
    bool follow = false;               // logs -f
    bool events = false;               // logs
    int lines = 200;                   // logs
    std::string server;                // status, logs: which one
    std::vector<std::string> history;  // simulate: its steps
    std::string history_file;          // simulate: more steps, before those
    std::chrono::nanoseconds simulated = defaults::kSimulated;
    std::uint64_t seed = 1;                         // simulate: of what is drawn by lot
    std::optional<std::chrono::minutes> begins_at;  // simulate: since midnight UTC
    std::string new_plugin;                         // new-plugin: its id
    std::string
        new_plugin_kind;  // new-plugin: health, restart, port, metrics; else not checked yet
    std::string new_plugin_into;  // new-plugin: the folder; empty: named like it
    std::string client;           // connect: claude, vscode, cursor; empty: all
};

// What parse() found: options to act on, or a text to print and an exit code (--help, --version: 0;
// a wrong line: 2).
struct Parsed {
    std::optional<Options> options;
    std::string text;
    int exit_code = 0;
};

Parsed parse(int argc, const char* const* argv);

// "500ms", "5s", "2m"; nothing when the text is none of them.
std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text);

// "07:30" as the time since midnight; nothing when the text is no time of day.
std::optional<std::chrono::minutes> parse_time_of_day(const std::string& text);

// The home directory: HOME, else the user's entry in the password file.
std::string home_folder();

}  // namespace steward::host
