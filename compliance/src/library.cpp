#include "library.hpp"

#include <dlfcn.h>

#include <utility>

#include "call.hpp"
#include "check.hpp"

namespace steward::compliance {
namespace {

std::string loader_error() {
    const char* const text = dlerror();
    return text == nullptr ? "the loader gives no reason" : text;
}

}  // namespace

void unwound(std::string_view name) {
    broken(std::string(name) + ": an exception left the plugin");
}

LoadedFile load_file(const std::string& path) {
    LoadedFile loaded{};
    {
        const NoteCall note("dlopen");
        const OnPluginSide side;  // its static constructors run
        loaded.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    }
    if (loaded.handle == nullptr) {
        throw Unusable{loader_error()};
    }
    loaded.entry = static_cast<const steward_entry*>(dlsym(loaded.handle, STEWARD_ENTRY_SYMBOL));
    if (loaded.entry == nullptr) {
        throw Unusable{"there is no " STEWARD_ENTRY_SYMBOL};
    }
    return loaded;
}

Library::Library(std::string path) : path_(std::move(path)) {
    const auto loaded = load_file(path_);
    handle_ = loaded.handle;
    entry_ = loaded.entry;
    if (entry_->magic != STEWARD_ABI_MAGIC || entry_->abi_major != STEWARD_ABI_MAJOR ||
        !STEWARD_HAS(entry_, get_plugin) || entry_->plugin_count == 0 ||
        entry_->plugin_count > kMostPlugins || entry_->min_host_minor > STEWARD_ABI_MINOR) {
        throw Unusable{"its entry is not that of a plugin for ABI 1 (see abi-magic-version)"};
    }
    if (entry_->init == nullptr || entry_->deinit == nullptr || entry_->get_plugin == nullptr) {
        throw Unusable{"its entry lacks a function (see abi-null-free)"};
    }
}

Library::Library(Library&& other) noexcept
    : path_(std::move(other.path_)),
      handle_(std::exchange(other.handle_, nullptr)),
      entry_(std::exchange(other.entry_, nullptr)) {}

void Library::unload() {
    const int failed = [this] {
        const NoteCall note("dlclose");
        const OnPluginSide side;
        return dlclose(std::exchange(handle_, nullptr));
    }();
    if (failed != 0) {
        broken("dlclose: " + loader_error());
    }
    entry_ = nullptr;
}

std::vector<const steward_plugin*> Library::plugins() const {
    std::vector<const steward_plugin*> found;
    for (std::uint32_t i = 0; i < entry_->plugin_count; ++i) {
        const auto* const plugin = call("get_plugin", [&] { return entry_->get_plugin(i); });
        if (plugin == nullptr || plugin->desc == nullptr) {
            throw Unusable{"get_plugin(" + std::to_string(i) + ") gives no plugin, of " +
                           std::to_string(entry_->plugin_count)};
        }
        found.push_back(plugin);
    }
    return found;
}

bool Library::unloadable() const {
    for (const auto* plugin : plugins()) {
        if ((plugin->desc->capabilities & STEWARD_CAP_UNLOADABLE) == 0) {
            return false;
        }
    }
    return true;
}

bool Library::has_own_threads() const {
    for (const auto* plugin : plugins()) {
        if ((plugin->desc->capabilities & STEWARD_CAP_OWN_THREADS) != 0) {
            return true;
        }
    }
    return false;
}

std::string text_of(steward_str text) {
    return text.ptr == nullptr ? std::string() : std::string(text.ptr, text.len);
}

steward_str str_of(std::string_view text) {
    return {text.data(), text.size()};
}

std::string id_of(const steward_plugin& plugin) {
    return text_of(plugin.desc->id);
}

const void* interface_of(const steward_plugin& plugin, const char* id) {
    return call("get_interface", [&] { return plugin.get_interface(id); });
}

bool offers(const steward_plugin& plugin, std::string_view interface) {
    for (const char* const* id = plugin.desc->interfaces; id != nullptr && *id != nullptr; ++id) {
        if (interface == *id) {
            return true;
        }
    }
    return false;
}

}  // namespace steward::compliance
