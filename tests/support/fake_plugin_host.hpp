// One plugin on the harness's host for plugins, in a test.
#pragma once

#include <steward/abi.h>
#include <steward/health.h>
#include <steward/metrics.h>

#include <string>
#include <string_view>

#include "steward/compliance/fake_plugin_host.hpp"

namespace steward::tests {

using compliance::FakePluginHost;

// One plugin, from init to deinit, with one instance. Takes an entry that is linked in or that
// LoadedLibrary found.
class PluginUnderTest {
  public:
    // Throws std::runtime_error with the plugin's own text when it refuses.
    PluginUnderTest(FakePluginHost& host, const steward_entry& entry, std::string_view config_json);
    ~PluginUnderTest();
    PluginUnderTest(const PluginUnderTest&) = delete;
    PluginUnderTest& operator=(const PluginUnderTest&) = delete;

    // Destroys the instance now; once.
    void destroy();

    [[nodiscard]] steward_instance* instance() const noexcept { return instance_; }
    [[nodiscard]] const steward_plugin& plugin() const noexcept { return *plugin_; }
    // Throws std::runtime_error if the plugin lacks the interface.
    [[nodiscard]] const steward_health& health() const;
    [[nodiscard]] const steward_metrics& metrics() const;

  private:
    const void* interface(const char* id) const;

    const steward_entry& entry_;
    const steward_plugin* plugin_ = nullptr;
    steward_instance* instance_ = nullptr;
};

// A plugin file, mapped until the end of the object. Throws std::runtime_error with the loader's
// text.
class LoadedLibrary {
  public:
    // `id`'s file in the build's folder of plugins.
    explicit LoadedLibrary(const std::string& id);
    ~LoadedLibrary();
    LoadedLibrary(const LoadedLibrary&) = delete;
    LoadedLibrary& operator=(const LoadedLibrary&) = delete;

    [[nodiscard]] const steward_entry& entry() const noexcept { return *entry_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    std::string path_;
    void* handle_ = nullptr;
    const steward_entry* entry_ = nullptr;
};

}  // namespace steward::tests
