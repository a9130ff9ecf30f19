// complete_settings(): what a user set, completed and checked by a plugin's schema.
#include "catch.hpp"

#include "steward/core/schema.hpp"

using steward::core::complete_settings;

namespace {

const char* const kSchema = R"({
  "type": "object", "additionalProperties": false,
  "properties": {
    "base_ms": {"type": "integer", "default": 250, "minimum": 0, "maximum": 3600000},
    "factor": {"type": "number", "default": 2, "minimum": 1, "maximum": 100},
    "mode": {"type": "string", "default": "fast", "enum": ["fast", "slow"]},
    "path": {"type": "string", "default": "/health", "minLength": 1, "maxLength": 8},
    "strict": {"type": "boolean", "default": true}
  }})";

std::string completed(const std::map<std::string, std::string>& values) {
    const auto done = complete_settings("demo", kSchema, values);
    return done ? *done : "refused: " + done.error().text;
}

std::string refusal(const std::string& key, const std::string& value,
                    const std::string& schema = kSchema) {
    const auto done = complete_settings("demo", schema, {{key, value}});
    return done ? "accepted: " + *done : done.error().text;
}

}  // namespace

TEST_CASE("what is not set has the schema's default", "[settings]") {
    CHECK(completed({}) ==
          R"({"base_ms":250,"factor":2,"mode":"fast","path":"/health","strict":true})");
    CHECK(completed({{"base_ms", "0"}, {"factor", "1.5"}, {"mode", "slow"}, {"strict", "false"}}) ==
          R"({"base_ms":0,"factor":1.5,"mode":"slow","path":"/health","strict":false})");
}

TEST_CASE("a refused setting is named with its rule and its value", "[settings]") {
    struct Row {
        std::string key;
        std::string value;
        std::string text;
    };
    const auto row = GENERATE(values<Row>({
        {"base_ms", "-1", "demo.base_ms: must be >= 0 (got -1)"},
        {"base_ms", "3600001", "demo.base_ms: must be <= 3600000 (got 3600001)"},
        {"base_ms", "soon", "demo.base_ms: must be an integer (got soon)"},
        {"base_ms", "1.5", "demo.base_ms: must be an integer (got 1.5)"},
        {"base_ms", "1,5", "demo.base_ms: must be an integer (got 1,5)"},
        {"base_ms", "1,000", "demo.base_ms: must be an integer (got 1,000)"},
        {"base_ms", " 5", "demo.base_ms: must be an integer (got  5)"},
        {"base_ms", "5 ", "demo.base_ms: must be an integer (got 5 )"},
        {"base_ms", "0x10", "demo.base_ms: must be an integer (got 0x10)"},
        {"base_ms", "", "demo.base_ms: must be an integer (got )"},
        {"base_ms", "9223372036854775808",
         "demo.base_ms: must be an integer (got 9223372036854775808)"},
        {"factor", "0.5", "demo.factor: must be >= 1 (got 0.5)"},
        {"factor", "1e400", "demo.factor: must be a number (got 1e400)"},
        {"factor", "nan", "demo.factor: must be a number (got nan)"},
        {"factor", "inf", "demo.factor: must be a number (got inf)"},
        {"factor", "2,5", "demo.factor: must be a number (got 2,5)"},
        {"mode", "medium", R"(demo.mode: must be one of ["fast","slow"] (got medium))"},
        {"path", "", "demo.path: must have at least 1 characters (got )"},
        {"path", "/too/long", "demo.path: must have at most 8 characters (got /too/long)"},
        {"path", "\xff", "demo.path: must be UTF-8 (got \\xff)"},
        {"strict", "yes", "demo.strict: must be a boolean (got yes)"},
        {"strict", "1", "demo.strict: must be a boolean (got 1)"},
        {"bas_ms", "1",
         "demo.bas_ms: no such setting; there is base_ms, factor, mode, path, strict"},
    }));
    CAPTURE(row.key, row.value);
    CHECK(refusal(row.key, row.value) == row.text);
}

