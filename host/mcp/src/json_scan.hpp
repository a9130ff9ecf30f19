// The strict check that every text passes before Poco's parser sees it: one pass, no recursion, no
// allocation but for numbers that have to be rewritten.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "steward/mcp/json.hpp"

namespace steward::mcp {

struct ScanResult {
    JsonStatus status = JsonStatus::kSyntax;
    // Ends of integer literals beyond int64, in ascending order. Poco would wrap them or throw;
    // with "e0" inserted there it reads them as double.
    std::vector<std::size_t> wide_integers;
};

[[nodiscard]] ScanResult scan_json(std::string_view text, const JsonLimits& limits);

// The length of the well-formed UTF-8 sequence at `at`, or 0. `at` is not the end.
[[nodiscard]] std::size_t utf8_sequence(std::string_view text, std::size_t at) noexcept;

}  // namespace steward::mcp
