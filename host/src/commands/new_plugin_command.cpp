// `steward new-plugin`: writes the project, and says what comes next.
#include "new_plugin.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "commands.hpp"
#include "paths.hpp"

namespace steward::host {
namespace {

// Will CMake find what is installed beside this program? It looks in these two, and beside each bin
// of PATH.
bool is_found_by_cmake(const std::filesystem::path& prefix) {
    if (prefix == "/usr" || prefix == "/usr/local") {
        return true;
    }
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (std::filesystem::path(folder) == prefix / "bin") {
            return true;
        }
    }
    return false;
}

}  // namespace

int new_plugin_command(const Options& options) {
    const auto paths = find_paths();
    const std::string folder =
        options.new_plugin_into.empty() ? options.new_plugin : options.new_plugin_into;
    const auto files =
        write_new_plugin({options.new_plugin, options.new_plugin_kind, folder, paths.templates});
    if (!files) {
        fmt::print(stderr, "steward: {}\n", files.error().text);
        return 2;
    }
    const auto prefix = std::filesystem::path(paths.program).parent_path().parent_path();
    const std::string where =
        is_found_by_cmake(prefix) ? "" : "CMAKE_PREFIX_PATH=" + prefix.string() + " ";
    fmt::print(
        "{}: {}\n\n"
        "  cd {}\n"
        "  {}cmake --workflow --preset check\n"
        "  {} run --plugin-dir build {} {}\n",
        folder, fmt::join(*files, " "), folder, where, where.empty() ? "steward" : paths.program,
        strategy_flag(options.new_plugin_kind), options.new_plugin);
    return 0;
}

}  // namespace steward::host
