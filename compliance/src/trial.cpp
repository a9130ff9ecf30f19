#include "trial.hpp"

#include <unistd.h>

#include <algorithm>

#include "helper_process.hpp"
#include "write_all.hpp"

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

std::vector<std::string> Trial::twin_answers(const std::vector<std::string>& answers) {
    // Between them, since they may hold any other byte.
    constexpr char kEnd = '\0';
    if (is_twin_) {
        std::string text;
        for (const std::string& answer : answers) {
            text += answer + kEnd;
        }
        write_all(kHelperFd, text);
        _exit(0);  // No destructor of a plugin's runs.
    }
    HelperProcess twin({"check", std::string(check_.id), file_, std::to_string(seed_),
                        std::to_string(getpid()), "twin"});
    const std::string text = twin.read_all();
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find(kEnd, begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

}  // namespace steward::compliance
