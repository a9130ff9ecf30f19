#include "plugin_libraries.hpp"

#include <chrono>
#include <future>

namespace steward::core {
namespace {

// A library that has not ended by then hangs.
constexpr std::chrono::seconds kEndTime(2);

}  // namespace

std::shared_ptr<Library> PluginLibraries::Impl::get(const std::string& file, FileIdentity identity,
                                                    const std::string& id) {
    auto& library = by_file[file];
    if (!library && identity != FileIdentity{}) {
        library = by_identity[identity];
    }
    if (!library) {
        library = std::make_shared<Library>();
        library->id = id;
        library->thread = std::make_unique<PluginThread>(id, version, log);
        all.push_back(library);
    }
    if (identity != FileIdentity{}) {
        by_identity[identity] = library;
    }
    return library;
}

PluginLibraries::PluginLibraries(std::string host_version,
                                 std::function<void(int, std::string)> log)
    : impl_(std::make_unique<Impl>()) {
    impl_->version = std::move(host_version);
    impl_->log = std::move(log);
}

PluginLibraries::~PluginLibraries() {
    impl_->gate->close();
    for (const auto& library : impl_->all) {
        if (!library->quarantined) {
            const auto over = std::make_shared<std::promise<void>>();
            auto waiting = over->get_future();
            library->thread->call_last([library, over] {
                if (library->initialised) {
                    library->entry->deinit();
                }
                over->set_value();
            });
            if (waiting.wait_for(kEndTime) == std::future_status::ready) {
                library->thread.reset();
                continue;
            }
        }
        PluginThread::abandon(std::move(library->thread));
    }
}

}  // namespace steward::core
