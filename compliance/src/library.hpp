// Library: a plugin file in this process. Not for hosts: nothing is judged before it is loaded.
#pragma once
#include <steward/abi.h>

#include <string>
#include <vector>

namespace steward::compliance {

// What the host bears of plugins in one library.
inline constexpr unsigned kMostPlugins = 64;

// A file that was loaded, with RTLD_NOW and RTLD_LOCAL as the host does it, and its entry, which
// nobody has judged yet.
struct LoadedFile {
    void* handle;
    const steward_entry* entry;
};
// Throws Unusable with the loader's own text, or if there is no entry.
LoadedFile load_file(const std::string& path);

class Library {
  public:
    // Throws Unusable as load_file() does, or if the entry's magic, major version or size is wrong,
    // or a function of it is null.
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
