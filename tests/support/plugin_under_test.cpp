#include <dlfcn.h>

#include <stdexcept>
#include <utility>

#include "fake_plugin_host.hpp"

#ifndef STEWARD_TEST_PLUGIN_DIR
#define STEWARD_TEST_PLUGIN_DIR "plugins"
#endif

namespace steward::tests {
namespace {

steward_str text(std::string_view value) {
    return {value.data(), value.size()};
}

}  // namespace

PluginUnderTest::PluginUnderTest(FakePluginHost& host, const steward_entry& entry,
                                 std::string_view config_json)
    : entry_(entry) {
    steward_error error{};
    error.size = sizeof error;
    if (entry_.init(host.host(), text("/plugin"), &error) != STEWARD_OK) {
        throw std::runtime_error(error.text);
    }
    plugin_ = entry_.get_plugin(0);
    if (plugin_->create(host.host(), text(config_json), &instance_, &error) != STEWARD_OK) {
        entry_.deinit();
        throw std::runtime_error(error.text);
    }
}

PluginUnderTest::~PluginUnderTest() {
    destroy();
    entry_.deinit();
}

void PluginUnderTest::destroy() {
    if (instance_ != nullptr) {
        plugin_->destroy(std::exchange(instance_, nullptr));
    }
}

const void* PluginUnderTest::interface(const char* id) const {
    const void* found = plugin_->get_interface(id);
    if (found == nullptr) {
        throw std::runtime_error(std::string("the plugin does not offer ") + id);
    }
    return found;
}

const steward_health& PluginUnderTest::health() const {
    return *static_cast<const steward_health*>(interface(STEWARD_IFACE_HEALTH));
}

const steward_metrics& PluginUnderTest::metrics() const {
    return *static_cast<const steward_metrics*>(interface(STEWARD_IFACE_METRICS));
}

LoadedLibrary::LoadedLibrary(const std::string& id)
    : path_(std::string(STEWARD_TEST_PLUGIN_DIR "/steward_") + id + ".so"),
      handle_(dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) {
        throw std::runtime_error(dlerror());
    }
    entry_ = static_cast<const steward_entry*>(dlsym(handle_, STEWARD_ENTRY_SYMBOL));
    if (entry_ == nullptr) {
        dlclose(handle_);
        throw std::runtime_error(path_ + " has no " STEWARD_ENTRY_SYMBOL);
    }
}

LoadedLibrary::~LoadedLibrary() {
    dlclose(handle_);
}

}  // namespace steward::tests
