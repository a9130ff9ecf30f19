// The status object and the events as JSON, the same wherever they are shown: resource, tools,
// status socket, log.
#pragma once
#include <string>

#include <Poco/JSON/Object.h>

#include "steward/core/event.hpp"
#include "steward/core/service.hpp"

namespace steward::host {

// promptbin://flask-status, the result of the tool flask_status, and `steward status --json`.
// `log_file` may be empty: none yet.
Poco::JSON::Object::Ptr status_object(const core::ServiceStatus& status,
                                      const std::string& log_file);

// status_object() on one line, with the uptime to be put in: while an app runs nothing else changes
// by itself.
class StatusText {
  public:
    StatusText(const core::ServiceStatus& status, const std::string& log_file);
    // `uptime_s` means nothing when there is no process.
    [[nodiscard]] std::string with_uptime(double uptime_s) const;

  private:
    std::string before_;
    std::string after_;
    bool has_uptime_;
};

// One line of the structured log: ts, level, event, service, generation, cause, then the event's
// own fields.
Poco::JSON::Object::Ptr event_object(const core::Event& event);

// Sets each field as a member.
void set_fields(Poco::JSON::Object& out, const core::Fields& fields);

// "2026-11-22T10:22:33.123Z"
std::string iso_time(core::WallTime time);

}  // namespace steward::host
