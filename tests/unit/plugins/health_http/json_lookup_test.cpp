#include "json_lookup.hpp"

#include <random>
#include <steward/sdk/text.hpp>
#include <string>
#include <string_view>

#include "catch.hpp"

using namespace steward::health_http;

namespace {

std::optional<JsonValue> look(std::string_view document, std::string_view pointer) {
    const auto parsed = JsonPointer::parse(pointer);
    REQUIRE(parsed);
    return json_lookup(document, *parsed);
}

void check_value(std::string_view document, std::string_view pointer, JsonKind kind,
                 std::string_view text) {
    INFO(document << " at " << pointer);
    const auto value = look(document, pointer);
    REQUIRE(value);
    CHECK(value->kind == kind);
    CHECK(value->text == text);
}

}  // namespace

TEST_CASE("a pointer finds scalars of every kind", "[health_http]") {
    constexpr std::string_view kDocument =
        R"( {"status": "healthy", "n": -12.50e+3, "yes": true, "no":false, "nil" : null,
             "in": {"a": [10, {"b": "deep"}, []]}, "": "empty key"} )";
    check_value(kDocument, "/status", JsonKind::kString, "healthy");
    check_value(kDocument, "/n", JsonKind::kNumber, "-12.50e+3");
    check_value(kDocument, "/yes", JsonKind::kBoolean, "true");
    check_value(kDocument, "/no", JsonKind::kBoolean, "false");
    check_value(kDocument, "/nil", JsonKind::kNull, "null");
    check_value(kDocument, "/in/a/0", JsonKind::kNumber, "10");
    check_value(kDocument, "/in/a/1/b", JsonKind::kString, "deep");
    check_value(kDocument, "/in/a/2", JsonKind::kArray, "");
    check_value(kDocument, "/in", JsonKind::kObject, "");
    check_value(kDocument, "/", JsonKind::kString, "empty key");
    check_value("\"alone\"", "", JsonKind::kString, "alone");
}

TEST_CASE("a pointer to nothing is missing, not an error", "[health_http]") {
    constexpr std::string_view kDocument = R"({"a": [1, 2], "b": {"c": "x"}, "d": "text"})";
    for (const char* pointer : {"/x", "/a/2", "/a/-", "/a/00", "/a/01", "/a/x", "/a/+1", "/b/c/d",
                                "/d/0", "/b/", "/a/99999999999999999999999"}) {
        check_value(kDocument, pointer, JsonKind::kMissing, "");
    }
    check_value("[]", "/0", JsonKind::kMissing, "");
    check_value("{}", "/a", JsonKind::kMissing, "");
}

TEST_CASE("of repeated keys the last one counts", "[health_http]") {
    check_value(R"({"s": 1, "s": 2})", "/s", JsonKind::kNumber, "2");
    check_value(R"({"s": {"t": 1}, "s": {}})", "/s/t", JsonKind::kMissing, "");
    check_value(R"({"s": {"t": 1}, "s": "x"})", "/s/t", JsonKind::kMissing, "");
    check_value(R"({"x": {"s": 1}, "s": 2, "y": {"s": 3}})", "/s", JsonKind::kNumber, "2");
}

TEST_CASE("escapes in strings, keys and pointers are resolved", "[health_http]") {
    check_value(R"({"s": "\"\\\/\b\f\n\r\t"})", "/s", JsonKind::kString, "\"\\/\b\f\n\r\t");
    check_value(R"({"s": "\u00e9\u20AC\ud83d\ude00"})", "/s", JsonKind::kString,
                "\u00e9\u20ac\U0001F600");
    check_value(R"({"s": "\ud83d!\ude00\ud83d"})", "/s", JsonKind::kString, "\ufffd!\ufffd\ufffd");
    check_value(R"({"s": "\ud83d\ud83d\ude00"})", "/s", JsonKind::kString, "\ufffd\U0001F600");
    check_value(R"({"s": "\u0000"})", "/s", JsonKind::kString, std::string_view("\0", 1));
    check_value(R"({"\u0073tatus": 1})", "/status", JsonKind::kNumber, "1");
    check_value(R"({"a/b": 1, "c~d": 2, "~1": 3})", "/a~1b", JsonKind::kNumber, "1");
    check_value(R"({"a/b": 1, "c~d": 2, "~1": 3})", "/c~0d", JsonKind::kNumber, "2");
    check_value(R"({"a/b": 1, "c~d": 2, "~1": 3})", "/~01", JsonKind::kNumber, "3");
}

