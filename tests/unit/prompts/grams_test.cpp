#include "grams.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

using steward::prompts::GramTable;

namespace {

bool may_be_in(const GramTable& table, GramTable::Slot slot, const std::string& part) {
    return (table.candidates(part).at(slot / 64) >> (slot % 64) & 1U) != 0;
}

}  // namespace

TEST_CASE("a text that has the part is always a candidate", "[prompts][grams]") {
    std::mt19937 random(3);  // NOLINT(cert-msc51-cpp): the same texts in each run
    GramTable table;
    std::vector<std::pair<GramTable::Slot, std::string>> texts;
    std::size_t passed_over = 0;
    for (int i = 0; i < 500; ++i) {
        std::string text;
        for (std::size_t n = random() % 80; n > 0; --n) {
            text += static_cast<char>('a' + random() % 12);
        }
        texts.emplace_back(table.add(text), text);
    }
    for (const auto& [slot, text] : texts) {
        const std::size_t at = text.empty() ? 0 : random() % text.size();
        const std::string part = text.substr(at, random() % 12);
        for (const auto& [other, whole] : texts) {
            const bool candidate = may_be_in(table, other, part);
            passed_over += candidate ? 0 : 1;
            if (!candidate && whole.find(part) != std::string::npos) {
                FAIL("\"" << part << "\" in \"" << whole << "\"");
            }
        }
    }
    CHECK(passed_over > 50'000);
}

TEST_CASE("a slot that is free again has nothing of its old text", "[prompts][grams]") {
    GramTable table;
    std::vector<GramTable::Slot> slots;
    for (int i = 0; i < 200; ++i) {
        slots.push_back(table.add("the old text"));
    }
    std::sort(slots.begin(), slots.end());
    CHECK(std::adjacent_find(slots.begin(), slots.end()) == slots.end());
    CHECK(may_be_in(table, slots[70], "old"));
    table.remove(slots[70]);
    CHECK_FALSE(may_be_in(table, slots[70], "old"));
    CHECK(may_be_in(table, slots[69], "old"));
    CHECK(table.add("new") == slots[70]);
    CHECK_FALSE(may_be_in(table, slots[70], "old"));
    CHECK(may_be_in(table, slots[70], "new"));
}
