#include "policy.hpp"

#include <string>

namespace steward::port_sequential {

std::size_t propose(const sdk::PortRequest& request, std::span<std::uint16_t> out) {
    if (request.first > request.last) {
        throw sdk::Failure(STEWARD_E_INVALID,
                           "range: the first port " + std::to_string(request.first) +
                               " must be <= the last port " + std::to_string(request.last));
    }
    const bool wanted = request.base >= request.first && request.base <= request.last;
    const std::uint32_t begin = wanted ? request.base : request.first;
    const std::uint32_t ports = std::uint32_t{request.last} - request.first + 1;
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < ports && count < out.size(); ++i) {
        const std::uint32_t offset = (begin - request.first + i) % ports;
        const auto port = static_cast<std::uint16_t>(request.first + offset);
        if (port != 0 && !request.is_excluded(port)) {
            out[count++] = port;
        }
    }
    return count;
}

}  // namespace steward::port_sequential