TEST_CASE("text that is not JSON is refused, also behind the value", "[health_http]") {
    const auto document =
        GENERATE(as<std::string>{}, "", " ", "{", "}", "[", "]", "{]", "[}", "nul", "nulll", "True",
                 "+1", "01", "-", "1.", ".5", "1e", "1e+", "0x10", "NaN", "Infinity", "'s'", "\"",
                 "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u-123\"", "\"a\nb\"",
                 "\"a\tb\"", "[1,]", "[,1]", "[1 2]", "{\"s\"}", "{\"s\":}", "{\"s\":1,}", "{s:1}",
                 "{1:1}", "{\"s\" 1}", "{\"s\":1} x", "{\"s\":1}{\"s\":1}", "// c\n1",
                 "{\"s\":\"healthy\",\"t\":tru}", "\xef\xbb\xbf{}", "{\"s\":\"\xff\"}",
                 "\"\xed\xa0\x80\"", std::string("1\0", 2), "{\"s\":\"healthy\"");
    INFO(document);
    CHECK_FALSE(look(document, "/s"));
}

TEST_CASE("nesting is bounded, so that no document exhausts the stack", "[health_http]") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    CHECK(look(nested(kMaxDepth + 1), "/s"));
    CHECK_FALSE(look(nested(kMaxDepth + 2), "/s"));
    CHECK_FALSE(look(std::string(65'536, '['), "/s"));
    CHECK_FALSE(look(std::string(65'536, '{'), "/s"));
    std::string objects;
    for (int i = 0; i < 10'000; ++i) {
        objects += "{\"a\":";
    }
    CHECK_FALSE(look(objects, "/a/a/a"));
}

TEST_CASE("a pointer begins with a slash and escapes its tildes", "[health_http]") {
    CHECK(JsonPointer::parse("")->tokens().empty());
    CHECK(JsonPointer::parse("/a/b")->tokens() == std::vector<std::string>{"a", "b"});
    CHECK(JsonPointer::parse("/a//")->tokens() == std::vector<std::string>{"a", "", ""});
    for (const char* text : {"a", "status", "/~", "/~2", "/a~", "#/a", " /a"}) {
        INFO(text);
        CHECK_FALSE(JsonPointer::parse(text));
    }
}

TEST_CASE("ten thousand mutated documents never yield text that is not UTF-8", "[health_http]") {
    const std::string seed =
        R"({"status": "heal\u00e9thy", "n": [1, -2.5e3, {"k": "\ud83d\ude00 \u00fc"}], "t": true})";
    std::mt19937 random(20261122);
    const auto below = [&](std::size_t n) { return random() % n; };
    std::size_t accepted = 0;
    for (int round = 0; round < 10'000; ++round) {
        std::string document = seed;
        for (std::size_t edits = below(4); edits-- > 0;) {
            const std::size_t at = below(document.size());
            switch (below(3)) {
                case 0:
                    document[at] = static_cast<char>(below(256));
                    break;
                case 1:
                    document.erase(at, below(8));
                    break;
                default:
                    document.insert(at, document.substr(below(document.size()), below(8)));
            }
            document += document.empty() ? " " : "";
        }
        for (const char* pointer : {"/status", "/n/2/k", "/n/1", "/t"}) {
            const auto value = json_lookup(document, *JsonPointer::parse(pointer));
            accepted += value ? 1U : 0U;
            if (value && !steward::sdk::is_utf8(value->text)) {
                FAIL(document);
            }
        }
    }
    // Unchanged ones alone are a quarter; were all refused, this would have tested nothing.
    CHECK(accepted > 10'000);
}
