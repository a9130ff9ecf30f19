#include "options.hpp"

#include <pwd.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "handoff.hpp"
#include "version.hpp"

namespace steward::host {
namespace {

using std::chrono::nanoseconds;

// A wrong command line: one line that names the thing, the value and the remedy.
struct UsageError {
    std::string text;
};

std::string duration_text(nanoseconds d) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    if (ms >= 120'000 && ms % 60'000 == 0) {
        return fmt::format("{}m", ms / 60'000);
    }
    return ms >= 1000 && ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

template <class Number>
Number parse_number(const std::string& flag, const std::string& text, long min, long max) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
        throw UsageError{
            fmt::format("{}: must be a whole number from {} to {} (got {})", flag, min, max, text)};
    }
    return static_cast<Number>(value);
}

// Registers flags on one (sub)command; all of them write into the same Options.
class Flags {
  public:
    Flags(CLI::App& app, Options& options) : app_(app), o_(options) {}

    CLI::Option* text(const std::string& flag, const std::string& help, const std::string& shown,
                      std::function<void(const std::string&)> set) {
        return app_.add_option_function<std::string>(flag, std::move(set), help)->type_name(shown);
    }
    void duration(const std::string& flag, const std::string& help, nanoseconds& target,
                  nanoseconds min = nanoseconds(0)) {
        text(flag, help + " [" + duration_text(target) + "]", "DURATION",
             [flag, &target, min](const std::string& value) {
                 const auto parsed = parse_duration(value);
                 if (!parsed) {
                     throw UsageError{fmt::format(
                         "{}: must be a duration such as 500ms, 5s or 2m (got {})", flag, value)};
                 }
                 if (*parsed < min || *parsed > std::chrono::hours(24 * 7)) {
                     throw UsageError{fmt::format("{}: must be from {} to 10080m (got {})", flag,
                                                  duration_text(min), value)};
                 }
                 target = *parsed;
             });
    }
    template <class Number>
    void number(const std::string& flag, const std::string& help, Number& target, long min,
                long max) {
        text(flag, fmt::format("{} [{}]", help, target), "N",
             [flag, &target, min, max](const std::string& value) {
                 target = parse_number<Number>(flag, value, min, max);
             });
    }
    void list(const std::string& flag, const std::string& help, const std::string& shown,
              std::function<void(const std::string&)> add) {
        app_.add_option_function<std::vector<std::string>>(
                flag,
                [add = std::move(add)](const std::vector<std::string>& values) {
                    for (const auto& value : values) {
                        add(value);
                    }
                },
                help)
            ->type_name(shown)
            ->expected(1)
            ->allow_extra_args(false)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }

    void plugin_dirs();
    void data_dir();
    void strategies();
    void supervision();

