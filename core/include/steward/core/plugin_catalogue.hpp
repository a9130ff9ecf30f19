// PluginCatalogue: which plugins there are. Finds the files, refuses those that strangers could
// have written, and learns what is in them from steward-plugin-probe, which loads them in its own
// process; what it says of a good file is cached by device, inode, mtime and size.
//
// Blocking (files, a child process of at most 2 s a file): on the main thread before anything is
// served, or on the log thread. An object belongs to one thread at a time.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "steward/abi.h"
#include "steward/core/result.hpp"

namespace steward::core {

// The entries of the plugins that are linked into this program, one for each. None, unless the
// program defines this function itself (cmake/StewardStaticPlugins.cmake writes such a file).
std::vector<const steward_entry*> built_in_plugins();

// One plugin, or one file that is none.
struct PluginInfo {
    std::string file;    // absolute path
    std::string origin;  // "next to the program", "--plugin-dir DIR", "given by path", "built in"
    std::string error;   // why it cannot be used; empty: it can
    std::string id;      // from here on only without an error
    std::string name;
    std::string vendor;
    std::string version;
    std::string license;
    std::string url;
    std::string summary;
    std::vector<std::string> interfaces;
    std::string schema;       // JSON text
    std::string shadowed_by;  // another file with this id comes first; empty: none
    // Linked into the program; `file` is no path then, but "ID (built in)". Null: in a file.
    const steward_entry* built_in = nullptr;

    bool has(const std::string& interface) const;
};

struct PluginPlaces {
    std::string prober;              // path of steward-plugin-probe
    std::string own_folder;          // the plugins next to the program; trusted like it
    std::vector<std::string> extra;  // --plugin-dir, searched first
    std::string cache_file;          // empty: no cache
};

class PluginCatalogue {
  public:
    explicit PluginCatalogue(PluginPlaces places);

    // Every plugin file of all folders, usable or not, and every plugin that is built in, in the
    // order of the search: --plugin-dir, built in, next to the program.
    std::vector<PluginInfo> list();
    // The plugin with this id, or in this file when `name` contains a slash. Only what is needed
    // for the answer is probed. Fails with a text that says what to do.
    Result<PluginInfo> find(const std::string& name);
    // Writes what was learned of good files since, if anything, making the cache's folder. Failure
    // is of no consequence.
    void save_cache();

  private:
    struct Known {
        std::string key;  // device, inode, mtime, size
        PluginInfo info;
    };
    void load_cache();
    std::vector<std::string> files_of(const std::string& folder) const;
    // Answers from the cache, and from one prober for all the rest.
    std::vector<PluginInfo> examine(
        const std::vector<std::pair<std::string, std::string>>& files_and_origins);
    // What the program's own plugins say of themselves, asked once.
    const std::vector<PluginInfo>& built_in();

    PluginPlaces places_;
    bool cache_loaded_ = false;
    bool dirty_ = false;
    std::map<std::string, Known> known_;  // by file
    std::optional<std::vector<PluginInfo>> built_in_;
};

}  // namespace steward::core
