// The pure part of port_pool: from the text of the setting to a pool, and from a question to
// candidates. No socket, clock or state; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <steward/sdk/port.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace examples::port_pool {

namespace sdk = steward::sdk;

class Pool {
  public:
    // "8100-8110,9000": ports and ranges, each port at most once, spaces around them allowed.
    // Throws sdk::SettingsError "ports: ...".
    static Pool parse(std::string_view text);

    // The wanted port if the pool has it, then the pool in the order in which it was written;
    // without what is excluded or outside of the host's range. Throws sdk::Failure: EXHAUSTED when
    // nothing is left, INVALID for a range that ends before it begins.
    [[nodiscard]] std::size_t propose(const sdk::PortRequest& request,
                                      std::span<std::uint16_t> out) const;

    [[nodiscard]] bool contains(std::uint16_t port) const noexcept;

  private:
    struct Range {
        std::uint16_t first;
        std::uint16_t last;
    };

    std::string text_;
    std::vector<Range> ranges_;
};

}  // namespace examples::port_pool
