#include "steward/core/event.hpp"

namespace steward::core {

std::string_view to_string(EventName name) {
    switch (name) {
        case EventName::kServiceStart:
            return "service.start";
        case EventName::kServiceStarted:
            return "service.started";
        case EventName::kServiceHealthy:
            return "service.healthy";
        case EventName::kServiceUnhealthy:
            return "service.unhealthy";
        case EventName::kServiceExit:
            return "service.exit";
        case EventName::kServiceRestartScheduled:
            return "service.restart_scheduled";
        case EventName::kServiceDegraded:
            return "service.degraded";
        case EventName::kServiceMisconfigured:
            return "service.misconfigured";
        case EventName::kServiceUnkillable:
            return "service.unkillable";
        case EventName::kServiceStop:
            return "service.stop";
        case EventName::kServiceStopped:
            return "service.stopped";
        case EventName::kPortChosen:
            return "port.chosen";
        case EventName::kPortSkipped:
            return "port.skipped";
        case EventName::kProbeFailed:
            return "probe.failed";
        case EventName::kMetrics:
            return "metrics";
        case EventName::kPluginLate:
            return "plugin.late";
        case EventName::kPluginQuarantined:
            return "plugin.quarantined";
        case EventName::kPluginSwapped:
            return "plugin.swapped";
        case EventName::kOutputDegraded:
            return "output.degraded";
        case EventName::kOutputResumed:
            return "output.resumed";
    }
    return "unknown";
}

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::kDebug:
            return "debug";
        case Severity::kInfo:
            return "info";
        case Severity::kWarning:
            return "warning";
        case Severity::kError:
            return "error";
    }
    return "unknown";
}

}  // namespace steward::core
