// Only JSON-RPC reaches the client, whatever an app, a plugin or a library prints.
#include <filesystem>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

// A folder with just one of the plugins of tests/abi/bad, which nobody but its owner can write.
std::string folder_with(const Sandbox& sandbox, const std::string& from, const std::string& id) {
    namespace fs = std::filesystem;
    const std::string folder = sandbox.file("plugins");
    fs::create_directories(folder);
    const std::string file = "/steward_" + id + ".so";
    fs::copy_file(from + file, folder + file);
    fs::permissions(folder + file, fs::perms::owner_all);
    return folder;
}

void end_well(StewardProcess& steward) {
    steward.close_stdin();
    CHECK(steward.wait_exit().code == 0);
    CHECK(steward.impure_lines().empty());
}

}  // namespace

TEST_CASE("what the app prints does not reach the client", "[mcp][stdout]") {
    const Sandbox sandbox;
    StewardProcess steward(
        sandbox,
        with_app({"--stdout-bytes", "3000000", "--stderr-line", "to stderr", "--stdout-line",
                  R"({"jsonrpc":"2.0","id":1,"result":{"forged":true}})"}));
    steward.initialize();
    steward.wait_state("running");
    CHECK(wait_until([&] {
        return text_at(steward.tool("flask_logs"), "structuredContent").find("forged") !=
               std::string::npos;
    }));
    end_well(steward);
    for (const auto& line : steward.lines()) {
        CHECK(line.rfind(R"({"jsonrpc":"2.0","id":1,"result":{"forged")", 0) != 0);
    }
    CHECK(steward.error_output().empty());
}

TEST_CASE("what a plugin prints when it is loaded does not reach the client", "[mcp][stdout]") {
    const Sandbox sandbox;
    auto start = with_app();
    start.args = {"--plugin-dir", folder_with(sandbox, STEWARD_BAD_PLUGINS, "bad_prints"),
                  "--restart", "bad_prints"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    end_well(steward);
    CHECK(steward.error_output().find("forged") != std::string::npos);
}

TEST_CASE("what a plugin prints when it is called does not reach the client", "[mcp][stdout]") {
    const Sandbox sandbox;
    auto start = with_app({"--crash-after-ms", "300"});
    start.args = {"--plugin-dir", STEWARD_SLOW_PLUGINS, "--restart", "slow_restart"};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    sandbox.wait_event("plugin.late");
    sandbox.wait_event("plugin.quarantined");
    steward.status();
    end_well(steward);
    CHECK(steward.error_output().find("printed by a plugin") != std::string::npos);
    CHECK(steward.error_output().find("written by a plugin") != std::string::npos);
}

TEST_CASE("a good session writes nothing to stderr", "[mcp][stdout]") {
    const Sandbox sandbox;
    const TakenPort taken;
    auto start = with_app();
    start.port = taken.port();
    start.args = {"--log-level", GENERATE("debug", "critical")};
    StewardProcess steward(sandbox, start);
    steward.initialize();
    steward.wait_state("running");
    steward.call("tools/list");
    steward.tool("flask_restart");
    steward.tool("flask_stop");
    steward.tool("flask_start");
    end_well(steward);
    CHECK(steward.error_output().empty());
}
