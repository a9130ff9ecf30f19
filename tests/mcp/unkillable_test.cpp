// A tree that cannot be ended: the session ends in time all the same, and the log names what is
// left.
#include <filesystem>

#include "scenes.hpp"
#include "tracer.hpp"

using namespace steward::tests;
namespace fs = std::filesystem;

namespace {

// The program with all that lies next to it, but with another guardian.
std::string with_guardian(const Sandbox& sandbox, const std::string& guardian) {
    const fs::path bin = sandbox.file("bin");
    const fs::path built = fs::path(steward_program()).parent_path();
    fs::create_directory(bin);
    // Not a link: it looks for the rest next to the file that it is.
    fs::copy_file(steward_program(), bin / "steward");
    fs::copy_file(guardian, bin / "app-guardian");
    for (const char* name : {"steward-plugin-probe", "plugins"}) {
        fs::create_symlink(built / name, bin / name);
    }
    return (bin / "steward").string();
}

}  // namespace

TEST_CASE("a tree that cannot be ended does not hold up the end, and the log names it",
          "[mcp][end]") {
    const Sandbox sandbox;
    auto start = with_app();
    start.program = with_guardian(sandbox, STEWARD_STUCK_GUARDIAN);
    start.args = {"--health", "none"};
    const bool read = GENERATE(true, false);  // does anybody read its stderr?
    if (!read) {
        start.unread = {2};
    }
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto stuck = number_at(steward.wait_state("running"), "pid");
    REQUIRE(wait_until([&] { return process_name(static_cast<pid_t>(stuck)) == "stuck"; }));

    const bool by_eof = GENERATE(true, false);
    const auto asked = Clock::now();
    if (by_eof) {
        steward.close_stdin();
    } else {
        steward.kill(SIGTERM);
    }
    const auto end = steward.wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 1000);

    const auto event = sandbox.wait_event("service.unkillable", Milliseconds(0));
    const std::string name = "stuck";
    CHECK_THAT(text_at(event, "left"),
               Catch::Contains(name) && Catch::Contains(std::to_string(stuck)));
    const auto line = sandbox.wait_event("log", Milliseconds(0), 0, [](const Json& entry) {
        return text_at(entry, "text").find("left behind") != std::string::npos;
    });
    CHECK_THAT(text_at(line, "text"),
               Catch::Contains(name) && Catch::Contains(std::to_string(stuck)));
    if (read) {
        CHECK_THAT(steward.error_output(), Catch::Contains("left behind") && Catch::Contains(name));
    }
}

TEST_CASE(
    "an app that a debugger holds is unkillable with the evidence, and no second one is started",
    "[mcp][unkillable]") {
    auto start = with_app({"--ignore-term"});
    start.args = {"--shutdown-timeout", "100ms"};
    Running steward(start);
    const auto app = static_cast<pid_t>(number_at(steward.first(), "pid"));
    {
        const Tracer tracer(app);
        const auto stopped = steward->tool("flask_stop");
        CHECK(text_at(stopped, "structuredContent.state") == "unkillable");
        CHECK_THAT(text_at(stopped, "structuredContent.cause"),
                   Catch::Contains(std::to_string(app) + " (") && Catch::Contains("state Z") &&
                       Catch::Contains(", traced by ") && Catch::Contains("(mcp_end_test)"));
        const auto event = steward.sandbox().wait_event("service.unkillable");
        CHECK_THAT(text_at(event, "left"), Catch::Contains(", traced by "));
        // Asked for now, it waits for the first one's end.
        const auto asked = steward->tool("flask_start");
        CHECK(text_at(asked, "structuredContent.state") == "unkillable");
        CHECK(number_at(asked, "structuredContent.generation") == 1);
    }
    const auto again = steward->wait_state("running");
    CHECK(number_at(again, "generation") == 2);
    CHECK(number_at(again, "pid") != app);
    CHECK(process_name(app).empty());
}
