// Library: a plugin file in this process. Not for hosts: nothing is judged before it is loaded.
#pragma once
#include <steward/abi.h>

#include <string>
#include <vector>

namespace steward::compliance {

class Library {
  public:
    // RTLD_NOW, RTLD_LOCAL, as the host does it. Throws Unusable with the loader's own text, or if
    // there is no entry, or its magic, major version or size is wrong.
    explicit Library(std::string path);
    Library(Library&& other) noexcept;
    Library& operator=(Library&&) = delete;
    // Leaves it mapped.
    ~Library() = default;

    // dlclose: the object is good for nothing afterwards.
    void unload();

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const steward_entry& entry() const noexcept { return *entry_; }
    // All its plugins; never empty.
    [[nodiscard]] std::vector<const steward_plugin*> plugins() const;
    // Does each of its plugins claim STEWARD_CAP_UNLOADABLE?
    [[nodiscard]] bool unloadable() const;
    [[nodiscard]] bool has_own_threads() const;

  private:
    std::string path_;
    void* handle_ = nullptr;
    const steward_entry* entry_ = nullptr;
};

// The descriptor's texts and the like as C++ sees them.
std::string text_of(steward_str text);
steward_str str_of(std::string_view text);
std::string id_of(const steward_plugin& plugin);
// Its interface, called on the plugin's side; null if it has none.
const void* interface_of(const steward_plugin& plugin, const char* id);
bool offers(const steward_plugin& plugin, std::string_view interface);

}  // namespace steward::compliance
