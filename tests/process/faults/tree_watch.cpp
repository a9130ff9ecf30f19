#include "tree_watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace steward::faults {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVariable = "STEWARD_INSTANCE=";
constexpr std::size_t kParentField = 1;  // behind the name, from 0
constexpr std::size_t kUserField = 11;
constexpr std::size_t kSystemField = 12;

std::string read_proc(pid_t pid, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> stat_of(pid_t pid) {
    const std::string text = read_proc(pid, "stat");
    const auto end = text.rfind(')');
    if (end == std::string::npos) {
        return {};
    }
    std::istringstream in(text.substr(end + 1));
    return {std::istream_iterator<std::string>(in), {}};
}

pid_t parent_of(pid_t pid) {
    const auto fields = stat_of(pid);
    return fields.size() > kParentField ? std::stoi(fields[kParentField]) : 0;
}

// "" if there is none.
std::string nonce_in(const std::string& environ) {
    const std::string all = '\0' + environ;
    const auto at = all.find('\0' + std::string(kVariable));
    if (at == std::string::npos) {
        return {};
    }
    const auto from = at + 1 + kVariable.size();
    return all.substr(from, all.find('\0', from) - from);
}

}  // namespace

std::vector<AppProcess> app_processes(const tests::Sandbox& sandbox) {
    std::vector<AppProcess> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename().string();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr !=
            name.data() + name.size()) {
            continue;
        }
        const std::string environment = read_proc(pid, "environ");
        std::string nonce = nonce_in(environment);
        if (!nonce.empty() && environment.find(sandbox.path()) != std::string::npos &&
            tests::process_lives(pid)) {
            found.push_back({pid, std::move(nonce)});
        }
    }
    return found;
}

bool descends_from(pid_t pid, pid_t ancestor) {
    for (int depth = 0; pid > 1 && depth < 1000; ++depth) {
        if (pid == ancestor) {
            return true;
        }
        pid = parent_of(pid);
    }
    return false;
}

std::vector<pid_t> of_killed_instances(const tests::Sandbox& sandbox,
                                       const tests::StewardProcess& steward, pid_t killed) {
    const auto processes = app_processes(sandbox);
    const pid_t guardian = steward.guardian();
    std::vector<pid_t> old;
    for (const auto& process : processes) {
        const bool fresh =
            guardian != 0 && guardian != killed && descends_from(process.pid, guardian);
        if (!fresh && tests::process_lives(process.pid)) {
            old.push_back(process.pid);
        }
    }
    return old;
}

std::string named(const std::vector<pid_t>& pids) {
    std::string text;
    for (const pid_t pid : pids) {
        const auto fields = stat_of(pid);
        const pid_t parent = parent_of(pid);
        text += (text.empty() ? "" : ", ") + std::to_string(pid) + " (" + tests::process_name(pid) +
                ", state " + (fields.empty() ? "?" : fields[0]) + ", instance " +
                nonce_in(read_proc(pid, "environ")) + ", child of " + std::to_string(parent) + " " +
                tests::process_name(parent) + ")";
    }
    return text;
}

std::string last_events(const tests::Sandbox& sandbox) {
    constexpr std::size_t kLast = 30;
    std::string text;
    const auto events = sandbox.events();
    for (std::size_t i = events.size() - std::min(events.size(), kLast); i < events.size(); ++i) {
        text += "\n  " + tests::text_at(events[i], "ts") + " " +
                tests::text_at(events[i], "event") + " " + tests::text_at(events[i], "generation") +
                ": " + tests::text_at(events[i], "cause") + tests::text_at(events[i], "text");
    }
    return text;
}

long number_in(pid_t pid, const std::string& file, const std::string& key) {
    std::istringstream in(read_proc(pid, file));
    for (std::string word; in >> word;) {
        if (word == key + ":") {
            long value = -1;
            in >> value;
            return value;
        }
    }
    return -1;
}

tests::Milliseconds own_cpu(pid_t pid) {
    const auto fields = stat_of(pid);
    if (fields.size() <= kSystemField) {
        return {};
    }
    return tests::Milliseconds((std::stoll(fields[kUserField]) + std::stoll(fields[kSystemField])) *
                               1000 / sysconf(_SC_CLK_TCK));
}

}  // namespace steward::faults
