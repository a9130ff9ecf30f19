// The first answer of `steward mcp` comes at once, whatever the app does.
#include "catch.hpp"
#include "steward_process.hpp"

using namespace steward::tests;

TEST_CASE("smoke", "[mcp]") {
    const Sandbox sandbox;
    StewardStart start;
    start.app = test_app();
    StewardProcess steward(sandbox, start);
    steward.initialize();
    const auto status = steward.wait_state("running");
    CHECK(number_at(status, "generation") == 1);
    for (auto& e : sandbox.events()) { WARN(text_at(e, "event")); }
    CHECK(steward.guardian() > 0);
    CHECK(sandbox.processes().size() >= 2);
    steward.close_stdin();
    const auto t = Clock::now();
    const auto end = steward.wait_exit();
    WARN((end.at - t).count());
    CHECK(end.code == 0);
    CHECK(steward.left().empty());
    CHECK(steward.error_output() == "");
    CHECK(steward.impure_lines().empty());
}
