#include "explain.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <string_view>

#include <Poco/JSON/Array.h>
#include <fmt/core.h>

#include "status_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using core::Event;
using core::ServiceStatus;
using core::State;
using Poco::JSON::Array;
using Poco::JSON::Object;

// How many of the transitions the text tells.
constexpr std::size_t kToldEvents = 4;

// "800 ms", "12.3 s", "34 min", "5 h"
std::string duration_text(std::int64_t ms) {
    constexpr std::int64_t kMinute = 60'000;
    if (ms < 1000) {
        return fmt::format("{} ms", ms);
    }
    if (ms < 2 * kMinute) {
        return fmt::format("{}.{} s", ms / 1000, ms % 1000 / 100);
    }
    if (ms < 120 * kMinute) {
        return fmt::format("{} min", ms / kMinute);
    }
    return fmt::format("{} h", ms / (60 * kMinute));
}

// As a sentence: with one final stop.
std::string sentence(std::string text) {
    while (!text.empty() && (text.back() == '.' || text.back() == ' ')) {
        text.pop_back();
    }
    return text + ".";
}

std::string outlook(const ServiceStatus& status) {
    const auto in = duration_text(status.next_restart_ms.value_or(0));
    switch (status.state) {
        case State::kStopped:
            return "It stays so until it is started: flask_start does that.";
        case State::kStarting:
            return "It has been started and its first healthy answer is awaited.";
        case State::kRunning:
            return status.healthy ? "It is healthy: nothing needs to be done."
                                  : "It runs, but does not count as healthy.";
        case State::kUnhealthy:
            return "It is being taken down, and the restart strategy is asked then.";
        case State::kDeciding:
            return "A strategy has been asked what comes next; its answer takes 250 ms at most.";
        case State::kBackingOff:
            return fmt::format("The next start comes in {}; flask_restart does it at once.", in);
        case State::kStopping:
            return "Its processes are being ended.";
        case State::kDegraded:
            return fmt::format(
                "It has been given up but for one try in {}; flask_restart tries at "
                "once.",
                in);
        case State::kMisconfigured:
            return "It is not tried again before its files change or flask_start is called: mend "
                   "what the cause names.";
        case State::kUnkillable:
            return "SIGKILL has not ended its processes; the next step waits for them.";
    }
    return {};
}

Poco::Dynamic::Var next_step(const ServiceStatus& status) {
    if (!status.next_restart_ms) {
        return {};
    }
    auto next = mcp::ordered_object();
    next->set("action", std::string(status.state == State::kDegraded ? "try_once" : "start"));
    next->set("in_ms", static_cast<Poco::Int64>(*status.next_restart_ms));
    return next;
}

Object::Ptr transition(const Event& event) {
    auto out = mcp::ordered_object();
    out->set("ts", iso_time(event.wall));
    out->set("event", std::string(core::to_string(event.name)));
    out->set("generation", static_cast<Poco::Int64>(event.generation));
    out->set("cause", event.cause);
    auto fields = mcp::ordered_object();
    set_fields(*fields, event.fields);
    out->set("fields", fields);
    return out;
}

// What the app wrote before it ended, line by line, indented.
std::string last_lines(const Event& event) {
    std::string text;
    for (const auto& [name, value] : event.fields) {
        const auto* const tail = std::get_if<std::string>(&value);
        if (name == "output_tail" && tail != nullptr) {
            text = "\n  its last lines:\n    ";
            for (const char c : *tail) {
                text += c == '\n' ? std::string("\n    ") : std::string(1, c);
            }
        }
    }
    return text;
}

std::string story(const ServiceStatus& status, const std::deque<const Event*>& told,
                  core::WallTime now) {
    const auto ms = std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::milliseconds>(now - status.since).count());
    std::string text =
        sentence(fmt::format("{} has been {} for {}: {}", status.service,
                             core::to_string(status.state), duration_text(ms), status.cause));
    text += " " + outlook(status);
    const std::size_t first = told.size() - std::min(told.size(), kToldEvents);
    for (std::size_t i = first; i < told.size(); ++i) {
        text += i == first ? "\nWhat happened last:" : "";
        text += fmt::format("\n{} {} (instance {}): {}", iso_time(told[i]->wall),
                            core::to_string(told[i]->name), told[i]->generation, told[i]->cause);
        text += last_lines(*told[i]);
    }
    return text;
}

}  // namespace

Object::Ptr explanation(const ServiceStatus& status, const std::vector<Event>& events,
                        core::WallTime now) {
    std::deque<const Event*> told;
    for (const auto& event : events) {
        if (event.service == status.service && event.name != core::EventName::kMetrics) {
            told.push_back(&event);
            if (told.size() > kExplainedEvents) {
                told.pop_front();
            }
        }
    }
    Array::Ptr transitions = new Array;
    for (const auto* const event : told) {
        transitions->add(transition(*event));
    }
    auto out = mcp::ordered_object();
    out->set("service", status.service);
    out->set("state", std::string(core::to_string(status.state)));
    out->set("cause", status.cause);
    out->set("since", iso_time(status.since));
    out->set("transitions", transitions);
    out->set("next", next_step(status));
    out->set("text", story(status, told, now));
    return out;
}

}  // namespace steward::host
