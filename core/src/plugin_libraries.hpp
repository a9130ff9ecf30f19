// The register of loaded libraries, as PluginStrategies sees it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "plugin_thread.hpp"
#include "steward/core/plugin_strategies.hpp"

namespace steward::core {

// One library with its thread.
struct Library {
    std::string id;
    std::unique_ptr<PluginThread> thread;
    bool quarantined = false;  // the loop's
    // The library's thread alone.
    const steward_entry* entry = nullptr;
    bool initialised = false;
};

struct PluginLibraries::Impl {
    // The library in this file, with its thread started; it is loaded by the first call on that
    // thread.
    std::shared_ptr<Library> get(const std::string& file, const std::string& id);

    std::string version;
    std::function<void(int, std::string)> log;
    std::map<std::string, std::shared_ptr<Library>> by_file;
};

}  // namespace steward::core
