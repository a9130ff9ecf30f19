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

// The folder whose change may mean that somebody has mended the app.
struct AppFolder {
    std::string path;     // empty: none that is the app's alone
    std::string program;  // the file in it that is run; empty: not known
    bool guessed =
        false;  // what is written there need not be the app's source: a working directory,
                // or that of a file which is no code
};
// That of the file, else of the Python module that an argument or FLASK_APP names (below the working
// directory, --chdir or PYTHONPATH), else --chdir, else that of the program's path, else the working
// directory, unless it is /, the home directory or the one for temporary files.
AppFolder app_folder(const std::vector<std::string>& command,
                     const std::vector<std::pair<std::string, std::string>>& environment);

// How the names of files end that people write: code and settings; no logs, no data.
std::vector<std::string> source_endings();

}  // namespace steward::host
