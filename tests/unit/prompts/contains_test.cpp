#include "contains.hpp"

#include <random>
#include <string>

#include "catch.hpp"

using steward::prompts::contains;

TEST_CASE("contains finds what std::string finds", "[prompts][contains]") {
    std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same texts in each run
    const auto text_of = [&](std::size_t size) {
        std::string text;
        while (text.size() < size) {
            text += "ab\xFF"[random() % 3];
        }
        return text;
    };
    std::size_t found = 0;
    for (int i = 0; i < 50'000; ++i) {
        const auto text = text_of(random() % 100);
        const auto part = text_of(random() % 8);
        const bool expected = text.find(part) != std::string::npos;
        found += expected ? 1 : 0;
        if (contains(text, part) != expected) {
            FAIL("\"" << part << "\" in \"" << text << "\"");
        }
    }
    CHECK(found > 1'000);
    CHECK(found < 49'000);
}

TEST_CASE("contains finds a part wherever it is", "[prompts][contains]") {
    for (const std::size_t size : {1U, 2U, 3U, 15U, 16U, 17U, 40U}) {
        const std::string part(size, 'x');
        for (std::size_t at = 0; at < 80; ++at) {
            std::string text(120, '.');
            text.replace(at, size, part);
            CHECK(contains(text, part));
            CHECK(contains(text.substr(0, at + size), part));
            CHECK_FALSE(contains(text.substr(0, at + size - 1), part));
            CHECK_FALSE(contains(text, part + "x"));
        }
    }
    CHECK(contains("", ""));
    CHECK(contains("a", ""));
    CHECK_FALSE(contains("", "a"));
}
