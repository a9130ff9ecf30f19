#include <Poco/JSON/Array.h>

#include <cmath>
#include <limits>

#include "fixture.hpp"

using namespace steward::mcp;
using steward::mcp::test::parse_object;

namespace {

JsonStatus status_of(std::string_view text, JsonLimits limits = {}) {
    JsonReader reader(limits);
    Poco::Dynamic::Var value;
    return reader.parse(text, value);
}

std::string string_json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string rewrite(const std::string& text) {
    JsonReader reader;
    Poco::Dynamic::Var value;
    REQUIRE(reader.parse(text, value) == JsonStatus::kOk);
    std::string out;
    append_json(out, value);
    return out;
}

}  // namespace

TEST_CASE("the reader tells broken JSON from good JSON", "[mcp][json]") {
    const std::vector<std::string> broken = {"",
                                             " ",
                                             "{",
                                             "[",
                                             "{]",
                                             "[1,]",
                                             "{\"a\":1,}",
                                             "{'a':1}",
                                             "{a:1}",
                                             "[NaN]",
                                             "[Infinity]",
                                             "[1] x",
                                             "{}{}",
                                             "{} {}",
                                             "/**/{}",
                                             "{}//",
                                             "[01]",
                                             "[1.]",
                                             "[.5]",
                                             "[+1]",
                                             "[-]",
                                             "[1e]",
                                             "[\"\\x\"]",
                                             "[\"\\u12\"]",
                                             "[\"a]",
                                             "[tru]",
                                             "nul",
                                             "'x'",
                                             "[\"a\tb\"]",
                                             "{\"a\"}",
                                             "{\"a\":}",
                                             "{1:2}",
                                             "[1 2]",
                                             ",",
                                             "[\"\x01\"]",
                                             std::string("{\"a\":\"b\0c\"}", 11),
                                             std::string("{}\0", 3)};
    for (const auto& text : broken) {
        INFO(text);
        CHECK(status_of(text) == JsonStatus::kSyntax);
    }
    const std::vector<std::string> good = {
        "{}",
        "[]",
        " { } ",
        "\t[ ]\r",
        "{\"a\":[1,-2,0.5,1e3,1E-3,true,false,null,\"\\u0041\"]}",
        "[[],[[]],{}]",
        "[\"\\ud83d\\ude00\"]",
        "{\"\":1}",
        "[\"\\u0000\"]",
        "[\"\x7F\"]",
        "[-0]"};
    for (const auto& text : good) {
        INFO(text);
        CHECK(status_of(text) == JsonStatus::kOk);
    }
    for (const auto& text : {"42", "\"x\"", "null", "true", " -1.5 "}) {
        INFO(text);
        CHECK(status_of(text) == JsonStatus::kScalar);
    }
}

TEST_CASE("the reader takes only UTF-8 without surrogates", "[mcp][json]") {
    for (const auto* text :
         {"[\"\xC1\xA9\"]", "[\"\xC0\x80\"]", "[\"\xED\xA0\x80\"]", "[\"\xFF\"]", "[\"\x80\"]",
          "[\"\xE2\x82\"]", "[\"\xF5\x80\x80\x80\"]", "[\"\xF4\x90\x80\x80\"]",
          "[\"\xE0\x80\x80\"]", "[\"\xF0\x80\x80\x80\"]", "{\"\xC3\":1}", "[\"\\ud800\"]",
          "[\"\\udc00\"]", "[\"\\ud800\\ud800\"]", "[\"\\ud800x\"]"}) {
        INFO(text);
        CHECK(status_of(text) == JsonStatus::kSyntax);
    }
    CHECK(rewrite("[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"]") ==
          "[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"]");
}

