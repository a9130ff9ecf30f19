// SchemaValidator, with the schemas of tools and with what strangers may send.
#include "catch.hpp"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "steward/core/schema.hpp"

using steward::core::SchemaValidator;

namespace {

using Poco::Dynamic::Var;
using Poco::JSON::Object;

Var json(const std::string& text) {
    Poco::JSON::Parser parser;
    return parser.parse(text);
}

Object::Ptr object(const std::string& text) {
    return json(text).extract<Object::Ptr>();
}

std::string compile_error(const std::string& schema) {
    const auto made = SchemaValidator::compile(object(schema));
    return made ? std::string() : made.error().text;
}

// As the tools of the server have them.
const char* const kSearch = R"({
  "type": "object", "additionalProperties": false, "required": ["query"],
  "properties": {
    "query": {"type": "string", "minLength": 1, "maxLength": 200, "description": "What to look for."},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    "tags": {"type": "array", "items": {"type": "string"}},
    "match": {"type": "string", "enum": ["all", "any"]},
    "since": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}
  }})";

std::string wrong(const std::string& value) {
    const auto validator = SchemaValidator::compile(object(kSearch));
    REQUIRE(validator);
    return validator->check(json(value)).value_or("");
}

std::string nested(int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) {
        text += R"({"items":)";
    }
    return text + "{}" + std::string(static_cast<std::size_t>(depth), '}');
}

}  // namespace

TEST_CASE("a value that satisfies its schema is accepted", "[schema]") {
    CHECK(wrong(R"({"query":"x"})").empty());
    CHECK(wrong(R"({"query":"x","limit":100,"tags":["a","b"],"match":"any"})").empty());
    CHECK(wrong(R"({"query":"\u00e9","tags":[]})").empty());
}

TEST_CASE("of several schemas the one of the right type says what is wrong", "[schema]") {
    CHECK(wrong(R"({"query":"x","since":0})").empty());
    CHECK(wrong(R"({"query":"x","since":"noon"})").empty());
    CHECK(wrong(R"({"query":"x","since":-1})") == "since: must be >= 0 (got -1)");
    CHECK(wrong(R"({"query":"x","since":true})") ==
          "since: must be an integer or a string (got true)");
    CHECK(wrong(R"({"query":"x","since":1.5})") ==
          "since: must be an integer or a string (got 1.5)");
    CHECK(wrong(R"({"query":"x","since":null})") ==
          "since: must be an integer or a string (got null)");
}

TEST_CASE("what is wrong with an argument is one sentence for people", "[schema]") {
    using Row = std::pair<std::string, std::string>;
    const auto [value, text] = GENERATE(values<Row>({
        {R"({})", "query: is required"},
        {R"({"limit":5})", "query: is required"},
        {R"({"query":7})", "query: must be a string (got 7)"},
        {R"({"query":null})", "query: must be a string (got null)"},
        {R"({"query":{"a":1}})", R"(query: must be a string (got {"a":1}))"},
        {R"({"query":""})", "query: must have at least 1 characters (got )"},
        {R"({"query":"x","limit":1000})", "limit: must be <= 100 (got 1000)"},
        {R"({"query":"x","limit":0})", "limit: must be >= 1 (got 0)"},
        {R"({"query":"x","limit":"5"})", "limit: must be an integer (got 5)"},
        {R"({"query":"x","limit":true})", "limit: must be an integer (got true)"},
        {R"({"query":"x","limit":1.5})", "limit: must be an integer (got 1.5)"},
        {R"({"query":"x","match":"none"})", R"(match: must be one of ["all","any"] (got none))"},
        {R"({"query":"x","tags":"a"})", "tags: must be an array (got a)"},
        {R"({"query":"x","tags":["a",7]})", "tags[1]: must be a string (got 7)"},
        {R"({"query":"x","colour":1})",
         "colour: no such setting; there is limit, match, query, since, tags"},
    }));
    CAPTURE(value);
    CHECK(wrong(value) == text);
}