  private:
    CLI::App& app_;
    Options& o_;
};

// Absolute, for the app may run elsewhere.
std::string whole_path(const char* flag, const std::string& value) {
    std::error_code error;
    const auto path = std::filesystem::absolute(value, error);
    if (error) {
        throw UsageError{fmt::format(
            "{}: {} begins at the working directory, which cannot be used: {}; give a whole path",
            flag, value, error.message())};
    }
    return path.lexically_normal().string();
}

void Flags::data_dir() {
    Options& o = o_;  // The flags outlive this object.
    text("--data-dir", "Folder of the prompts [~/" + std::string(defaults::kDataDirName) + "]",
         "DIR", [&o](const std::string& value) {
             if (value.empty()) {
                 throw UsageError{"--data-dir: must not be empty"};
             }
             o.data_dir = whole_path("--data-dir", value);
         });
}

void Flags::plugin_dirs() {
    Options& o = o_;  // The flags outlive this object.
    list("--plugin-dir",
         "Another folder with plugins, searched before the one next to the program (repeatable)",
         "DIR", [&o](const std::string& value) {
             std::error_code error;
             const auto status = std::filesystem::status(value, error);
             if (!std::filesystem::is_directory(status)) {
                 const bool exists = std::filesystem::exists(status);
                 throw UsageError{fmt::format(
                     "--plugin-dir: {} {}; give a folder that holds steward_ID.so files", value,
                     exists ? "is no folder" : "does not exist")};
             }
             o.plugin_dirs.push_back(whole_path("--plugin-dir", value));
             o.strategies_given = true;
         });
}

void Flags::strategies() {
    Options& o = o_;  // The flags outlive this object.
    const auto strategy = [this, &o](const std::string& flag, const std::string& help,
                                     std::string& target) {
        text(flag, help + " [" + target + "]", "ID|FILE|none",
             [&o, flag, &target](const std::string& value) {
                 if (value.empty()) {
                     throw UsageError{
                         flag + ": needs a plugin's id, a file or none; see `steward plugins`"};
                 }
                 target = value;
                 o.strategies_given = true;
             });
    };
    strategy("--health", "Health check strategy", o.health);
    strategy("--restart", "Restart strategy", o.restart);
    strategy("--port-strategy", "Port strategy", o.port_strategy);
    strategy("--metrics", "Metrics strategy", o.metrics);
    plugin_dirs();
    list("--set",
         "A setting of a strategy (repeatable), e.g. restart_backoff.max_restarts=10. "
         "restart_backoff: base_ms [250], factor [2], "
         "cap_ms [30000], jitter_percent [20], stable_ms [60000], max_restarts [5]. health_http: "
         "path [/health], "
         "expect_status [200], pointer [/status], expect [healthy]",
         "ID.KEY=VALUE", [&o](const std::string& value) {
             const auto dot = value.find('.');
             const auto equals = value.find('=');
             if (dot == std::string::npos || equals == std::string::npos || dot == 0 ||
                 equals < dot + 2) {
                 throw UsageError{fmt::format(
                     "--set: must be ID.KEY=VALUE, e.g. restart_backoff.base_ms=100 (got {})",
                     value)};
             }
             o.settings[value.substr(0, dot)][value.substr(dot + 1, equals - dot - 1)] =
                 value.substr(equals + 1);
             o.strategies_given = true;
         });
}

void Flags::supervision() {
    Options& o = o_;  // The flags outlive this object.
    text("--host", "Address that the app listens on [" + o.host + "]", "ADDRESS",
         [&o](const std::string& value) { o.host = value; });
    number("--port", "First port to try", o.port, 1, 65535);
    number("--port-tries", "How many ports to try, upwards", o.port_tries, 1, 65535);
    text("--handoff",
         "How the app comes to its port: auto, flag, listen-fds, werkzeug or port; see below [" +
             o.handoff + "]",
         "MODE", [&o](const std::string& value) {
             for (const char* mode : {"auto", "flag", "listen-fds", "werkzeug", "port"}) {
                 if (value == mode) {
                     o.handoff = value;
                     return;
                 }
             }
             throw UsageError{fmt::format(
                 "--handoff: must be auto, flag, listen-fds, werkzeug or port (got {})", value)};
         });
    duration("--health-interval", "Time between health checks", o.health_interval,
             std::chrono::milliseconds(10));
    duration("--health-timeout", "Time for one health check", o.health_timeout,
             std::chrono::milliseconds(1));
    number("--health-failures", "Failures in a row that mean unhealthy", o.health_failures, 1,
           1000);
    number("--health-successes", "Healthy answers in a row that mean healthy", o.health_successes,
           1, 1000);
    duration(
        "--busy-limit",
        "How long health checks of a busy app may fail before it is restarted; 0: as any other",
        o.busy_limit);
    duration("--startup-timeout", "Time for the first healthy answer", o.startup_timeout,
             std::chrono::milliseconds(1));
    number("--startup-ports", "Other ports to try when the app refuses one", o.startup_ports, 0,
           100);
    duration("--degraded-retry", "Wait before one more try after giving up; doubles up to 10m",
             o.degraded_retry, std::chrono::milliseconds(1));
    duration("--shutdown-timeout", "From SIGTERM to SIGKILL at a stop or restart",
             o.shutdown_timeout);
    duration("--exit-timeout", "From SIGTERM to SIGKILL at the end of the session", o.exit_timeout);
    duration("--metrics-interval", "Time between metrics samples", o.metrics_interval,
             std::chrono::milliseconds(10));
    text("--python",
         "Python interpreter for the app [" +
             (std::string(kBuildPython).empty() ? "python3" : std::string(kBuildPython)) + "]",
         "FILE", [&o](const std::string& value) {
             if (value.empty()) {
                 throw UsageError{"--python: must not be empty"};
             }
             o.python = value;
         });
    data_dir();
    text("--log-level",
         "The app's log level: debug, info, warning, error, critical [" + o.log_level + "]",
         "LEVEL", [&o](const std::string& value) {
             for (const char* level : {"debug", "info", "warning", "error", "critical"}) {
                 if (value == level) {
                     o.log_level = value;
                     return;
                 }
             }
             throw UsageError{fmt::format(
                 "--log-level: must be debug, info, warning, error or critical (got {})", value)};
         });
    list("--env", "Pass a variable on to the app, or set one (repeatable)", "NAME|NAME=VALUE",
         [&o](const std::string& value) {
             const auto equals = value.find('=');
             if (value.empty() || equals == 0) {
                 throw UsageError{fmt::format("--env: must be NAME or NAME=VALUE (got {})", value)};
             }
             const std::string name = value.substr(0, equals);
             for (const auto own : defaults::kOwnVariables) {
                 if (name == own) {
                     throw UsageError{fmt::format(
                         "--env: {} is set by steward itself; leave it out (got {})", name, value)};
                 }
             }
             if (equals == std::string::npos) {
                 o.pass_env.push_back(value);
             } else {
                 o.set_env.emplace_back(value.substr(0, equals), value.substr(equals + 1));
             }
         });
    strategies();
}

constexpr const char* kFooter =
    "Without a command, and as `steward mcp`, it is an MCP server on stdin and stdout.\n"
    "`steward run -- CMD ARG...` and `steward mcp -- CMD ARG...` supervise another program; in its "
    "arguments {host}, {port},\n"
    "{fd}, {data_dir} and {instance} are replaced. --handoff: with flag it is given the listening\n"
    "socket as descriptor {fd}, with listen-fds as systemd does it, with werkzeug as Flask's own\n"
    "server takes it; with port it binds {port} by itself. auto is flag where an argument has "
    "{fd},\n"
    "listen-fds for gunicorn, werkzeug for flask run, else port where an argument has {port}.\n"
    "The app gets PATH, HOME, LANG, LC_*, TZ, TMPDIR, USER, XDG_*, PYTHONUTF8=1, "
    "PYTHONUNBUFFERED=1 and STEWARD_INSTANCE,\n"
    "with flag and listen-fds also LISTEN_FDS=1 and LISTEN_PID, with werkzeug WERKZEUG_SERVER_FD=3 "
    "and WERKZEUG_RUN_MAIN=true.";

constexpr const char* kHistoryHelp =
    "A STEP is one instance: `exit CODE`, `signal NUMBER` or `hang`, each with `after DURATION`, "
    "`slow DURATION` (until its\n"
    "first healthy answer), `cannot-start` or `run`; xN behind it: N times. For example:\n"
    "steward simulate --set restart_backoff.base_ms=100 \"exit 1 after 2s x3\" \"hang after 1m\" "
    "run";

void add_commands(CLI::App& app, Options& o) {
    Flags(app, o).supervision();
    auto* mcp = app.add_subcommand("mcp", "The MCP server (also without a command)");
    mcp->parse_complete_callback([&o] { o.command = Command::kMcp; });
    Flags(*mcp, o).supervision();

    auto* run = app.add_subcommand("run", "The same supervision in this terminal, until Ctrl-C");
    run->parse_complete_callback([&o] { o.command = Command::kRun; });
    run->add_flag("--open", o.open_browser, "Open the app in the browser once it is healthy");
    Flags(*run, o).supervision();

    auto* check = app.add_subcommand("check", "Check what a start would need; exit code 0 or 2");
    check->parse_complete_callback([&o] { o.command = Command::kCheck; });
    Flags(*check, o).supervision();

    auto* doctor = app.add_subcommand(
        "doctor", "Say which guarantees hold on this machine, and why; exit code 0 or 2");
    doctor->parse_complete_callback([&o] { o.command = Command::kDoctor; });
    Flags(*doctor, o).data_dir();

    auto* simulate = app.add_subcommand(
        "simulate", "Print the restart timeline that a policy gives for a scripted history");
    simulate->parse_complete_callback([&o] { o.command = Command::kSimulate; });
    simulate->footer(kHistoryHelp);
    simulate
        ->add_option("step", o.history,
                     "What becomes of each instance, see below; the last is repeated")
        ->type_name("STEP");
    simulate
        ->add_option("--history", o.history_file,
                     "A file with steps, one on each line, before those; - is stdin")
        ->type_name("FILE");
    Flags(*simulate, o)
        .duration("--for", "How much time passes", o.simulated, std::chrono::milliseconds(1));
    Flags(*simulate, o).number("--seed", "Chance comes from it", o.seed, 0, 1'000'000'000);
    Flags(*simulate, o)
        .text("--at", "Time of day at which it begins, UTC, for policies that mind it [16:16]",
              "HH:MM", [&o](const std::string& value) {
                  o.begins_at = parse_time_of_day(value);
                  if (!o.begins_at) {
                      throw UsageError{fmt::format(
                          "--at: must be a time of day from 00:00 to 23:59 (got {})", value)};
                  }
              });
    simulate->add_flag("--json", o.json, "One JSON object on each line, as in the log");
    Flags(*simulate, o).supervision();

    auto* plugins = app.add_subcommand(
        "plugins", "List the plugins that are found, from where, with their settings");
    plugins->parse_complete_callback([&o] { o.command = Command::kPlugins; });
    plugins->add_flag("--json", o.json, "As JSON");
    Flags(*plugins, o).plugin_dirs();

    auto* fresh = app.add_subcommand(
        "new-plugin", "Write a small project for a plugin of your own: it builds, and is tested");
    fresh->parse_complete_callback([&o] { o.command = Command::kNewPlugin; });
    fresh->add_option("name", o.new_plugin, "Its id: a-z, 0-9 and _, beginning with a letter")
        ->type_name("NAME")
        ->required();
    Flags(*fresh, o)
        .text("--kind", "What it decides: health, restart, port or metrics", "KIND",
              [&o](const std::string& value) { o.new_plugin_kind = value; })
        ->required();
    Flags(*fresh, o).text("--into",
                          "The folder to write, new or empty [NAME, in the working directory]",
                          "FOLDER", [&o](const std::string& value) {
                              if (value.empty()) {
                                  throw UsageError{"--into: must not be empty"};
                              }
                              o.new_plugin_into = value;
                          });

    auto* status = app.add_subcommand("status", "Show the status of the running server");
    status->parse_complete_callback([&o] { o.command = Command::kStatus; });
    status->add_flag("--json", o.json, "As one JSON object");
    status->add_flag("--watch", o.watch, "Again at each change, until Ctrl-C");
    status->add_option("--server", o.server, "Which one, by its process id")->type_name("PID");

    auto* logs = app.add_subcommand("logs", "Show what the app of the running server writes");
    logs->parse_complete_callback([&o] { o.command = Command::kLogs; });
    logs->add_flag("-f,--follow", o.follow, "Go on with what comes");
    logs->add_flag("--events", o.events, "The supervisor's events instead");
    Flags(*logs, o).number("-n,--lines", "How many lines", o.lines, 1, 100'000);
    logs->add_option("--server", o.server, "Which one, by its process id")->type_name("PID");

    auto* connect =
        app.add_subcommand("connect", "Print the configuration that connects an AI tool");
    connect->parse_complete_callback([&o] { o.command = Command::kConnect; });
    connect->add_option("client", o.client, "claude, vscode or cursor; all when left out")
        ->check(CLI::IsMember({"claude", "vscode", "cursor"}));
    app.require_subcommand(0, 1);
    app.footer(kFooter);
}

// What CLI11 says of a wrong line, as one line for people.
std::string describe(const CLI::App& app, const CLI::ParseError& error) {
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        for (const auto* part : app.get_subcommands()) {
            if (const auto rest = part->remaining(); !rest.empty()) {
                return fmt::format(
                    "{}: {} `steward {}`; see `steward {} --help`", rest.front(),
                    rest.front().starts_with("-") ? "no such option of" : "unknown argument of",
                    part->get_name(), part->get_name());
            }
        }
        const auto rest = app.remaining(true);
        const std::string what = rest.empty() ? std::string("an argument") : rest.front();
        return fmt::format("{}: no such {}; see `steward --help`", what,
                           what.starts_with("-") ? "option" : "command");
    }
    std::string text = error.what();
    for (auto& c : text) {
        c = c == '\n' ? ' ' : c;
    }
    return text + "; see `steward --help`";
}

}  // namespace

std::optional<nanoseconds> parse_duration(const std::string& text) {
    long long value = 0;
    const auto [unit, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string rest(unit, text.data() + text.size());
    if (error != std::errc() || value < 0 || value > 1'000'000'000) {
        return std::nullopt;
    }
    if (rest == "ms") {
        return std::chrono::milliseconds(value);
    }
    if (rest == "s") {
        return std::chrono::seconds(value);
    }
    if (rest == "m") {
        return std::chrono::minutes(value);
    }
    return value == 0 && rest.empty() ? std::optional<nanoseconds>(nanoseconds(0)) : std::nullopt;
}

std::optional<std::chrono::minutes> parse_time_of_day(const std::string& text) {
    int hour = 0;
    int minute = 0;
    const char* const at = text.data();
    const auto whole = [](const std::from_chars_result& got, const char* end) {
        return got.ec == std::errc() && got.ptr == end;
    };
    if (text.size() != 5 || text[2] != ':' || !whole(std::from_chars(at, at + 2, hour), at + 2) ||
        !whole(std::from_chars(at + 3, at + 5, minute), at + 5) || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59) {
        return std::nullopt;
    }
    return std::chrono::hours(hour) + std::chrono::minutes(minute);
}

std::string home_folder() {
    if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
        return home;
    }
    const passwd* const entry = getpwuid(getuid());
    return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "/";
}

Parsed parse(int argc, const char* const* argv) {
    Options options;
    CLI::App app("Steward starts a web app, keeps it healthy and takes it down with itself",
                 "steward");
    app.set_version_flag("--version", "steward " + std::string(kVersion));
    app.get_formatter()->column_width(36);
    add_commands(app, options);

    int own = 1;
    while (own < argc && std::strcmp(argv[own], "--") != 0) {
        ++own;
    }
    try {
        for (int i = 1; i < own; ++i) {
            const std::string word = argv[i];
            if (word.starts_with("--") && word.find('=') == word.size() - 1) {
                // The parser would take the next word for the value.
                throw UsageError{fmt::format("{} has no value behind it", word)};
            }
        }
        app.parse(own, argv);
        if (own < argc) {
            if (options.command != Command::kMcp && options.command != Command::kRun &&
                options.command != Command::kCheck) {
                return {std::nullopt,
                        "--: only `steward run`, `steward mcp` and `steward check` take a command",
                        2};
            }
            options.app_command.assign(argv + own + 1, argv + argc);
            if (options.app_command.empty() || options.app_command.front().empty()) {
                return {std::nullopt,
                        "--: give the command to supervise behind it, e.g. steward run -- ./server "
                        "--port {port}",
                        2};
            }
        }
    } catch (const UsageError& error) {
        return {std::nullopt, error.text, 2};
    } catch (const CLI::CallForHelp&) {
        for (const auto* part : app.get_subcommands()) {
            return {std::nullopt, part->help(), 0};
        }
        return {std::nullopt, app.help(), 0};
    } catch (const CLI::CallForVersion& version) {
        return {std::nullopt, version.what(), 0};
    } catch (const CLI::ParseError& error) {
        return {std::nullopt, describe(app, error), 2};
    }
    if (const auto handoff = choose_handoff(options); !handoff) {
        return {std::nullopt, handoff.error().text, 2};
    }
    if (options.data_dir.empty()) {
        options.data_dir = home_folder() + "/" + std::string(defaults::kDataDirName);
    }
    return {std::move(options), {}, 0};
}

}  // namespace steward::host
