#include "plugin_libraries.hpp"

namespace steward::core {

std::shared_ptr<Library> PluginLibraries::Impl::get(const std::string& file,
                                                    const std::string& id) {
    auto& library = by_file[file];
    if (!library) {
        library = std::make_shared<Library>();
        library->id = id;
        library->thread = std::make_unique<PluginThread>(id, version, log);
    }
    return library;
}

PluginLibraries::PluginLibraries(std::string host_version,
                                 std::function<void(int, std::string)> log)
    : impl_(std::make_unique<Impl>(Impl{std::move(host_version), std::move(log), {}})) {}

PluginLibraries::~PluginLibraries() {
    for (const auto& [file, library] : impl_->by_file) {
        if (library->quarantined) {
            PluginThread::abandon(std::move(library->thread));
            continue;
        }
        library->thread->call([library = library.get()] {
            if (library->initialised) {
                library->entry->deinit();
            }
        });
        library->thread.reset();
    }
}

}  // namespace steward::core
