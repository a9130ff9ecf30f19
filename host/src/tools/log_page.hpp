// A page of the app's output: which lines a client asked for, and the JSON it gets.
//
// Any thread; the functions keep no state.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <Poco/JSON/Object.h>

#include "capped_list.hpp"
#include "steward/core/app_output.hpp"
#include "steward/core/result.hpp"

namespace steward::host {

struct LogQuery {
    static constexpr std::size_t kDefaultLines = 100;
    static constexpr std::size_t kMaxLines = 2000;

    std::size_t lines = kDefaultLines;    // at most so many, the newest of those that fit the rest
    std::optional<std::uint64_t> before;  // older than the line with this number
    std::uint64_t after = 0;              // newer than the line with this number
    std::optional<core::WallTime> since;  // not older than this
    std::string contains;                 // in any case (of the letters A to Z)
    bool warnings = false;  // of standard error alone, but for those that name INFO or DEBUG first
};

// The arguments of flask_logs, checked by their schema already. Fails for a `since` that is no
// time.
core::Result<LogQuery> log_query(const Poco::JSON::Object& arguments);

// {"lines": [{seq, ts, generation, stream, text}], "truncated", "next_before"}, the newest line
// last. next_before is null when there is no older line that fits. `all` is the oldest first.
std::string log_page(const std::vector<core::OutputLine>& all, const LogQuery& query,
                     Carrier carrier);

// "2026-11-22T10:22:33.123Z", with or without the fraction, Z or +HH:MM; UTC without either.
std::optional<core::WallTime> parse_iso_time(const std::string& text);

}  // namespace steward::host