TEST_CASE("what lies deeper is refused too, if less well explained", "[schema]") {
    CHECK_FALSE(wrong(R"({"query":"x","tags":["a",7]})").empty());
    CHECK_FALSE(wrong(R"({"query":"x","tags":[["a"]]})").empty());
}

TEST_CASE("a value that is no object is refused", "[schema]") {
    const auto validator = SchemaValidator::compile(object(kSearch));
    REQUIRE(validator);
    CHECK(validator->check(Var(7)));
    CHECK(validator->check(Var(std::string("query"))));
    CHECK(validator->check(Var()));
    CHECK(validator->check(json("[]")));
}

TEST_CASE("what the validator cannot bear from a stranger is refused when it is compiled",
          "[schema]") {
    const std::string text = "the schema uses $ref or pattern, or is nested too deeply";
    CHECK(compile_error(R"({"$ref":"#"})") == text);
    CHECK(compile_error(R"({"definitions":{"a":{"$ref":"#/definitions/a"}}})") == text);
    CHECK(compile_error(R"({"properties":{"a":{"items":[{"pattern":"("}]}}})") == text);
    CHECK(compile_error(R"({"patternProperties":{"(":{}}})") == text);
    CHECK(compile_error(nested(40)) == text);
    CHECK(compile_error(nested(30)).empty());
    CHECK(compile_error(R"({"properties":{"a":{"multipleOf":0}}})") ==
          "the schema's multipleOf must be > 0");
    const auto none = SchemaValidator::compile(Object::Ptr());
    REQUIRE_FALSE(none);
    CHECK(none.error().text == "the schema is no object");
}

TEST_CASE("properties may be called like the words of a schema", "[schema]") {
    const auto validator = SchemaValidator::compile(object(
        R"({"type":"object","properties":{"pattern":{"type":"string"},"$ref":{"type":"integer"}}})"));
    REQUIRE(validator);
    CHECK_FALSE(validator->check(json(R"({"pattern":"x","$ref":1})")));
    CHECK(validator->check(json(R"({"pattern":1})")));
}

TEST_CASE("a broken schema is an error, not the end of the program", "[schema]") {
    for (const std::string schema :
         {R"({"type":7})", R"({"properties":7})", R"({"required":"query"})", R"({"enum":7})",
          R"({"minimum":"low"})", R"({"maxLength":-1})", R"({"items":7})", R"({"allOf":{}})",
          R"({"multipleOf":0})", R"({"multipleOf":-1})", R"({"uniqueItems":7})", R"({"not":7})",
          R"({"required":[{}]})", R"({"dependencies":7})", R"({"maxLength":1e99})"}) {
        CAPTURE(schema);
        const auto made = SchemaValidator::compile(object(schema));
        if (made) {
            // It may be lenient, but it must survive being used.
            (void)made->check(json(R"({"a":[1,1],"b":{"c":1.5}})"));
            (void)made->check(Var(10));
            (void)made->check(Var(std::string("text")));
        } else {
            CHECK_THAT(made.error().text, Catch::StartsWith("the schema"));
        }
    }
    SUCCEED();
}

TEST_CASE("hostile values are answered", "[schema]") {
    CHECK_FALSE(wrong(R"({"query":"x","limit":1e308})").empty());
    CHECK_FALSE(wrong(R"({"query":"x","limit":-9223372036854775808})").empty());
    CHECK_FALSE(wrong(R"({"query":"x","limit":18446744073709551615})").empty());
    CHECK_FALSE(wrong(R"({"query":")" + std::string(1'000'000, 'q') + R"("})").empty());
    const std::string key(1'000'000, 'k');
    CHECK(wrong(R"({"query":"x",")" + key + R"(":1})").size() < 300);
    std::string deep(100, '[');
    deep += std::string(100, ']');
    CHECK_FALSE(wrong(R"({"query":)" + deep + "}").empty());
    CHECK(wrong(R"({"query":{"a":")" + std::string(100'000, 'a') + R"("}})").size() < 300);
}
