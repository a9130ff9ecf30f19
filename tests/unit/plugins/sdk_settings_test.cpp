// settings.hpp and json.hpp: the schema, and what the strict parser takes and refuses.
#include <steward/sdk/settings.hpp>

#include "catch.hpp"

namespace {

namespace sdk = steward::sdk;

struct Sample {
    std::int64_t base_ms = 250;
    double factor = 2;
    std::string path = "/health";
    std::string mode = "fast";
    bool loud = false;
};

constexpr std::array kFields{
    sdk::integer("base_ms", &Sample::base_ms, {0, 3'600'000}, "The first delay."),
    sdk::number("factor", &Sample::factor, {1, 100}, "The \"factor\"."),
    sdk::text("path", &Sample::path, "What is asked for."),
    sdk::text("mode", &Sample::mode, sdk::one_of("fast", "slow"), "How."),
    sdk::boolean("loud", &Sample::loud, "Whether it talks."),
};

Sample parse(std::string_view json) {
    return sdk::parse_settings<Sample>(kFields, json);
}

std::string refusal(std::string_view json) {
    try {
        (void)parse(json);
    } catch (const sdk::SettingsError& e) {
        CHECK(e.status() == STEWARD_E_INVALID);
        CHECK(sdk::is_utf8(e.text()));
        return e.text();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("a setting that is left out keeps its default", "[sdk][settings]") {
    const Sample defaults = parse("{}");
    CHECK(defaults.base_ms == 250);
    CHECK(defaults.factor == 2.0);
    CHECK(defaults.path == "/health");
    CHECK(defaults.mode == "fast");
    CHECK_FALSE(defaults.loud);
}

TEST_CASE("every kind of setting is read", "[sdk][settings]") {
    const Sample read = parse(
        " {\"base_ms\" : 0 ,\r\n\t\"factor\":1.5e0, \"path\":\"/\\u00e9\\ud83d\\ude00\\n\\\"\","
        "\"mode\":\"slow\",\"loud\":true } \n");
    CHECK(read.base_ms == 0);
    CHECK(read.factor == 1.5);
    CHECK(read.path == "/\xC3\xA9\xF0\x9F\x98\x80\n\"");
    CHECK(read.mode == "slow");
    CHECK(read.loud);
}

TEST_CASE("the schema is made from the same table as the parser", "[sdk][settings]") {
    CHECK(sdk::settings_schema<Sample>(kFields) ==
          R"({"type":"object","additionalProperties":false,"properties":{)"
          R"("base_ms":{"type":"integer","description":"The first delay.","default":250,)"
          R"("minimum":0,"maximum":3600000},)"
          R"("factor":{"type":"number","description":"The \"factor\".","default":2,)"
          R"("minimum":1,"maximum":100},)"
          R"("path":{"type":"string","description":"What is asked for.","default":"/health"},)"
          R"("mode":{"type":"string","description":"How.","default":"fast",)"
          R"("enum":["fast","slow"]},)"
          R"("loud":{"type":"boolean","description":"Whether it talks.","default":false}}})");
}

TEST_CASE("a refusal names the setting, the rule and the value", "[sdk][settings]") {
    using Row = std::pair<std::string, std::string>;
    const auto [json, text] = GENERATE(values<Row>({
        {R"({"base_ms":-1})", "base_ms: must be >= 0 (got -1)"},
        {R"({"base_ms":3600001})", "base_ms: must be <= 3600000 (got 3600001)"},
        {R"({"base_ms":1.5})", "base_ms: must be an integer (got 1.5)"},
        {R"({"base_ms":"1"})", "base_ms: must be an integer (got \"1\")"},
        {R"({"base_ms":null})", "base_ms: must be an integer (got null)"},
        {R"({"base_ms":9007199254740993})", "base_ms: must be <= 3600000 (got 9007199254740993)"},
        {R"({"base_ms":-99999999999999999999})",
         "base_ms: must be >= 0 (got -99999999999999999999)"},
        {R"({"base_ms":1e308})", "base_ms: must be <= 3600000 (got 1e308)"},
        {R"({"base_ms":1e999})", "base_ms: must be a number that a double can hold (got 1e999)"},
        {R"({"factor":0.5})", "factor: must be >= 1 (got 0.5)"},
        {R"({"factor":1e308})", "factor: must be <= 100 (got 1e308)"},
        {R"({"factor":true})", "factor: must be a number (got true)"},
        {R"({"factor":[1]})", "factor: must be a number (got an array)"},
        {R"({"path":{}})", "path: must be a text (got an object)"},
        {R"({"mode":"slower"})", "mode: must be one of fast, slow (got \"slower\")"},
        {R"({"loud":1})", "loud: must be true or false (got 1)"},
        {R"({"loud":true,"loud":true})", "loud: is given twice"},
        {R"({"base":1})", "base: is not a setting (there are: base_ms, factor, path, mode, loud)"},
        {R"({"":1})", "\"\": is not a setting (there are: base_ms, factor, path, mode, loud)"},
    }));
    CHECK(refusal(json) == text);
}

TEST_CASE("whole numbers are integers however they are written", "[sdk][settings]") {
    CHECK(parse(R"({"base_ms":5.0})").base_ms == 5);
    CHECK(parse(R"({"base_ms":1e3})").base_ms == 1000);
    CHECK(parse(R"({"base_ms":-0})").base_ms == 0);
    CHECK(parse(R"({"base_ms":3600000})").base_ms == 3'600'000);
}

TEST_CASE("what is not JSON is refused with its place", "[sdk][settings]") {
    const std::string json = GENERATE(
        as<std::string>{}, "", " ", "[]", "null", "{", "{\"base_ms\"}", "{\"base_ms\":}",
        "{\"base_ms\":1,}", "{\"base_ms\":1 \"loud\":true}", "{\"base_ms\":1}x", "{base_ms:1}",
        "{\"base_ms\":01}", "{\"base_ms\":+1}", "{\"base_ms\":.5}", "{\"base_ms\":1.}",
        "{\"base_ms\":1e}", "{\"base_ms\":-}", "{\"factor\":NaN}", "{\"factor\":Infinity}",
        "{\"loud\":True}", "{\"path\":\"a\nb\"}", "{\"path\":\"\\x\"}", "{\"path\":\"\\u12g4\"}",
        "{\"path\":\"\\ud800\"}", "{\"path\":\"\\udc00\"}", "{\"path\":\"\\ud800\\u0041\"}",
        "{\"path\":\"\\u0000\"}", "{\"path\":\"", "{\"path\":\"\\", "'{}'", "{}{}");
    CAPTURE(json);
    const std::string text = refusal(json);
    CHECK(text.find("settings: not valid JSON at byte ") == 0);
}

TEST_CASE("text that is not UTF-8 is refused", "[sdk][settings]") {
    const std::string bad =
        GENERATE(as<std::string>{}, "\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80",
                 "\xF5\x80\x80\x80", "\xF4\x90\x80\x80", "\xC3");
    CHECK(refusal("{\"path\":\"" + bad + "\"}") == "settings: not valid UTF-8");
}

TEST_CASE("hostile sizes are refused without harm", "[sdk][settings]") {
    SECTION("ten thousand and a million nested arrays") {
        CHECK(refusal("{\"base_ms\":" + std::string(10'000, '[')) ==
              "base_ms: must be an integer (got an array)");
        CHECK(refusal(std::string(1'000'000, '{')).find("settings: not valid JSON") == 0);
    }
    SECTION("a megabyte of key, of text and of digits") {
        const std::string mega(1 << 20, '7');
        CHECK(refusal("{\"" + mega + "\":1}").size() < 200);
        CHECK(refusal("{\"path\":\"" + mega + "\"}") ==
              "path: must be at most 4096 bytes (got 1048576)");
        CHECK(refusal("{\"factor\":" + mega + "}").size() < 200);
        CHECK(refusal("{\"base_ms\":" + mega + "}").size() < 200);
    }
    SECTION("a key with control characters is shown without them") {
        CHECK(refusal("{\"a\\nb\":1}").find("a?b: is not a setting") == 0);
    }
}

TEST_CASE("mutated settings are taken or refused, never anything else", "[sdk][settings]") {
    const std::string seed =
        R"({"base_ms":250,"factor":2.5,"path":"/\u00e9x","mode":"slow","loud":true})";
    std::uint64_t state = 0x1f3a;
    const auto random = [&](std::size_t below) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::size_t>((state >> 33) % below);
    };
    int taken = 0;
    for (int i = 0; i < 5000; ++i) {
        std::string json = seed;
        for (std::size_t edits = 1 + random(3); edits > 0; --edits) {
            json[random(json.size())] = static_cast<char>(random(256));
        }
        try {
            const Sample read = parse(json);
            ++taken;
            REQUIRE(read.base_ms >= 0);
            REQUIRE(read.base_ms <= 3'600'000);
            REQUIRE(read.factor >= 1);
            REQUIRE(read.factor <= 100);
            REQUIRE(sdk::is_utf8(read.path));
        } catch (const sdk::SettingsError& e) {
            REQUIRE(!e.text().empty());
        }
    }
    CHECK(taken > 0);
    CHECK(taken < 5000);
}

TEST_CASE("a table with a fault is known as such at compile time", "[sdk][settings]") {
    constexpr std::array kTwice{sdk::boolean("a", &Sample::loud, "x"),
                                sdk::boolean("a", &Sample::loud, "x")};
    constexpr std::array kName{sdk::boolean("A", &Sample::loud, "x")};
    constexpr std::array kSilent{sdk::boolean("a", &Sample::loud, "")};
    constexpr std::array kBounds{sdk::integer("a", &Sample::base_ms, {2, 1}, "x")};
    STATIC_REQUIRE(sdk::fields_valid<Sample>(kFields));
    STATIC_REQUIRE_FALSE(sdk::fields_valid<Sample>(kTwice));
    STATIC_REQUIRE_FALSE(sdk::fields_valid<Sample>(kName));
    STATIC_REQUIRE_FALSE(sdk::fields_valid<Sample>(kSilent));
    STATIC_REQUIRE_FALSE(sdk::fields_valid<Sample>(kBounds));
}
