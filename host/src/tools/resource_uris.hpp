// The addresses of the resources that have no variables.
#pragma once

namespace steward::host {

inline constexpr const char* kListUri = "promptbin://list-prompts";
inline constexpr const char* kStatusUri = "promptbin://flask-status";
inline constexpr const char* kLogUri = "promptbin://flask-log";
inline constexpr const char* kEventsUri = "promptbin://flask-events";
inline constexpr const char* kPluginsUri = "promptbin://plugins";

}  // namespace steward::host
