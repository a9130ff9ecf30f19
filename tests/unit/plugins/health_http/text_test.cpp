#include "text.hpp"

#include <steward/sdk/text.hpp>
#include <string>

#include "catch.hpp"

using steward::health_http::quoted;

TEST_CASE("a quoted excerpt shows what cannot be shown as escapes", "[health_http]") {
    CHECK(quoted("plain") == "\"plain\"");
    CHECK(quoted("") == "\"\"");
    CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
    CHECK(quoted(std::string("\n\t\r\0\x7f", 5)) == R"("\n\t\x0d\x00\x7f")");
    CHECK(quoted("\xff\xfe") == R"("\xff\xfe")");
    CHECK(quoted("gr\u00fcn \u2713") == "\"gr\u00fcn \u2713\"");
    CHECK(quoted("\u0085") == R"("\x85")");
}

TEST_CASE("a quoted excerpt is cut between characters and says so", "[health_http]") {
    CHECK(quoted("abcdef", 3) == "\"abc\"\u2026");
    CHECK(quoted("abc", 3) == "\"abc\"");
    const std::string long_text = quoted(std::string(50'000, '\xff'));
    CHECK(long_text.size() < 400);
    for (std::size_t limit = 1; limit < 12; ++limit) {
        INFO(limit);
        CHECK(steward::sdk::is_utf8(quoted("\u00fc\u2713\U0001F600 end", limit)));
    }
}
