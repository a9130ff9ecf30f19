#include "plugin_library.hpp"

#include <exception>

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#include "plugin_gate.hpp"

namespace steward::core {

Result<const steward_entry*> load_plugin_library(const std::string& file) {
    try {
        using boost::dll::load_mode::rtld_local;
        using boost::dll::load_mode::rtld_now;
        // The overload that throws: the error_code of the other says "Bad file descriptor" whatever
        // the cause. Never destroyed, so never unloaded.
        auto* const library = new boost::dll::shared_library(file, rtld_now | rtld_local);
        keep_for_ever(library);
        const auto& entry = library->get<const steward_entry>(STEWARD_ENTRY_SYMBOL);
        if (entry.magic != STEWARD_ABI_MAGIC || entry.abi_major != STEWARD_ABI_MAJOR ||
            entry.min_host_minor > STEWARD_ABI_MINOR || entry.plugin_count == 0 ||
            !STEWARD_HAS(&entry, get_plugin)) {
            return Error{file + ": is built for another plugin ABI"};
        }
        return &entry;
    } catch (const std::exception& e) {
        return Error{file + ": " + e.what()};
    }
}

}  // namespace steward::core