TEST_CASE("depth and number of values are limited before anything recurses", "[mcp][json]") {
    const std::string deep(100'000, '[');
    CHECK(status_of(deep) == JsonStatus::kTooDeep);
    std::string objects;
    for (int i = 0; i < 100'000; ++i) {
        objects += "{\"a\":";
    }
    CHECK(status_of(objects) == JsonStatus::kTooDeep);
    CHECK(status_of(std::string(512, '[') + std::string(512, ']')) == JsonStatus::kOk);
    CHECK(status_of(std::string(513, '[') + std::string(513, ']')) == JsonStatus::kTooDeep);
    CHECK(status_of("[1,2,3]", {512, 4}) == JsonStatus::kOk);
    CHECK(status_of("[1,2,3,4]", {512, 4}) == JsonStatus::kTooManyValues);
}

TEST_CASE("numbers are never changed silently", "[mcp][json]") {
    for (const std::string text :
         {"[9223372036854775807,-9223372036854775808,9007199254740993,-9007199254740993]",
          "[-9007199254740992,-9007199254740991,-9223372036854775807,-1,-999999999999999]",
          "[-4611686018427387905,-123456789012345678,{\"a\":-9007199254740995}]"}) {
        CHECK(rewrite(text) == text);
    }
    JsonReader reader;
    Poco::Dynamic::Var value;
    for (const auto* text : {"[18446744073709551616]", "[9223372036854775808]",
                             "[123456789012345678901234567890]", "[1e2]", "[1.0]"}) {
        INFO(text);
        REQUIRE(reader.parse(text, value) == JsonStatus::kOk);
        const auto element = value.extract<Poco::JSON::Array::Ptr>()->get(0);
        CHECK(element.type() == typeid(double));
        CHECK_FALSE(as_integer(&element).has_value());
    }
    CHECK(rewrite("[18446744073709551616]") == "[18446744073709551616]");
    CHECK(status_of("[1e999]") == JsonStatus::kUnusable);
    CHECK(status_of("[-1e999]") == JsonStatus::kUnusable);
    CHECK(status_of("[1e-999]") == JsonStatus::kOk);
    CHECK(status_of("[" + std::string(400, '9') + "]") == JsonStatus::kUnusable);
}

TEST_CASE("a member name with U+0000 is refused, since Poco would cut it", "[mcp][json]") {
    CHECK(status_of(R"({"id\u0000x":1})") == JsonStatus::kUnusable);
    CHECK(status_of(R"({"id":"\u0000"})") == JsonStatus::kOk);
}

TEST_CASE("a hundred thousand members take no quadratic time", "[mcp][json]") {
    std::string text = "{";
    for (int i = 0; i < 100'000; ++i) {
        text += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
    }
    text += "}";
    const auto begin = std::chrono::steady_clock::now();
    const std::string out = rewrite(text);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
    CHECK(out.size() == text.size());
}

TEST_CASE("strings are escaped and always valid UTF-8", "[mcp][json]") {
    CHECK(string_json("a\"b\\c\n\r\t\x01\x1F") == "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\"");
    CHECK(string_json(std::string("a\0b", 3)) == "\"a\\u0000b\"");
    CHECK(string_json("\xFF") == "\"\xEF\xBF\xBD\"");
    CHECK(string_json("a\xE2\x82") == "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CHECK(string_json("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CHECK(string_json("/\xE2\x80\xA8") == "\"/\xE2\x80\xA8\"");
    for (int byte = 0; byte < 256; ++byte) {
        const std::string out = string_json(std::string("x") + static_cast<char>(byte) + "y");
        CHECK(is_valid_utf8(out));
        CHECK(status_of("[" + out + "]") == JsonStatus::kOk);
    }
}

TEST_CASE("what is written reads back the same", "[mcp][json]") {
    const std::string text =
        R"({"a":[1,-2,0.1,1e+300,true,false,null,"x\ny"],"b":{"c":{},"d":[]},"e":""})";
    CHECK(rewrite(text) == text);
}

TEST_CASE("the types that Poco can hold are written", "[mcp][json]") {
    auto object = ordered_object();
    object->set("z", 1);
    object->set("a", static_cast<Poco::UInt64>(std::numeric_limits<Poco::UInt64>::max()));
    object->set("m", 1.5F);
    object->set("nan", std::nan(""));
    object->set("inf", std::numeric_limits<double>::infinity());
    object->set("s", static_cast<Poco::Int16>(-3));
    object->set("c", "text");
    object->set("null", Poco::Dynamic::Var());
    object->set("none", Poco::JSON::Object::Ptr());
    object->set("object", *parse_object(R"({"x":1})"));
    CHECK(to_json(*object) ==
          R"({"z":1,"a":18446744073709551615,"m":1.5,"nan":null,"inf":null,"s":-3,"c":"text",)"
          R"("null":null,"none":null,"object":{"x":1}})");
    CHECK(to_json(Poco::JSON::Object()) == "{}");
}

TEST_CASE("an excerpt is short and cut between characters", "[mcp][json]") {
    CHECK(excerpt("abc", 3) == "abc");
    CHECK(excerpt("abcd", 3) == "abc…");
    CHECK(excerpt("ab\xE2\x82\xAC", 3) == "ab…");
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
        text += "\xE2\x82\xAC";
    }
    CHECK(excerpt(text).size() <= 203);
    CHECK(is_valid_utf8(excerpt(text)));
}
