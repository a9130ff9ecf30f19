#include "catch.hpp"
#include "steward/mcp/revisions.hpp"

using namespace steward::mcp;

TEST_CASE("legacy names are negotiated and modern ones are not", "[mcp][revisions]") {
    for (const auto* name : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
        INFO(name);
        CHECK(rules_of(negotiate(name)).name == name);
        CHECK(legacy_revision(name).has_value());
        CHECK_FALSE(modern_revision(name).has_value());
    }
    for (const auto* name : {"2024-10-07", "2026-07-28", "1.0", "", "2099-01-01"}) {
        INFO(name);
        CHECK(rules_of(negotiate(name)).name == "2025-11-25");
        CHECK_FALSE(legacy_revision(name).has_value());
    }
    CHECK(modern_names() == std::vector<std::string_view>{"2026-07-28"});
}

TEST_CASE("methods exist per era", "[mcp][revisions]") {
    for (const auto* method : {"initialize", "ping", "logging/setLevel", "resources/subscribe",
                               "resources/unsubscribe"}) {
        CHECK(method_exists(/*modern=*/false, method));
        CHECK_FALSE(method_exists(/*modern=*/true, method));
    }
    for (const auto* method : {"server/discover", "subscriptions/listen"}) {
        CHECK_FALSE(method_exists(/*modern=*/false, method));
        CHECK(method_exists(/*modern=*/true, method));
    }
    CHECK_FALSE(method_exists(/*modern=*/true, "rpc.discover"));
}
