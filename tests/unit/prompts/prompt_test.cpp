// One prompt: its file, and what is derived from it.
#include "catch.hpp"
#include "prompt_bed.hpp"
#include "prompt_file.hpp"

using namespace steward::prompts;
using namespace steward::prompts::test;

namespace {

Prompt parsed(const std::string& text) {
    auto prompt = parse_prompt(text, "an-id", "coding");
    REQUIRE(prompt);
    return *prompt;
}

std::string fault_of(const std::string& text) {
    const auto prompt = parse_prompt(text, "an-id", "coding");
    REQUIRE(!prompt);
    return prompt.error().reason;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a slug is made of a title's letters and digits", "[prompts]") {
    CHECK(slug_of("Code Review: C++ (v2)") == "code-review-c-v2");
    CHECK(slug_of("  --- Trim ---  ") == "trim");
    CHECK(slug_of("Übung für Ämter №7") == "übung-für-ämter-7");
    CHECK(slug_of("提示 词") == "提示-词");
    CHECK(slug_of("e\u0301te\u0301") == "e\u0301te\u0301");
    CHECK(slug_of("!?").empty());
    CHECK(parsed(prompt_text("!?", "c")).slug == "an-id");
}

TEST_CASE("variables are found in order, each once", "[prompts]") {
    CHECK(variables_of("{{b}} {{ a }} {{b}} {{\ta.b-c_1 }}") == Names{"b", "a", "a.b-c_1"});
    CHECK(variables_of("{b} {{}} {{1a}} {{a b}} {{a} } {{a\n}} {{ä}} {{").empty());
    CHECK(variables_of("{{{a}}} {{{{b}}") == Names{"a", "b"});
}

TEST_CASE("many variables take no longer than their text", "[prompts]") {
    std::string content;
    for (int i = 0; i < 100'000; ++i) {
        content += "{{v" + std::to_string(i) + "}}";
    }
    CHECK(variables_of(content).size() == 100'000);
}

TEST_CASE("rendering replaces what has a value, once", "[prompts]") {
    const std::map<std::string, std::string> values{{"a", "{{b}}"}, {"b", "2"}};
    CHECK(render("{{a}}-{{ b }}-{{c}}", values) == "{{b}}-2-{{c}}");
    CHECK(render("{{{b}}}", values) == "{2}");
    CHECK(render("", values) == "");
    CHECK(render("{{b}}x{{b}}", values, 3) == "2x2");
    CHECK(render("{{b}}x{{b}}", values, 2) == std::nullopt);
    CHECK(render("x{{b}}x", values, 2) == std::nullopt);
}

TEST_CASE("words are separated by white space of any kind", "[prompts]") {
    const Prompt prompt = parsed(prompt_text("t", " one\ttwo\n\nthree\u00A0four\u3000five "));
    CHECK(prompt.words == 5);
    CHECK(prompt.tokens() == 6);
    CHECK(parsed(prompt_text("t", std::string("x"))).tokens() == 1);
}

TEST_CASE("unknown members are written back as they were read", "[prompts]") {
    const std::string text =
        R"({"z":18446744073709551616,"title":"T","m":{"y":[1.0,1e2,-0,{},[ ]],"x":"\u00e9\u0001\/"},)"
        R"("content":"C","a":0.1000000000000000055511151231257827021181583404541015625})";
    CHECK(serialise(parsed(text)) ==
          "{\n  \"z\": 18446744073709551616,\n  \"title\": \"T\",\n  \"m\": {\n    \"y\": [\n"
          "      1.0,\n      1e2,\n      -0,\n      {},\n      []\n    ],\n"
          "    \"x\": \"é\\u0001/\"\n  },\n  \"content\": \"C\",\n"
          "  \"a\": 0.1000000000000000055511151231257827021181583404541015625\n}");
    CHECK(parsed(serialise(parsed(text))).members.size() == 5);
    CHECK(to_json(parsed(text)).find('\n') == std::string::npos);
}

TEST_CASE("of equal names in a file the last value counts", "[prompts]") {
    const Prompt prompt = parsed(R"({"title":"a","content":"C","u":1,"title":"b","u":[2]})");
    CHECK(prompt.title == "b");
    CHECK(to_json(prompt).find(R"({"title":"b","content":"C","u":[2])") == 0);
}

TEST_CASE("what would grow without measure by indentation is cut", "[prompts]") {
    std::string deep(400, '[');
    for (int i = 0; i < 100'000; ++i) {
        deep += i == 0 ? "0" : ",0";
    }
    deep += std::string(400, ']');
    const Prompt prompt = parsed(R"({"title":"T","content":"C","x":)" + deep + "}");
    CHECK(serialise(prompt).size() > kMaxFileBytes);
    CHECK(serialise(prompt).size() < kMaxFileBytes + 10'000);
}

TEST_CASE("dates are told from what is none", "[prompts]") {
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    CHECK(instant_of("1970-01-01T00:00:00Z") == 0);
    CHECK(instant_of("1970-01-01T00:00:00.5+01:30") == -5'399'500'000);
    CHECK(instant_of("1970-01-01T01:00:00") == 0);
    // The hour that comes twice is the first of the two.
    CHECK(instant_of("2026-10-25T02:30:00") == instant_of("2026-10-25T00:30:00Z"));
    CHECK(instant_of("2026-07-01T02:00:00") == instant_of("2026-07-01T00:00:00Z"));
    for (const char* none :
         {"", "2026", "2026-02-29T00:00:00", "2026-01-01 00:00:00", "2026-01-01T24:00:00",
          "2026-01-01T00:00:00.", "2026-01-01T00:00:00.1234567", "2026-01-01T00:00:00z",
          "2026-01-01T00:00:00+24:00", "0000-01-01T00:00:00", "2026-13-01T00:00:00"}) {
        INFO(none);
        CHECK(instant_of(none) == kNoDate);
    }
    setenv("TZ", "UTC", 1);
    tzset();
}

TEST_CASE("a broken file is told apart with its reason", "[prompts]") {
    CHECK(fault_of("[]") == "is not a JSON object");
    CHECK(fault_of("{") == "is not JSON");
    CHECK(fault_of("\xFF") == "is not UTF-8");
    CHECK(fault_of(R"({"title":"T"})") == "has no text content");
    CHECK(fault_of(std::string(kMaxFileBytes + 1, ' ')).find("is larger") == 0);
    const std::string deep = std::string(99, '[') + std::string(99, ']');
    CHECK(parsed(R"({"title":"T","content":"C","x":)" + deep + "}").members.size() == 3);
}
