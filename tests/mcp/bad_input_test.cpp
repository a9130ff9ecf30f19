// Input that is wrong from the start: one line that says what, which value, and what to do; exit
// code 2; nothing started.
#include <algorithm>
#include <filesystem>

#include "scenes.hpp"

using namespace steward::tests;

namespace {

struct BadInput {
    std::string name;
    std::vector<std::string> args;
    std::vector<std::string> named;  // all of these are in the line
};

std::vector<BadInput> inputs(const Sandbox& sandbox) {
    namespace fs = std::filesystem;
    const std::string folder = sandbox.file("plugins");
    fs::create_directories(folder);
    for (const std::string name :
         {"steward_bad_newer_major.so", "steward_bad_crash.so", "steward_bad_no_entry.so"}) {
        fs::copy_file(STEWARD_BAD_PLUGINS "/" + name, folder + "/" + name,
                      fs::copy_options::overwrite_existing);
        fs::permissions(folder + "/" + name, fs::perms::owner_all);
    }
    const std::string in_the_way = sandbox.write("in-the-way", "a file");
    const std::string data = sandbox.data_dir();
    return {
        {"an unknown option", {"--no-such-option"}, {"--no-such-option", "--help"}},
        {"an unknown command", {"no-such-command"}, {"no-such-command", "--help"}},
        {"an unknown plugin", {"--restart", "no_such_plugin"}, {"no_such_plugin", "--plugin-dir"}},
        {"an unknown plugin of another kind",
         {"--health", "restart_backoff"},
         {"restart_backoff", "no health", "steward plugins"}},
        {"an unknown setting",
         {"--set", "restart_backoff.no_such=1"},
         {"restart_backoff", "no_such"}},
        {"a setting of an unknown plugin", {"--set", "no_such_plugin.key=1"}, {"no_such_plugin"}},
        {"a value outside its schema",
         {"--set", "restart_backoff.base_ms=-1"},
         {"restart_backoff.base_ms", "-1", "0"}},
        {"a value of another type",
         {"--set", "restart_backoff.max_restarts=many"},
         {"restart_backoff.max_restarts", "many"}},
        {"a setting without a value",
         {"--set", "restart_backoff"},
         {"--set", "ID.KEY=VALUE", "restart_backoff"}},
        {"a plugin for another version",
         {"--plugin-dir", folder, "--restart", "bad_newer_major"},
         {"bad_newer_major", "2"}},
        {"a plugin that dies when it is loaded",
         {"--plugin-dir", folder, "--restart", "bad_crash"},
         {"bad_crash"}},
        {"a file that is no plugin",
         {"--plugin-dir", folder, "--restart", "bad_no_entry"},
         {"bad_no_entry"}},
        {"a plugin folder that is not there",
         {"--plugin-dir", "/dev/null/x"},
         {"--plugin-dir", "/dev/null/x"}},
        {"a data folder with a file in the way",
         {"--data-dir", in_the_way + "/data"},
         {"--data-dir", in_the_way}},
        {"a data folder that is a file", {"--data-dir", in_the_way}, {"--data-dir", in_the_way}},
        {"a data folder that cannot be made", {"--data-dir", "/proc/x"}, {"--data-dir", "/proc/x"}},
        {"no address", {"--host", "localhost"}, {"--host", "localhost", "127.0.0.1"}},
        {"no port", {"--port", "70000"}, {"--port", "70000", "65535"}},
        {"no duration", {"--exit-timeout", "soon"}, {"--exit-timeout", "soon", "ms"}},
        {"no log level", {"--log-level", "loud"}, {"--log-level", "loud", "warning"}},
        {"no variable", {"--env", "=x"}, {"--env", "=x", "NAME"}},
        {"no command behind --", {"--"}, {"--", "command"}},
    };
}
constexpr int kInputs = 22;

}  // namespace

TEST_CASE("wrong input is one line on stderr and exit code 2, and nothing is started",
          "[mcp][input]") {
    const Sandbox sandbox;
    const auto all = inputs(sandbox);
    REQUIRE(all.size() == kInputs);
    const auto& bad = all[static_cast<std::size_t>(GENERATE(range(0, kInputs)))];
    INFO(bad.name);
    const auto files = sandbox.snapshot();
    StewardStart start;
    start.command = GENERATE("", "mcp");
    start.defaults = false;
    start.args = bad.args;
    StewardProcess steward(sandbox, start);
    const auto end = steward.wait_exit();
    const auto& line = steward.error_output();
    INFO(line);
    CHECK(end.code == 2);
    CHECK(ms_since(steward.started(), end.at) < 1000);
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    CHECK(line.rfind("steward: ", 0) == 0);
    CHECK(line.size() < 400);
    CHECK(line.find('.', line.size() - 2) == std::string::npos);
    for (const auto& part : bad.named) {
        INFO(part);
        CHECK(line.find(part) != std::string::npos);
    }
    CHECK(steward.lines().empty());
    CHECK(steward.partial_line().empty());
    CHECK(sandbox.snapshot() == files);
    CHECK(steward.left().empty());
}
