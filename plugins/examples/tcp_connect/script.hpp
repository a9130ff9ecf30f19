// What is said to the service, what it has to say, and what follows from what it said. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <steward/sdk/health.hpp>
#include <string>
#include <string_view>

namespace examples::tcp_connect {

namespace sdk = steward::sdk;

struct Script {
    std::string send;    // bytes; empty: nothing is said
    std::string expect;  // the first bytes of the answer; empty: none is awaited
};

// A setting with its escapes (\r \n \t \0 \\ \xHH) resolved. Throws sdk::SettingsError "NAME: ...".
[[nodiscard]] std::string unescaped(std::string_view name, std::string_view text);

// What the host is told of one probe.
struct Outcome {
    std::int32_t verdict = STEWARD_UNKNOWN;
    steward_status status = STEWARD_OK;
    std::string detail;
};

// How far the conversation came before it ended.
enum class Stage : std::uint8_t { kConnecting, kSending, kReading };
enum class Ending : std::uint8_t { kDeadline, kClosed };

// `received` so far; nothing: it may still become what is expected.
[[nodiscard]] std::optional<Outcome> judge(const Script& script, std::string_view peer,
                                           std::string_view received);

// The deadline came, or the service closed the connection, before judge() had an answer.
[[nodiscard]] Outcome judge_ending(const Script& script, std::string_view peer,
                                   std::string_view received, Stage stage, Ending ending,
                                   sdk::Duration limit);

// A socket call failed with `error`. The service's doing (refused, reset, no route to it) is
// UNHEALTHY; what the prober lacks (a descriptor, memory, a local port) is UNKNOWN.
[[nodiscard]] Outcome judge_errno(std::string_view peer, int error);

// The probe cannot be made.
[[nodiscard]] Outcome not_probed(std::string_view peer, steward_status status,
                                 std::string_view why);

}  // namespace examples::tcp_connect
