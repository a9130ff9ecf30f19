// PluginLibrary: one shared library in this process, never unloaded. The only user of Boost.DLL.
#pragma once
#include <string>

#include "steward/abi.h"
#include "steward/core/result.hpp"

namespace steward::core {

// Loads the file (RTLD_NOW | RTLD_LOCAL) and returns its entry once magic, size and versions fit.
// The library stays mapped to the end of the process: nothing that it left behind (a thread, a
// destructor) can point into nothing. Its static constructors run in here: call it on the library's
// own thread, and only for files that a prober has loaded before. Failure: the text is the loader's
// own.
Result<const steward_entry*> load_plugin_library(const std::string& file);

}  // namespace steward::core
