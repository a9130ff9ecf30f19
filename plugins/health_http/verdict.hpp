// What an answer, or its absence, says about the service: the whole judgement, without any I/O.
//
// Pure functions; any thread.
#pragma once

#include <steward/health.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http_answer.hpp"
#include "json_lookup.hpp"

namespace steward::health_http {

// What is asked and what is expected.
struct Question {
    std::string path = "/health";
    std::int64_t expect_status = 200;
    std::string pointer = "/status";  // empty: the body is not looked at
    std::string expect = "healthy";
    JsonPointer tokens;  // of `pointer`
};

struct Outcome {
    std::int32_t verdict = STEWARD_UNKNOWN;
    steward_status status = STEWARD_OK;
    std::int32_t protocol_code = 0;
    std::string detail;       // one line, valid UTF-8, well under 4 KiB
    std::string instance_id;  // what the answer claims; at most kInstanceIdLimit bytes
};

inline constexpr std::size_t kInstanceIdLimit = 128;

// Why no more bytes will come.
enum class Ending { kClosed, kReset, kDeadline };

// The verdict on what has been read so far, or nothing while more of the answer is wanted. A body
// is awaited when the verdict depends on it, and when it says that it is JSON, because it may tell
// the instance.
[[nodiscard]] std::optional<Outcome> judge(const Question& question, const HttpAnswer& answer);

// The verdict when the answer ends here; `limit_ms` is the time that the answer had. What the
// status alone decides is decided by it, however the body ended.
[[nodiscard]] Outcome judge_ending(const Question& question, const HttpAnswer& answer,
                                   Ending ending, std::int64_t limit_ms);

// The verdict on an errno of socket, connect or send: UNHEALTHY if it speaks of the target, UNKNOWN
// if the probe could not be made.
[[nodiscard]] Outcome judge_errno(const Question& question, int error);

// UNKNOWN with this status and "GET <path>: <text>".
[[nodiscard]] Outcome not_probed(const Question& question, steward_status status,
                                 std::string_view text);

}  // namespace steward::health_http
