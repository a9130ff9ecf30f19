#include "status_json.hpp"

#include <cmath>
#include <ctime>
#include <string_view>

#include <fmt/core.h>

#include "steward/mcp/json.hpp"
#include "version.hpp"

namespace steward::host {
namespace {

using Poco::Dynamic::Var;
using Poco::JSON::Object;

Var text_or_null(const std::string& text) {
    return text.empty() ? Var() : Var(text);
}

// JSON has one kind of number, people read two: whole ones without a fraction.
Var number(double value) {
    constexpr double kExact = 9007199254740992.0;
    if (std::nearbyint(value) == value && std::fabs(value) < kExact) {
        return Var(static_cast<Poco::Int64>(value));
    }
    return Var(std::round(value * 1000.0) / 1000.0);
}

Object::Ptr metrics_object(const std::map<std::string, double>& metrics) {
    auto out = mcp::ordered_object();
    for (const char* name : {"cpu_percent", "rss_bytes", "processes", "threads", "fds"}) {
        const auto it = metrics.find(name);
        out->set(name, it == metrics.end() ? Var() : number(it->second));
    }
    for (const auto& [name, value] : metrics) {
        if (!out->has(name)) {
            out->set(name, number(value));
        }
    }
    return out;
}

// At any time: read = written + dropped + waiting.
Object::Ptr output_object(const core::OutputCounters& counters) {
    auto out = mcp::ordered_object();
    out->set("read_bytes", static_cast<Poco::Int64>(counters.read_bytes));
    out->set("written_bytes", static_cast<Poco::Int64>(counters.kept_bytes));
    out->set("dropped_bytes", static_cast<Poco::Int64>(counters.dropped_bytes));
    out->set("waiting_bytes", static_cast<Poco::Int64>(counters.waiting_bytes));
    out->set("expired_bytes", static_cast<Poco::Int64>(counters.expired_bytes));
    out->set("dropped_lines", static_cast<Poco::Int64>(counters.dropped_lines));
    return out;
}

}  // namespace

std::string iso_time(core::WallTime time) {
    const auto us = time.time_since_epoch().count();
    const std::time_t seconds = us / 1'000'000;
    std::tm tm{};
    gmtime_r(&seconds, &tm);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                       us / 1000 % 1000);
}

Object::Ptr status_object(const core::ServiceStatus& status, const std::string& log_file) {
    auto out = mcp::ordered_object();
    out->set("schema", 1);
    out->set("service", status.service);
    out->set("healthy", status.healthy);
    out->set("state", std::string(core::to_string(status.state)));
    out->set("since", iso_time(status.since));
    out->set("cause", status.cause);
    out->set("port", status.port == 0 ? Var() : Var(static_cast<int>(status.port)));
    out->set("url", text_or_null(status.url));
    out->set("pid", status.pid == 0 ? Var() : Var(status.pid));
    out->set("restarts", static_cast<Poco::Int64>(status.restarts));
    out->set("uptime", status.pid == 0 ? Var() : number(status.uptime_s));
    out->set("startup_ms",
             status.startup_ms ? Var(static_cast<Poco::Int64>(*status.startup_ms)) : Var());
    out->set("generation", static_cast<Poco::Int64>(status.generation));
    out->set("instance_id", text_or_null(status.instance_id));
    if (status.last_exit) {
        auto exit = mcp::ordered_object();
        exit->set(status.last_exit->signaled ? "signal" : "code", status.last_exit->code);
        exit->set("at", iso_time(status.last_exit->at));
        exit->set("cause", status.last_exit->cause);
        out->set("last_exit", exit);
    } else {
        out->set("last_exit", Var());
    }
    out->set("next_restart_ms", status.next_restart_ms
                                    ? Var(static_cast<Poco::Int64>(*status.next_restart_ms))
                                    : Var());
    out->set("metrics", metrics_object(status.metrics));
    auto plugins = mcp::ordered_object();
    for (const char* kind : {"health", "restart", "port", "metrics"}) {
        const auto it = status.plugins.find(kind);
        plugins->set(kind, it == status.plugins.end() ? Var() : Var(it->second));
    }
    out->set("plugins", plugins);
    out->set("output", output_object(status.output));
    out->set("log_file", text_or_null(log_file));
    out->set("version", std::string(kVersion));
    return out;
}

StatusText::StatusText(const core::ServiceStatus& status, const std::string& log_file)
    : before_(mcp::to_json(*status_object(status, log_file))), has_uptime_(status.pid != 0) {
    // No string can contain this: its quotes would be escaped.
    constexpr std::string_view kName = R"(,"uptime":)";
    const std::size_t value = before_.find(kName) + kName.size();
    const std::size_t end = before_.find(',', value);
    after_ = before_.substr(end);
    before_.resize(value);
}

std::string StatusText::with_uptime(double uptime_s) const {
    std::string out;
    out.reserve(before_.size() + after_.size() + 24);
    out += before_;
    mcp::append_json(out, has_uptime_ ? number(uptime_s) : Var());
    out += after_;
    return out;
}

void set_fields(Object& out, const core::Fields& fields) {
    for (const auto& [name, value] : fields) {
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
            out.set(name, static_cast<Poco::Int64>(*integer));
        } else if (const auto* real = std::get_if<double>(&value)) {
            out.set(name, number(*real));
        } else if (const auto* flag = std::get_if<bool>(&value)) {
            out.set(name, *flag);
        } else {
            out.set(name, std::get<std::string>(value));
        }
    }
}

Object::Ptr event_object(const core::Event& event) {
    auto out = mcp::ordered_object();
    out->set("ts", iso_time(event.wall));
    out->set("level", std::string(core::to_string(event.severity)));
    out->set("event", std::string(core::to_string(event.name)));
    out->set("service", event.service);
    out->set("generation", static_cast<Poco::Int64>(event.generation));
    out->set("cause", event.cause);
    set_fields(*out, event.fields);
    out->set("seq", static_cast<Poco::Int64>(event.sequence));
    return out;
}

}  // namespace steward::host
