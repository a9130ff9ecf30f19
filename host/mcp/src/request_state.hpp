// Text that is handed to a client and must come back unchanged, for the same request, in time.
//
// It is signed (HMAC-SHA256 under a key of this process) but not encrypted: the client can read it.
//
// Thread rule: one owner.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace steward::mcp {

class RequestState {
  public:
    using Now = std::function<std::chrono::steady_clock::time_point()>;

    RequestState(Now now, std::chrono::seconds lifetime);

    // `binding` says what the text belongs to. Throws std::system_error when the system has no
    // random numbers.
    [[nodiscard]] std::string seal(std::string_view binding, std::string_view text);
    // The text; nothing when `sealed` is not ours, was changed, belongs to something else or is too
    // old.
    [[nodiscard]] std::optional<std::string> open(std::string_view binding,
                                                  std::string_view sealed) const;

  private:
    [[nodiscard]] std::string sign(std::string_view binding, std::string_view expiry,
                                   std::string_view text) const;

    Now now_;
    std::chrono::seconds lifetime_;
    std::string key_;  // empty until it is needed
};

}  // namespace steward::mcp
