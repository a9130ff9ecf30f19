// A file of its own: the linker takes it only for a program that does not define the function itself.
#include "steward/core/plugin_catalogue.hpp"

namespace steward::core {

[[gnu::weak]] std::vector<const steward_entry*> built_in_plugins() {
    return {};
}

}  // namespace steward::core
