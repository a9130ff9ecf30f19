#include "trial.hpp"

#include <unistd.h>

#include "helper_process.hpp"

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

std::string Trial::twin_answers(const std::string& answers) {
    if (is_twin_) {
        for (std::size_t done = 0; done < answers.size();) {
            const ssize_t written =
                ::write(STDOUT_FILENO, answers.data() + done, answers.size() - done);
            if (written <= 0) {
                break;
            }
            done += static_cast<std::size_t>(written);
        }
        _exit(0);
    }
    HelperProcess twin({"check", std::string(check_.id), file_, std::to_string(seed_),
                        std::to_string(getpid()), "twin"});
    return twin.read_all();
}

}  // namespace steward::compliance
