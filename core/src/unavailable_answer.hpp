// What the supervisor says over HTTP while no instance answers: one 503 with the state and its
// cause.
//
// Pure functions; any thread.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "steward/core/os.hpp"

namespace steward::core {

// A request head is read up to this size; what is longer is answered by what came until then.
constexpr std::size_t kMaxRequestHead = 8192;

// Is the blank line there that ends a request's head?
bool request_head_complete(std::string_view received);

// Is it a complete request without a body and nothing else? Then nothing more will come from the
// client.
bool is_whole_request(std::string_view received);

struct AnswerForm {
    bool json = false;  // else HTML
    bool body = true;   // false for HEAD
    bool operator==(const AnswerForm&) const = default;
};
// JSON if the client would rather have application/json than text/html, or asks for /health.
// Anything may be handed in, an incomplete or an empty head too.
AnswerForm answer_form(std::string_view request_head);

// The whole response: 503, Retry-After, Connection: close. The page reloads itself after the same
// time, 10 s at the most. State and cause may hold any bytes; more than 2000 of the cause are cut
// off.
std::string unavailable_response(const PortAnswer& answer, AnswerForm form);

}  // namespace steward::core
