// The register of loaded libraries, as PluginStrategies sees it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugin_gate.hpp"
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

using FileIdentity = std::pair<std::uint64_t, std::uint64_t>;  // device, inode; {0, 0}: unknown

struct PluginLibraries::Impl {
    // The library in this file, with its thread started; it is loaded by the first call on that
    // thread. The loader gives out one library for one path, whatever is there by now, and for one
    // file, whatever it is called: so does this.
    std::shared_ptr<Library> get(const std::string& file, FileIdentity identity,
                                 const std::string& id);

    std::shared_ptr<PluginGate> gate = std::make_shared<PluginGate>();
    std::string version;
    std::function<void(int, std::string)> log;
    std::vector<std::shared_ptr<Library>> all;
    std::map<std::string, std::shared_ptr<Library>> by_file;
    std::map<FileIdentity, std::shared_ptr<Library>> by_identity;
};

}  // namespace steward::core
