#include "process_evidence.hpp"

#include <fstream>
#include <sstream>

namespace steward::core {
namespace {

std::string read_text(std::int32_t pid, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

struct NameAndState {
    std::string name;
    char state = 0;
};

// From /proc/PID/stat: "412 (python3) S 1 ..."; the name may have brackets and spaces in it.
NameAndState name_and_state(std::int32_t pid) {
    const std::string stat = read_text(pid, "stat");
    const auto open = stat.find('(');
    const auto close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos || close + 2 >= stat.size()) {
        return {};
    }
    return {stat.substr(open + 1, close - open - 1), stat[close + 2]};
}

// "TracerPid:\t500" in /proc/PID/status; 0: nobody.
std::int32_t tracer_of(std::int32_t pid) {
    std::istringstream status(read_text(pid, "status"));
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("TracerPid:", 0) == 0) {
            return std::atoi(line.c_str() + std::string_view("TracerPid:").size());
        }
    }
    return 0;
}

}  // namespace

std::string describe_process(std::int32_t pid) {
    const auto [name, state] = name_and_state(pid);
    std::string text = std::to_string(pid);
    if (state == 0) {
        return text;
    }
    text += " (" + name + ", state " + state;
    // "0": it runs, or the kernel does not tell.
    if (const auto wchan = read_text(pid, "wchan"); !wchan.empty() && wchan != "0") {
        text += " in " + wchan;
    }
    if (const auto tracer = tracer_of(pid); tracer != 0) {
        const auto by = name_and_state(tracer);
        text +=
            ", traced by " + std::to_string(tracer) + (by.name.empty() ? "" : " (" + by.name + ")");
    }
    return text + ")";
}

}  // namespace steward::core
