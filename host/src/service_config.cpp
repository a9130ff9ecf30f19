#include "service_config.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <fmt/core.h>

#include "app_command.hpp"
#include "handoff.hpp"
#include "steward/core/unique_fd.hpp"

extern char** environ;

namespace steward::host {
namespace {

namespace fs = std::filesystem;

bool passed_on(const std::string& name, const Options& options) {
    for (const auto pattern : defaults::kPassedOn) {
        const bool any_ending = pattern.ends_with('*');
        if (any_ending ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                       : name == pattern) {
            return true;
        }
    }
    return std::find(options.pass_env.begin(), options.pass_env.end(), name) !=
           options.pass_env.end();
}

std::vector<std::pair<std::string, std::string>> app_environment(const Options& options) {
    std::map<std::string, std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text(*entry);
        const auto equals = text.find('=');
        if (equals != std::string::npos && passed_on(text.substr(0, equals), options)) {
            variables[text.substr(0, equals)] = text.substr(equals + 1);
        }
    }
    for (const auto& [name, value] : defaults::kSet) {
        variables[std::string(name)] = value;
    }
    for (const auto& [name, value] : options.set_env) {
        variables[name] = value;
    }
    return {variables.begin(), variables.end()};
}

void apply_handoff(const Options& options, core::ServiceConfig& config) {
    const auto handoff = choose_handoff(options);
    if (!handoff) {
        return;  // parse() has refused it.
    }
    config.machine.port_mode = handoff->port_mode;
    config.listen_variables = handoff->listen_variables;
    config.hand_over_advice = handoff->advice;
    config.environment.insert(config.environment.end(), handoff->environment.begin(),
                              handoff->environment.end());
    if (!handoff->any_port) {
        config.port_tries = 1;
        config.machine.startup_ports = 0;
    }
}

}  // namespace

std::string service_name(const Options& options) {
    return options.app_command.empty() ? std::string(defaults::kServiceName)
                                       : fs::path(options.app_command.front()).filename().string();
}

core::ServiceConfig service_config(const Options& options, const Paths& paths) {
    core::ServiceConfig config;
    config.name = service_name(options);
    config.data_dir = options.data_dir;
    config.address = options.host;
    config.base_port = options.port;
    config.port_tries = options.port_tries;
    config.environment = app_environment(options);
    if (options.command == Command::kMcp) {
        config.first_cause = "waiting for a client";
    }
    auto& machine = config.machine;
    if (options.app_command.empty()) {
        config.argv = {choose_python(options),
                       paths.app,
                       "--mode",
                       "mcp-managed",
                       "--host",
                       "{host}",
                       "--port",
                       "{port}",
                       "--log-level",
                       options.log_level,
                       "--data-dir",
                       "{data_dir}",
                       "--listen-fd",
                       "{fd}",
                       "--instance-id",
                       "{instance}"};
        config.script = paths.app;
        config.directory = fs::path(paths.app).parent_path().string();
        config.watch_folder = config.directory;
        config.watch_program = fs::path(paths.app).filename().string();
        config.stack_dump = {SIGUSR1, "(most recent call first)"};  // Python's faulthandler
    } else {
        config.argv = options.app_command;
        auto folder = app_folder(config.argv, config.environment);
        config.watch_folder = std::move(folder.path);
        config.watch_program = std::move(folder.program);
        if (folder.guessed) {
            config.watch_endings = source_endings();
        }
    }
    machine.health_enabled = options.health != "none";
    machine.health_interval = options.health_interval;
    machine.health_timeout = options.health_timeout;
    machine.health_failures = options.health_failures;
    machine.health_successes = options.health_successes;
    machine.busy_limit = options.busy_limit;
    machine.startup_timeout = options.startup_timeout;
    machine.startup_ports = options.startup_ports;
    apply_handoff(options, config);
    machine.shutdown_timeout = options.shutdown_timeout;
    machine.exit_timeout = options.exit_timeout;
    machine.degraded_retry = options.degraded_retry;
    machine.degraded_retry_cap = defaults::kDegradedRetryCap;
    config.metrics_interval =
        options.metrics == "none" ? core::Duration{} : core::Duration(options.metrics_interval);
    return config;
}

core::StrategyChoice strategy_choice(const Options& options) {
    core::StrategyChoice choice;
    choice.health = options.health;
    choice.restart = options.restart;
    choice.port = options.port_strategy;
    choice.metrics = options.metrics;
    choice.settings = options.settings;
    return choice;
}

namespace {

// Whether a socket can be bound to it; on any port, and nothing listens.
bool has_address(const std::string& host) {
    const bool v6 = host.find(':') != std::string::npos;
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_in);
    if (v6) {
        auto& address = reinterpret_cast<sockaddr_in6&>(storage);
        address.sin6_family = AF_INET6;
        inet_pton(AF_INET6, host.c_str(), &address.sin6_addr);
        size = sizeof(sockaddr_in6);
    } else {
        auto& address = reinterpret_cast<sockaddr_in&>(storage);
        address.sin_family = AF_INET;
        inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    }
    const core::UniqueFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) {
        return errno != EAFNOSUPPORT;  // Whatever else is short now may be there later.
    }
    return bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0 ||
           errno != EADDRNOTAVAIL;
}

}  // namespace

core::Status check_address(const Options& options) {
    in_addr v4{};
    in6_addr v6{};
    if (inet_pton(AF_INET, options.host.c_str(), &v4) != 1 &&
        inet_pton(AF_INET6, options.host.c_str(), &v6) != 1) {
        return core::Error{fmt::format(
            "--host: must be a literal address such as 127.0.0.1 or ::1 (got {})", options.host)};
    }
    if (!has_address(options.host)) {
        return core::Error{
            fmt::format("--host: this machine has no address {}; give one of its own, 127.0.0.1 "
                        "for instance",
                        options.host)};
    }
    return core::Nothing{};
}

bool needs_data_dir(const Options& options) {
    return options.app_command.empty() || has_placeholder(options.app_command, "{data_dir}");
}

core::Status check_data_dir(const Options& options) {
    if (const auto why = why_not_writable(options.data_dir); !why.empty()) {
        return core::Error{fmt::format(
            "--data-dir: {} cannot be written: {}; give another folder or change its rights",
            options.data_dir, why)};
    }
    return core::Nothing{};
}

core::Status check_options(const Options& options) {
    auto status = check_address(options);
    return status && needs_data_dir(options) ? check_data_dir(options) : status;
}

}  // namespace steward::host
