// Where things are: everything that belongs to the program is found relative to the program itself.
#pragma once
#include <string>

#include "options.hpp"

namespace steward::host {

struct Paths {
    std::string program;    // absolute path of steward
    std::string guardian;   // app-guardian, next to it
    std::string prober;     // steward-plugin-probe, next to it
    std::string plugins;    // the folder "plugins" next to it, or ../lib/steward/plugins
    std::string app;        // ../share/steward/flask_app/app.py
    std::string templates;  // ../share/steward/template, what `steward new-plugin` copies
};

Paths find_paths();

// $XDG_CACHE_HOME/steward/plugins.json, by default under ~/.cache. Makes nothing.
std::string plugin_cache_file();

// The interpreter for the app: --python, else the one that the build found if it is still there,
// else python3.
std::string choose_python(const Options& options);

// Why the folder could not be used as the data directory; empty: it could. Creates nothing that
// stays: a folder that exists is tried with an unnamed temporary file, for one that does not exist
// the nearest folder above it is looked at.
std::string why_not_writable(const std::string& folder);

}  // namespace steward::host
