// The project that `steward new-plugin` writes: the files of the templates, with the plugin's name
// put in.
//
// A template is a folder of real files in which the word `plugin_name` stands for the name, in the
// text as in the names of files: `common`, and one for each kind. Blocking file work; any thread.
#pragma once
#include <string>
#include <vector>

#include "steward/core/result.hpp"

namespace steward::host {

struct NewPlugin {
    std::string name;       // the id; checked
    std::string kind;       // health, restart, port, metrics; checked
    std::string folder;     // to be written; must not exist, or be empty
    std::string templates;  // the folder that holds the templates
};

// Writes the project, and returns the names of its files in order. Everything is checked before
// anything is written, no file is ever replaced, and what was written before a failure is removed
// again. Fails with a text that names the thing and what to do.
core::Result<std::vector<std::string>> write_new_plugin(const NewPlugin& wanted);

// The flag by which `steward run` takes a plugin of this kind ("--port-strategy"); empty for an
// unknown one.
std::string strategy_flag(const std::string& kind);

}  // namespace steward::host
