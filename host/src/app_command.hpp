// What a command behind "--" runs, as far as its words tell. A wrong guess does no harm by itself:
// --handoff says what is right, and a request starts what no change of a file has started.
//
// Any thread; the folder is looked for in the file system, nothing else is read.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace steward::host {

// Has any of the words this placeholder, "{fd}" for instance?
bool has_placeholder(const std::vector<std::string>& command, const std::string& placeholder);

// gunicorn, also as `python3 -m gunicorn` or `python3 /usr/bin/gunicorn`.
bool runs_gunicorn(const std::vector<std::string>& command);
// `flask … run …`, also as `python3 -m flask … run …`.
bool runs_flask(const std::vector<std::string>& command);

// The folder whose change may mean that somebody has mended the app: that of the file, else of the
// Python module that an argument or FLASK_APP names (below the working directory, --chdir or
// PYTHONPATH), else of the program's path, else the working
// directory. Empty: none that is the app's alone (the working directory is /, the home directory or
// the one for temporary files).
std::string app_folder(const std::vector<std::string>& command,
                       const std::vector<std::pair<std::string, std::string>>& environment);

}  // namespace steward::host
