#include "handoff.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "app_command.hpp"

namespace steward::host {
namespace {

using core::Error;
using core::PortMode;

struct Chosen {
    std::string mode;
    std::string why;
};

Chosen guess(const std::vector<std::string>& command) {
    if (has_placeholder(command, "{fd}")) {
        return {"flag", "{fd} is in its arguments"};
    }
    if (runs_gunicorn(command)) {
        return {"listen-fds", "the program is gunicorn"};
    }
    if (runs_flask(command)) {
        return {"werkzeug", "the command is flask run"};
    }
    if (has_placeholder(command, "{port}")) {
        return {"port", "{port} is in its arguments, and {fd} is not"};
    }
    return {"", "neither {port} nor {fd} is in its arguments"};
}

// What does not go together with the mode; empty: nothing.
std::string contradiction(const std::string& mode, const Options& o) {
    const bool has_fd = has_placeholder(o.app_command, "{fd}");
    if (mode == "flag" && !has_fd) {
        return "--handoff flag: no argument of the command has {fd}, which becomes the number of "
               "the "
               "socket's descriptor; add one, e.g. --listen-fd {fd}";
    }
    if (mode == "port" && has_fd) {
        return "--handoff port: an argument of the command has {fd}, but nothing is handed over; "
               "leave it out, or take --handoff flag";
    }
    if (mode == "werkzeug") {
        for (const char* name : {"WERKZEUG_RUN_MAIN", "WERKZEUG_SERVER_FD"}) {
            const bool is_set =
                std::any_of(o.set_env.begin(), o.set_env.end(),
                            [name](const auto& variable) { return variable.first == name; }) ||
                std::find(o.pass_env.begin(), o.pass_env.end(), name) != o.pass_env.end();
            if (is_set) {
                return fmt::format("--env: {} is set by --handoff werkzeug; leave it out", name);
            }
        }
    }
    return {};
}

void describe(Handoff& out, bool has_port) {
    if (out.mode.empty()) {
        out.meaning = "the app has no port";
    } else if (out.mode == "port") {
        out.any_port = has_port;
        out.meaning = has_port ? "the app binds the port by itself; nothing is handed over"
                               : "the app binds the first port by itself, and is not told which; "
                                 "nothing is handed over";
    } else {
        out.meaning = "the app is given the listening socket as descriptor 3";
        if (out.mode == "listen-fds") {
            out.meaning += ", with LISTEN_FDS=1 and LISTEN_PID";
        } else if (out.mode == "werkzeug") {
            out.meaning += ", with WERKZEUG_SERVER_FD=3 and WERKZEUG_RUN_MAIN=true";
        }
    }
}

}  // namespace

core::Result<Handoff> choose_handoff(const Options& options) {
    Handoff out;
    if (options.app_command.empty()) {
        if (options.handoff != "auto" && options.handoff != "flag") {
            return Error{fmt::format(
                "--handoff {}: PromptBin takes the socket by a flag; leave it out, or give another "
                "command behind --",
                options.handoff)};
        }
        out.mode = "flag";
        out.why = "PromptBin takes it so";
    } else if (options.handoff == "auto") {
        auto chosen = guess(options.app_command);
        out.mode = std::move(chosen.mode);
        out.why = std::move(chosen.why);
    } else {
        out.mode = options.handoff;
        out.why = "--handoff was given";
    }
    if (!options.app_command.empty()) {
        if (auto wrong = contradiction(out.mode, options); !wrong.empty()) {
            return Error{std::move(wrong)};
        }
    }
    out.port_mode = out.mode.empty()     ? PortMode::kNone
                    : out.mode == "port" ? PortMode::kOwnBind
                                         : PortMode::kHandOver;
    // Who has always been given {fd} may look at these, too. Not so Werkzeug's programs: one
    // announcement is enough, and what they load could take the socket for its own.
    out.listen_variables = out.mode == "flag" || out.mode == "listen-fds";
    if (out.mode == "werkzeug") {
        out.environment = {{"WERKZEUG_SERVER_FD", "3"}, {"WERKZEUG_RUN_MAIN", "true"}};
    }
    const bool has_port =
        options.app_command.empty() || has_placeholder(options.app_command, "{port}");
    describe(out, has_port);
    if (!options.app_command.empty() && out.port_mode == PortMode::kHandOver) {
        out.advice = fmt::format(
            "the socket was handed over by --handoff {} ({}): if the app cannot take it so, try "
            "--handoff port{}",
            out.mode, out.why, has_port ? "" : ", with {port} in its arguments");
    }
    return out;
}

}  // namespace steward::host
