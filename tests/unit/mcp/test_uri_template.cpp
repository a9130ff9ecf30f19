#include "catch.hpp"
#include "steward/mcp/uri_template.hpp"

using namespace steward::mcp;

TEST_CASE("a template matches and decodes its variables", "[mcp][uri]") {
    const auto item = UriTemplate::parse("demo://item/{id}");
    REQUIRE(item);
    CHECK(item->match("demo://item/7") == UriVariables{{"id", "7"}});
    CHECK(item->match("demo://item/a%20b%C3%A9") == UriVariables{{"id", "a b\xC3\xA9"}});
    CHECK(item->match("demo://item/..%2fx") == UriVariables{{"id", "../x"}});
    for (const auto* uri : {"demo://item/", "demo://item", "demo://item/a/b", "demo://items/7", "",
                            "demo://item/%", "demo://item/%4", "demo://item/%zz", "demo://item/%00",
                            "demo://item/%FF", "demo://item/../x"}) {
        INFO(uri);
        CHECK_FALSE(item->match(uri));
    }
    const auto both = UriTemplate::parse("a://{x}/mid/{y}.txt");
    REQUIRE(both);
    CHECK(both->match("a://1/mid/2.txt") == UriVariables{{"x", "1"}, {"y", "2"}});
    CHECK(both->match("a://1/mid/b.txt.txt") == UriVariables{{"x", "1"}, {"y", "b.txt"}});
    CHECK_FALSE(both->match("a://1/mid/.txt"));
    CHECK_FALSE(both->match("a:///mid/2.txt"));
    CHECK_FALSE(both->match("a://1/mid/2.md"));
    const auto fixed = UriTemplate::parse("a://b");
    REQUIRE(fixed);
    CHECK(fixed->match("a://b"));
    CHECK_FALSE(fixed->match("a://bc"));
}

TEST_CASE("malformed templates are refused", "[mcp][uri]") {
    for (const auto* text : {"a{", "a}", "a{}", "a{b", "a{b}{c}", "a{b}/{b}", "a{+b}", "a{b c}"}) {
        INFO(text);
        CHECK_FALSE(UriTemplate::parse(text));
    }
}
