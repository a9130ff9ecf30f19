#include "scripted_history.hpp"

#include "catch.hpp"

using namespace steward::host;
using namespace std::chrono_literals;
using What = HistoryStep::What;

namespace {

HistoryStep step(const std::string& text) {
    const auto parsed = parse_history_step(text);
    INFO(text);
    REQUIRE(parsed);
    return *parsed;
}

std::string refusal(const std::string& text) {
    const auto parsed = parse_history_step(text);
    INFO(text);
    REQUIRE_FALSE(parsed);
    return parsed.error().text;
}

}  // namespace

TEST_CASE("each kind of step is read with its numbers", "[history]") {
    const auto exit = step("exit 3 after 2s x5");
    CHECK(exit.what == What::kExit);
    CHECK(exit.code == 3);
    CHECK(exit.after == 2s);
    CHECK(exit.times == 5);
    const auto signal = step("  signal   9 ");
    CHECK(signal.what == What::kSignal);
    CHECK(signal.code == 9);
    CHECK(signal.after == 0s);
    CHECK(signal.times == 1);
    CHECK(step("hang").what == What::kHang);
    CHECK(step("hang after 500ms").after == 500ms);
    CHECK(step("slow 2m").what == What::kSlow);
    CHECK(step("slow 2m x2").after == 2min);
    CHECK(step("cannot-start x2").what == What::kCannotStart);
    CHECK(step("run").what == What::kRun);
}

TEST_CASE("what is no step is refused with what may stand there", "[history]") {
    CHECK(
        refusal("") ==
        "history: it must begin with exit, signal, hang, slow, cannot-start or run (got nothing)");
    CHECK_THAT(refusal("crash"),
               Catch::Contains("must begin with exit") && Catch::Contains("`crash`"));
    CHECK_THAT(refusal("exit"), Catch::Contains("exit needs a number from 0 to 255"));
    CHECK_THAT(refusal("exit 256"), Catch::Contains("from 0 to 255"));
    CHECK_THAT(refusal("signal 0"), Catch::Contains("from 1 to 64"));
    CHECK_THAT(refusal("signal KILL"), Catch::Contains("from 1 to 64"));
    CHECK_THAT(refusal("exit 1 after"), Catch::Contains("500ms, 5s or 2m"));
    CHECK_THAT(refusal("exit 1 after 2"), Catch::Contains("500ms, 5s or 2m"));
    CHECK_THAT(refusal("slow"), Catch::Contains("500ms, 5s or 2m"));
    CHECK_THAT(refusal("run x0"), Catch::Contains("x0 cannot stand there"));
    CHECK_THAT(refusal("run x10001"), Catch::Contains("x10001 cannot stand there"));
    CHECK_THAT(refusal("run x2 x3"), Catch::Contains("x3 cannot stand there"));
    CHECK_THAT(refusal("run after 2s"), Catch::Contains("after cannot stand there"));
}

TEST_CASE("a file has a step on each line, and comments", "[history]") {
    const auto steps = parse_history("# two crashes\n\nexit 1 after 1s x2  # early\r\n  \nrun\n");
    REQUIRE(steps);
    REQUIRE(steps->size() == 2);
    CHECK((*steps)[0].times == 2);
    CHECK((*steps)[1].what == What::kRun);
    const auto none = parse_history("# nothing\n");
    REQUIRE(none);
    CHECK(none->empty());
    const auto wrong = parse_history("run\n\nrun away\n");
    REQUIRE_FALSE(wrong);
    CHECK_THAT(wrong.error().text, Catch::StartsWith("line 3: history: away cannot stand there"));
}
