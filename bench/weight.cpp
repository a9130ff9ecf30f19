#include "weight.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace steward::bench {
namespace {

std::string process_file(pid_t pid, const std::string& name) {
    return "/proc/" + std::to_string(pid) + "/" + name;
}

}  // namespace

Weight weigh(pid_t pid) {
    std::ifstream file(process_file(pid, "smaps_rollup"));
    Weight out;
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string name;
        double kib = 0;
        words >> name >> kib;
        if (name == "Pss:") {
            out.pss = kib / 1024;
        } else if (name == "Private_Clean:" || name == "Private_Dirty:") {
            out.own += kib / 1024;
        }
    }
    if (out.pss <= 0) {
        throw std::runtime_error(process_file(pid, "smaps_rollup") + " cannot be read");
    }
    return out;
}

// Any thread may have started it.
pid_t find_guardian(pid_t steward) {
    for (const auto& task : std::filesystem::directory_iterator(process_file(steward, "task"))) {
        std::ifstream children(task.path() / "children");
        pid_t child = 0;
        while (children >> child) {
            std::string name;
            std::getline(std::ifstream(process_file(child, "comm")) >> std::ws, name);
            if (name == "app-guardian") {
                return child;
            }
        }
    }
    throw std::runtime_error("steward has no child called app-guardian");
}

}  // namespace steward::bench
