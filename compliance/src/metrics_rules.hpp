// What every sample must keep to, and which of the names with a fixed meaning a plugin emits.
#pragma once
#include <set>
#include <string>

#include "proc_picture.hpp"
#include "strategies.hpp"
#include "trial.hpp"

namespace steward::compliance {

// "status 0, processes 3, …"
std::string to_text(const Sampled& sampled);
// Throws Broken: a metric that metrics.h does not allow, or a status that abi.h does not know.
void require_valid(const std::string& asked, const Sampled& sampled);

// Asks about the descendants of `tree_pid`, on the host's clock, with a deadline so far away.
Sampled sample_tree(FakePluginHost& host, const Instance& instance, const std::string& proc_root,
                    int tree_pid, int app_pid,
                    std::chrono::nanoseconds limit = std::chrono::seconds(60));

// The names of metrics.h that the plugin emits for a plain picture of one process, in one of two
// samples. Throws Skipped if there is none: what it measures is elsewhere.
std::set<std::string> known_names(Session& session, const steward_plugin& plugin,
                                  const ProcPicture& picture);

}  // namespace steward::compliance
