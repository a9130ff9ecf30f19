// The strict check that every text passes before Poco's parser sees it: one pass, no recursion, no
// allocation but for numbers that have to be rewritten.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "steward/mcp/json.hpp"

namespace steward::mcp {

// Where in the text a literal is.
struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
};

struct ScanResult {
    JsonStatus status = JsonStatus::kSyntax;
    // The integers that Poco does not read as they are, in ascending order: beyond int64 it would
    // wrap or throw, below -2^53 it would round.
    std::vector<Span> awkward_integers;
};

[[nodiscard]] ScanResult scan_json(std::string_view text, const JsonLimits& limits);

// The length of the well-formed UTF-8 sequence at `at`, or 0. `at` is not the end.
[[nodiscard]] std::size_t utf8_sequence(std::string_view text, std::size_t at) noexcept;

}  // namespace steward::mcp
