#include <cstdio>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "commands.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

struct Client {
    const char* name;
    const char* title;
    const char* where;
};

constexpr Client kClients[] = {
    {"claude", "Claude Desktop", "claude_desktop_config.json (Settings, Developer, Edit Config)"},
    {"vscode", "VS Code",
     ".vscode/mcp.json of a workspace, or the user's mcp.json (MCP: Open User Configuration)"},
    {"cursor", "Cursor", "~/.cursor/mcp.json, or .cursor/mcp.json of a project"},
};

}  // namespace

std::string connect_snippet(const std::string& client, const Paths& paths) {
    std::string command;
    mcp::append_json_string(command, paths.program);
    if (client == "vscode") {
        return "{\n  \"servers\": {\n    \"promptbin\": {\n      \"type\": \"stdio\",\n      "
               "\"command\": " +
               command + ",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n";
    }
    return "{\n  \"mcpServers\": {\n    \"promptbin\": {\n      \"command\": " + command +
           ",\n      \"args\": [\"mcp\"]\n    }\n  }\n}\n";
}

int connect_command(const Options& options) {
    const auto paths = find_paths();
    for (const auto& client : kClients) {
        if (options.client.empty()) {
            fmt::print("{}: {}\n{}\n", client.title, client.where,
                       connect_snippet(client.name, paths));
        } else if (options.client == client.name) {
            fmt::print(stderr, "put this into {}\n", client.where);
            fmt::print("{}", connect_snippet(client.name, paths));
        }
    }
    return 0;
}

}  // namespace steward::host
