// `steward status` and `steward logs`: what a running server of this user says about itself and its
// app.
//
// Both block until they are done and return the exit code: 0; 1 (the server does not answer, or the
// output cannot be written); 3 (no such server runs); 128 + the signal that ended a command which
// does not follow. A reader of the output that goes away is no error.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace steward::host {

inline constexpr int kExitNoServer = 3;

struct StatusOptions {
    bool json = false;  // exactly the status object, on one line
    // Again at each change, until a signal or the server's end; both exit with 0.
    bool watch = false;
    std::string server;  // pid or folder; empty: the newest
    std::string base;    // empty: StateFolder::base_folder()
    int out_fd = 1;
    int err_fd = 2;
};
int status_command(const StatusOptions& options);

struct LogsOptions {
    bool follow = false;  // until a signal or the server's end; both exit with 0
    std::size_t lines = 200;
    bool events = false;  // the supervisor's events, as JSON lines, instead of the app's output
    std::string server;   // pid or folder; empty: the newest
    std::string base;     // empty: StateFolder::base_folder()
    int out_fd = 1;
    int err_fd = 2;
};
int logs_command(const LogsOptions& options);

// The status object as a table for people; members that are missing or null are left out. Empty if
// it is not a JSON object.
std::string status_table(std::string_view status_json);

}  // namespace steward::host