TEST_CASE("a plugin without settings says so", "[settings]") {
    const std::string none = R"({"type":"object","properties":{},"additionalProperties":false})";
    CHECK(refusal("any", "1", none) == "demo.any: no such setting; demo has none");
    CHECK(refusal("any", "1", R"({"type":"object"})") ==
          "demo.any: no such setting; demo has none");
}

TEST_CASE("a setting that has no default must be given when it is required", "[settings]") {
    const std::string schema =
        R"({"type":"object","required":["key"],"properties":{"key":{"type":"string"}}})";
    const auto without = complete_settings("demo", schema, {});
    REQUIRE_FALSE(without);
    CHECK(without.error().text == "demo.key: is required");
    CHECK(complete_settings("demo", schema, {{"key", "x"}}));
}

TEST_CASE("a default that breaks its own schema is told, not passed on", "[settings]") {
    const auto done = complete_settings(
        "demo",
        R"({"type":"object","properties":{"n":{"type":"integer","default":-3,"minimum":0}}})", {});
    REQUIRE_FALSE(done);
    CHECK(done.error().text == "demo.n: must be >= 0 (got -3)");
}

TEST_CASE("a value that is long or no UTF-8 is echoed short and clean", "[settings]") {
    // 79 bytes, then a sequence that the limit of 80 would cut in two.
    const std::string head(79, 'x');
    std::string value = head;
    value += "\xE2\x82\xAC and more";
    std::string text = "demo.base_ms: must be an integer (got ";
    text += head;
    text += "…)";
    CHECK(refusal("base_ms", value) == text);
    CHECK(refusal("base_ms", "a\nb\xff") == "demo.base_ms: must be an integer (got a\\x0ab\\xff)");
    CHECK(refusal("k\n", "1").substr(0, 12) == "demo.k\\x0a: ");
}

TEST_CASE("any text as value ends in settings or in a refusal", "[settings]") {
    const std::string nul("a\0b", 3);
    for (const std::string& value :
         {std::string("\""), std::string("\\"), nul, std::string("\x01\x1f"), std::string("/a/b"),
          std::string("\xC3\xA9"), std::string(8, '{')}) {
        const auto done = complete_settings("demo", kSchema, {{"path", value}});
        CAPTURE(value);
        REQUIRE(done);
        // It comes out of the JSON as it went in.
        const auto again = complete_settings(
            "demo",
            R"({"type":"object","properties":{"path":{"type":"string","default":)" +
                done->substr(done->find("\"path\":") + 7,
                             done->find(",\"strict\"") - done->find("\"path\":") - 7) +
                "}}}",
            {});
        REQUIRE(again);
        CHECK(done->find(again->substr(1, again->size() - 2)) != std::string::npos);
    }
}

TEST_CASE("a schema that is none is the plugin's fault and says so", "[settings]") {
    struct Row {
        std::string schema;
        std::string begin;
    };
    const auto row = GENERATE(values<Row>({
        {"", "demo: its settings' schema: is no JSON"},
        {"[]", "demo: its settings' schema: is no JSON object"},
        {"{]", "demo: its settings' schema: is no JSON"},
        {R"({"properties":[]})", "demo: the properties of its settings' schema are no object"},
        {R"({"properties":{"n":7}})", "demo"},
        {R"({"properties":{"n":{"type":7}}})", "demo"},
        {R"({"properties":{"n":{"type":"colour"}}})", "demo"},
        {R"({"properties":{"n":{"minimum":"low"}}})", "demo"},
        {R"({"properties":{"n":{"$ref":"#"}}})",
         "demo: the schema uses $ref or pattern, or is nested too deeply"},
        {R"({"properties":{"n":{"type":"string","pattern":"^(a|b)*$"}}})",
         "demo: the schema uses $ref or pattern, or is nested too deeply"},
    }));
    CAPTURE(row.schema);
    const std::string text = refusal("n", "1", row.schema);
    CHECK(text.substr(0, row.begin.size()) == row.begin);
    CHECK(text.find("accepted") == std::string::npos);
}
