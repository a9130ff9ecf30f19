#include "action_progress.hpp"

#include <memory>
#include <utility>
#include <variant>

#include <fmt/core.h>

#include "status_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

mcp::LogLevel level_of(core::Severity severity) {
    switch (severity) {
        case core::Severity::kDebug:
            return mcp::LogLevel::kDebug;
        case core::Severity::kInfo:
            return mcp::LogLevel::kInfo;
        case core::Severity::kWarning:
            return mcp::LogLevel::kWarning;
        case core::Severity::kError:
            break;
    }
    return mcp::LogLevel::kError;
}

// Whether somebody who waits for an action goes on waiting.
bool is_on_its_way(core::State state) {
    return state == core::State::kStarting || state == core::State::kUnhealthy ||
           state == core::State::kDeciding || state == core::State::kBackingOff ||
           state == core::State::kStopping;
}

}  // namespace

std::string progress_text(const core::Event& event, const core::ServiceStatus& status,
                          const Words& words) {
    if (!is_on_its_way(status.state)) {
        return {};
    }
    switch (event.name) {
        case core::EventName::kServiceStop:
            return "stopping " + words.app;
        case core::EventName::kServiceStart:
            return status.state == core::State::kStarting ? "starting " + words.app : "";
        case core::EventName::kServiceStarted:
            if (status.state != core::State::kStarting) {
                return {};  // It is stopped as soon as it is there.
            }
            return fmt::format("started as process {}; waiting until {} is healthy", status.pid,
                               status.url.empty() ? words.app : status.url);
        case core::EventName::kPortChosen:
            return fmt::format("port {} was chosen", status.port);
        case core::EventName::kPortSkipped:
        case core::EventName::kProbeFailed:
        case core::EventName::kServiceUnhealthy:
        case core::EventName::kServiceRestartScheduled:
        case core::EventName::kPluginLate:
        case core::EventName::kPluginQuarantined:
            return event.cause;
        case core::EventName::kServiceHealthy:
        case core::EventName::kServiceExit:
        case core::EventName::kServiceDegraded:
        case core::EventName::kServiceMisconfigured:
        case core::EventName::kServiceUnkillable:
        case core::EventName::kServiceStopped:
        case core::EventName::kMetrics:
        case core::EventName::kPluginSwapped:
        case core::EventName::kOutputDegraded:
        case core::EventName::kOutputResumed:
            break;
    }
    return {};
}

core::EventLog::SubscriberId report_events(const Bridge& bridge, const CallPtr& call,
                                           const Words& words, const LastLogged& last_logged) {
    auto& session = bridge.session;
    auto steps = std::make_shared<int>(0);  // the mcp thread's
    return session.supervisor().events().subscribe([&session, to_mcp = bridge.to_mcp, call, words,
                                                    last_logged, steps](const core::Event& event) {
        if (event.name == core::EventName::kMetrics ||
            event.service != session.service().config().name || call->cancelled()) {
            return;
        }
        to_mcp([call, last_logged, steps, number = event.sequence, level = level_of(event.severity),
                logger = event.service, data = mcp::to_json(*event_object(event)),
                text = progress_text(event, session.service().status(), words)] {
            if (!text.empty()) {
                call->progress(++*steps, std::nullopt, text);
            }
            const bool legacy = call->client().revision != mcp::Revision::k2026_07_28;
            if (!legacy || number > *last_logged) {
                call->log(level, logger, data);
                *last_logged = legacy ? number : *last_logged;
            }
        });
    });
}

}  // namespace steward::host
