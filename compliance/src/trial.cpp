#include "trial.hpp"

namespace steward::compliance {

const Library& Trial::library() {
    if (!library_) {
        library_.emplace(file_);
    }
    return *library_;
}

std::vector<const steward_plugin*> Trial::plugins() {
    auto all = library().plugins();
    std::erase_if(all, [this](const steward_plugin* plugin) {
        return !check_.interface.empty() && !offers(*plugin, check_.interface);
    });
    if (all.empty()) {
        skip("no plugin in it offers " + std::string(check_.interface));
    }
    return all;
}

}  // namespace steward::compliance
