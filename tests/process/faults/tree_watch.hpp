// Which processes of an instance there are, told by its nonce (STEWARD_INSTANCE) in their
// environment and by whose descendants they are.
//
// Any thread. A moment's view: what forks while /proc is read may be missed, so callers look again.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "steward_process.hpp"

namespace steward::faults {

struct AppProcess {
    pid_t pid = 0;
    std::string nonce;
};

// The live processes with a nonce in their environment that belong to this sandbox.
std::vector<AppProcess> app_processes(const tests::Sandbox& sandbox);

// Is `pid` below `ancestor`?
bool descends_from(pid_t pid, pid_t ancestor);

// The processes of earlier instances: those with a nonce which are not below the guardian that
// `steward` has now, or below none if that is `killed`.
std::vector<pid_t> of_killed_instances(const tests::Sandbox& sandbox,
                                       const tests::StewardProcess& steward, pid_t killed);

// "412 (test_app, state S, instance 4af0…, child of 400 app-guardian)", for error texts.
std::string named(const std::vector<pid_t>& pids);

// The last lines of the servers' logs, for error texts.
std::string last_events(const tests::Sandbox& sandbox);

// A number in /proc/PID/NAME that stands behind "KEY:"; -1 if there is none.
long number_in(pid_t pid, const std::string& file, const std::string& key);

// User and system time of all threads of a process, ended ones too, in steps of a clock tick; of a
// zombie as well. Without its children.
tests::Milliseconds own_cpu(pid_t pid);

}  // namespace steward::faults
