#include <string>

#include <catch2/catch.hpp>

#include "descriptor_text.hpp"

using namespace steward::compliance;

TEST_CASE("an id is at most 64 lower-case letters, digits and underscores, a letter first",
          "[compliance]") {
    SECTION("good") {
        CHECK(is_id(
            GENERATE(as<std::string>(), "a", "restart_backoff", "a1_", std::string(64, 'x'))));
    }
    SECTION("bad") {
        CHECK_FALSE(is_id(GENERATE(as<std::string>(), "", "1a", "_a", "A", "a-b", "a.b", "\u00e4",
                                   "a ", std::string(65, 'x'))));
    }
}

TEST_CASE("a semantic version is told from what looks like one", "[compliance]") {
    SECTION("good") {
        CHECK(is_semantic_version(GENERATE(
            as<std::string>(), "0.0.0", "1.2.3", "10.20.30", "1.0.0-alpha", "1.0.0-alpha.1",
            "1.0.0-0.3.7", "1.0.0-x-y-z.--", "1.0.0+20130313144700", "1.0.0-beta+exp.sha.51",
            "1.0.0+001", "1.0.0-01a", "99999999999999999999.0.0")));
    }
    SECTION("bad") {
        CHECK_FALSE(is_semantic_version(GENERATE(as<std::string>(), "", "1", "1.2", "1.2.3.4",
                                                 "v1.2.3", "01.2.3", "1.2.03", "1.2.3-", "1.2.3+",
                                                 "1.2.3-01", "1.2.3-a..b", "1.2.3+a+b", "1.2.x",
                                                 " 1.2.3", "1.2.3 ", "1..3", "-1.2.3")));
    }
}

TEST_CASE("a license expression follows the grammar of SPDX", "[compliance]") {
    SECTION("good") {
        CHECK(is_license_expression(GENERATE(
            as<std::string>(), "MIT", "GPL-2.0-or-later", "LGPL-2.1+", "MIT OR Apache-2.0",
            "MIT AND (LGPL-2.1-only OR BSD-3-Clause)", "GPL-2.0-only WITH Classpath-exception-2.0",
            "(GPL-2.0+ WITH Bison-exception-2.2) OR MIT", "LicenseRef-own",
            "DocumentRef-spdx-tool-1.2:LicenseRef-MIT-Style-2", "((MIT))", "0BSD")));
    }
    SECTION("bad") {
        CHECK_FALSE(is_license_expression(
            GENERATE(as<std::string>(), "", " ", "MIT License", "MIT OR", "OR MIT",
                     "MIT AND OR MIT", "(MIT", "MIT)", "()", "MIT, Apache-2.0", "MIT/X11",
                     "MIT WITH (a)", "A WITH b WITH c", "+", "MIT ()", "(MIT) GPL-2.0-only")));
    }
}
