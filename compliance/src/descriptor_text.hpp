// The grammars of the texts in a plugin's descriptor. Functions only; any thread.
#pragma once
#include <string_view>

namespace steward::compliance {

// [a-z][a-z0-9_]{0,63}
bool is_id(std::string_view text);
// semver.org 2.0.0: "1.2.3-rc.1+build.5"
bool is_semantic_version(std::string_view text);
// SPDX 2.3, annex D: "(MIT OR Apache-2.0) AND GPL-2.0-only WITH Classpath-exception-2.0". Whether
// the identifiers exist is not looked at.
bool is_license_expression(std::string_view text);

}  // namespace steward::compliance
