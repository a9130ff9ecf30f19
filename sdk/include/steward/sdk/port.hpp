// steward/sdk/port.hpp - a class with a member propose() as "steward.port/1".
//
//     std::size_t propose(const sdk::PortRequest& request, std::span<std::uint16_t> out) const;
//
// It writes distinct candidates, best first, and returns their number; 0 means that none is left.
// It must be pure and touches no socket.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "../port.h"
#include "host.hpp"

namespace steward::sdk {

// Valid during the call.
struct PortRequest {
    std::uint32_t attempt = 1;
    std::string_view address{};
    std::uint16_t base = 0;
    std::uint16_t first = 0;
    std::uint16_t last = 0;
    std::span<const std::uint16_t> excluded{};  // ascending
    std::uint64_t entropy = 0;

    [[nodiscard]] bool is_excluded(std::uint16_t port) const noexcept {
        return std::binary_search(excluded.begin(), excluded.end(), port);
    }
};

namespace detail {

template <class Policy>
struct PortAdapter {
    static steward_status propose(const steward_instance* instance,
                                  const steward_port_request* request, std::uint16_t* out,
                                  std::size_t capacity, std::size_t* count, steward_error* error) {
        return guard(error, [&]() -> steward_status {
            if (request == nullptr || !STEWARD_HAS(request, entropy) || count == nullptr ||
                out == nullptr || capacity == 0 ||
                (request->excluded == nullptr && request->excluded_count != 0)) {
                throw Failure(STEWARD_E_INVALID, "the request is incomplete");
            }
            *count = 0;
            const PortRequest view_of{
                request->attempt, view(request->address),
                request->base,    request->first,
                request->last,    {request->excluded, request->excluded_count},
                request->entropy};
            *count = reinterpret_cast<const Policy*>(instance)->propose(view_of, {out, capacity});
            if (*count == 0) {
                throw Failure(STEWARD_E_EXHAUSTED, "no port is left in " +
                                                       std::to_string(request->first) + " to " +
                                                       std::to_string(request->last));
            }
            return STEWARD_OK;
        });
    }

    static constexpr steward_port kInterface{sizeof(steward_port), 0, &propose};
};

}  // namespace detail
}  // namespace steward::sdk
