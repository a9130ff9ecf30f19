#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>
#include <fmt/core.h>

#include "printable.hpp"
#include "status_client.hpp"
#include "status_commands.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Kind = StatusReply::Kind;
using Poco::Dynamic::Var;

constexpr double kNone = -1;

std::string text_of(const Poco::JSON::Object& object, const char* name) {
    const auto* const text = mcp::as_string(mcp::find_member(object, name));
    return text != nullptr ? printable(*text) : std::string();
}

// kNone when it is missing or no number; what is counted here is never negative.
double number_of(const Poco::JSON::Object& object, const char* name) {
    const Var* const value = mcp::find_member(object, name);
    const bool usable = value != nullptr && value->isNumeric() && !value->isBoolean();
    return usable ? value->convert<double>() : kNone;
}

std::string duration(double seconds) {
    const auto s = static_cast<long long>(seconds);
    if (s < 60) {
        return fmt::format("{} s", s);
    }
    if (s < 3600) {
        return fmt::format("{} min {} s", s / 60, s % 60);
    }
    if (s < 86400) {
        return fmt::format("{} h {} min", s / 3600, s % 3600 / 60);
    }
    return fmt::format("{} d {} h", s / 86400, s % 86400 / 3600);
}

std::string exit_text(const Poco::JSON::Object& exit) {
    std::string text;
    if (const double code = number_of(exit, "code"); code != kNone) {
        text = fmt::format("code {:.0f}", code);
    } else if (const double number = number_of(exit, "signal"); number != kNone) {
        text = fmt::format("signal {:.0f}", number);
    } else if (const std::string name = text_of(exit, "signal"); !name.empty()) {
        text = "signal " + name;
    }
    const std::string at = text_of(exit, "at");
    const std::string cause = text_of(exit, "cause");
    text += at.empty() ? "" : (text.empty() ? "" : ", ") + at;
    text += cause.empty() ? "" : (text.empty() ? "" : ": ") + cause;
    return text;
}

std::string plugins_text(const Poco::JSON::Object& plugins) {
    std::string text;
    for (const char* const slot : {"health", "restart", "port", "metrics"}) {
        if (const std::string name = text_of(plugins, slot); !name.empty()) {
            text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", slot, name);
        }
    }
    return text;
}

std::string metrics_text(const Poco::JSON::Object& metrics) {
    std::string text;
    const auto add = [&](const char* name, const char* format, double unit) {
        if (const double value = number_of(metrics, name); value != kNone) {
            text += text.empty() ? "" : ", ";
            text += fmt::format(fmt::runtime(format), value / unit);
        }
    };
    add("cpu_percent", "CPU {:.1f} %", 1);
    add("rss_bytes", "memory {:.1f} MiB", 1024.0 * 1024.0);
    add("processes", "processes {:.0f}", 1);
    add("threads", "threads {:.0f}", 1);
    add("fds", "open files {:.0f}", 1);
    return text;
}

std::string state_text(const Poco::JSON::Object& status) {
    std::string text = text_of(status, "state");
    if (const std::string since = text_of(status, "since"); !since.empty()) {
        text += " since " + since;
    }
    if (const double next = number_of(status, "next_restart_ms"); next != kNone) {
        text += ", next start in " +
                (next < 1000 ? fmt::format("{:.0f} ms", next) : duration(next / 1000));
    }
    return text;
}

std::string member_text(const Poco::JSON::Object& status, const char* name,
                        std::string (*text)(const Poco::JSON::Object&)) {
    const auto object = mcp::as_object(mcp::find_member(status, name));
    return object.isNull() ? std::string() : text(*object);
}

int exit_code_of(Written written) {
    return written == Written::kFailed ? 1 : 0;
}

// Prints what comes until there is a reason to end; returns the exit code.
int print_replies(StatusClient& client, const StatusOptions& options, Interruption& interruption) {
    for (bool first = true;; first = false) {
        std::optional<std::chrono::milliseconds> limit;
        if (first) {
            limit = StatusClient::kPatience;
        }
        const StatusReply reply = client.next(limit, interruption.fd(), options.out_fd);
        std::string text;
        switch (reply.kind) {
            case Kind::kStatus:
                text = options.json ? reply.text + "\n" : status_table(reply.text);
                break;
            case Kind::kInterrupted:
                return options.watch ? 0 : 128 + interruption.take();
            case Kind::kOutputGone:
                return 0;
            case Kind::kEnd:
                if (first) {
                    say(options.err_fd, "the server ended the connection without an answer");
                }
                return first ? 1 : 0;
            case Kind::kLate:
                say(options.err_fd, "the server does not answer");
                return 1;
            case Kind::kEvent:
            case Kind::kLog:
                continue;
            case Kind::kError:
                say(options.err_fd, printable(reply.text));
                return 1;
        }
        if (text.empty()) {
            say(options.err_fd, "the server's status is not what this version understands");
            return 1;
        }
        if (!options.json && !first) {
            text.insert(0, "\n");
        }
        const Written written = write_all(options.out_fd, text, interruption.fd());
        if (written == Written::kInterrupted) {
            return options.watch ? 0 : 128 + interruption.take();
        }
        if (written != Written::kAll || !options.watch) {
            return exit_code_of(written);
        }
    }
}

}  // namespace

std::string status_table(std::string_view status_json) {
    Var value;
    if (mcp::JsonReader().parse(status_json, value) != mcp::JsonStatus::kOk) {
        return {};
    }
    const auto object = mcp::as_object(&value);
    if (object.isNull()) {
        return {};
    }
    const auto& status = *object;
    const Var* const healthy = mcp::find_member(status, "healthy");
    const auto counted = [&](const char* name) {
        const double number = number_of(status, name);
        return number == kNone ? std::string() : fmt::format("{:.0f}", number);
    };
    const double uptime = number_of(status, "uptime");
    const std::vector<std::pair<const char*, std::string>> rows = {
        {"state", state_text(status)},
        {"healthy", healthy == nullptr || !healthy->isBoolean() ? ""
                    : healthy->convert<bool>()                  ? "yes"
                                                                : "no"},
        {"url", text_of(status, "url")},
        {"pid", counted("pid")},
        {"uptime", uptime == kNone ? "" : duration(uptime)},
        {"restarts", counted("restarts")},
        {"cause", text_of(status, "cause")},
        {"last exit", member_text(status, "last_exit", exit_text)},
        {"plugins", member_text(status, "plugins", plugins_text)},
        {"metrics", member_text(status, "metrics", metrics_text)},
        {"log file", text_of(status, "log_file")},
    };
    std::string table;
    for (const auto& [name, text] : rows) {
        if (!text.empty()) {
            table += fmt::format("{:<11}{}\n", name, text);
        }
    }
    return table.empty() ? "state      unknown\n" : table;
}

int status_command(const StatusOptions& options) {
    Interruption interruption;
    auto asked =
        ask_server(options.base, options.server, {"status", options.watch, 0}, options.err_fd);
    return asked.client ? print_replies(*asked.client, options, interruption) : asked.code;
}

}  // namespace steward::host
