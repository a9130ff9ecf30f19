// Loading plugin files where they can do no harm: in steward-plugin-probe, a process that is killed
// with all that it has started when it does not come back.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "steward/core/plugin_catalogue.hpp"

namespace steward::core {

struct Probed {
    PluginInfo info;
    // False: it says nothing about the file, since the prober could not be run.
    bool is_verdict = false;
};

// What each of the files is, by file; one process for all of them and another behind each that ends
// it or says nothing for 2 s. `prober`: the path of steward-plugin-probe.
std::map<std::string, Probed> probe_plugins(const std::string& prober,
                                            std::vector<std::string> files);

}  // namespace steward::core
