#include "proc_text.hpp"

#include <random>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "proc_fixture.hpp"

using namespace steward::metrics_proc;
using steward::tests::FixtureProcess;
using steward::tests::ProcFixture;

namespace {

std::string stat_of_named(const std::string& name) {
    FixtureProcess process;
    process.pid = 42;
    process.parent = 7;
    process.name = name;
    process.user = 100;
    process.system = 23;
    process.children_user = 5;
    process.threads = 4;
    process.start = 987654321;
    return ProcFixture::stat(process);
}

}  // namespace

TEST_CASE("a stat line is read behind the last parenthesis, whatever the name holds",
          "[metrics_proc]") {
    const auto name = GENERATE(as<std::string>{}, "python3", "", "a b c", "a) R 1 2 3 (b", "((()))",
                               ") S 1", "line\nbreak", "\xff\xfe", "tab\there");
    INFO(name);
    const auto stat = parse_stat(stat_of_named(name));
    REQUIRE(stat);
    CHECK(stat->state == 'S');
    CHECK(stat->parent == 7);
    CHECK(stat->own_ticks == 123);
    CHECK(stat->children_ticks == 5);
    CHECK(stat->threads == 4);
    CHECK(stat->start_ticks == 987654321);
}

TEST_CASE("figures of 64 bits and negative nice values are read", "[metrics_proc]") {
    const auto stat = parse_stat(
        "1 (x) R 0 0 0 0 -1 0 18446744073709551615 0 0 0 9000000000 1 2 3 -2 -20 1 0 "
        "4611686018427387 0 0\n");
    REQUIRE(stat);
    CHECK(stat->own_ticks == 9'000'000'001);
    CHECK(stat->children_ticks == 5);
    CHECK(stat->start_ticks == 4'611'686'018'427'387);
}

TEST_CASE("a stat line that cannot be true is not used", "[metrics_proc]") {
    const auto text =
        GENERATE(as<std::string>{}, "", "1", "1 (x)", "1 (x) ", "1 (x) S", "no parenthesis at all",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 -5 1 2 3 20 0 1 0 100\n",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 5 1 2 3 20 0 -1 0 100\n",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 5 1 2 3 20 0 99999999 0 100\n",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 18446744073709551615 1 2 3 20 0 1 0 100\n",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 99999999999999999999999 1 2 3 20 0 1 0 100\n",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 5x 1 2 3 20 0 1 0 100\n",
                 "1 (x) S -1 0 0 0 -1 0 0 0 0 0 5 1 2 3 20 0 1 0 100\n",
                 "1 (x) SS 0 0 0 0 -1 0 0 0 0 0 5 1 2 3 20 0 1 0 100\n",
                 "1 (x) S 0 0 0 0 -1 0 0 0 0 0 5 1 2 3 20 0 1 0\n");
    INFO(text);
    CHECK_FALSE(parse_stat(text));
}

TEST_CASE("statm, uptime and children are read, and doubted", "[metrics_proc]") {
    CHECK(parse_resident_pages("2500 800 300 1 0 400 0\n") == 800U);
    CHECK_FALSE(parse_resident_pages("2500"));
    CHECK_FALSE(parse_resident_pages("2500 -3 0"));
    CHECK_FALSE(parse_resident_pages("2500 18446744073709551615 0"));
    CHECK(parse_resident_pages("2500 1099511627776 0") == 1'099'511'627'776U);
    CHECK_FALSE(parse_resident_pages("2500 1099511627777 0"));
    CHECK(parse_uptime("1000.50 1900.12\n") == 1000.5);
    CHECK_FALSE(parse_uptime(""));
    CHECK_FALSE(parse_uptime("-1 0"));
    CHECK_FALSE(parse_uptime("nan 0"));
    CHECK_FALSE(parse_uptime("inf 0"));
    CHECK_FALSE(parse_uptime("1e300 0"));
    std::vector<std::int32_t> pids;
    parse_children("12 x -5 0 99999999999 13x 14 ", pids);
    CHECK(pids == std::vector<std::int32_t>{12, 14});
}

TEST_CASE("twenty thousand mutated files yield no absurd figure", "[metrics_proc]") {
    std::mt19937 random(81);
    const auto below = [&](std::size_t n) { return random() % n; };
    const std::string seed = stat_of_named("na) me");
    constexpr std::uint64_t kMost = std::uint64_t{1} << 54U;
    std::size_t used = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = seed;
        for (std::size_t edits = below(4); edits-- > 0;) {
            const std::size_t at = below(text.size());
            constexpr std::string_view kLikely = "0123456789-) (\n.eE";
            text[at] =
                below(4) == 0 ? static_cast<char>(below(256)) : kLikely[below(kLikely.size())];
        }
        const auto stat = parse_stat(text);
        used += stat ? 1U : 0U;
        if (stat && (stat->own_ticks > kMost || stat->children_ticks > kMost ||
                     stat->threads > 4'194'304 || stat->parent < 0)) {
            FAIL(text);
        }
    }
    CHECK(used > 5'000);
    CHECK(used < 20'000);
}
