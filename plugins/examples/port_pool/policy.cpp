#include "policy.hpp"

#include <algorithm>
#include <charconv>
#include <steward/sdk/guard.hpp>

namespace examples::port_pool {
namespace {

[[noreturn]] void refuse(std::string_view entry, std::string_view problem) {
    throw sdk::SettingsError("ports",
                             std::string(problem) + " (got \"" + sdk::printable(entry) + "\")");
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(' ');
    const auto last = text.find_last_not_of(' ');
    return first == std::string_view::npos ? std::string_view{}
                                           : text.substr(first, last - first + 1);
}

std::uint16_t parse_port(std::string_view digits, std::string_view entry) {
    unsigned port = 0;
    const char* const end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, port);
    if (result.ec != std::errc{} || result.ptr != end || port < 1 || port > 65535) {
        refuse(entry, "must be ports from 1 to 65535 and ranges of them, such as 8100-8110,9000");
    }
    return static_cast<std::uint16_t>(port);
}

}  // namespace

Pool Pool::parse(std::string_view text) {
    Pool pool;
    pool.text_ = text;
    for (std::string_view rest = text;;) {
        const auto comma = rest.find(',');
        const std::string_view entry = trimmed(rest.substr(0, comma));
        const auto dash = entry.find('-');
        const Range range{parse_port(trimmed(entry.substr(0, dash)), entry),
                          parse_port(trimmed(entry.substr(dash + 1)), entry)};
        if (range.first > range.last) {
            refuse(entry, "a range must not end before it begins");
        }
        for (const Range& other : pool.ranges_) {
            if (range.first <= other.last && other.first <= range.last) {
                refuse(entry, "must not list a port twice");
            }
        }
        pool.ranges_.push_back(range);
        if (comma == std::string_view::npos) {
            return pool;
        }
        rest.remove_prefix(comma + 1);
    }
}

bool Pool::contains(std::uint16_t port) const noexcept {
    return std::any_of(ranges_.begin(), ranges_.end(), [port](const Range& range) {
        return range.first <= port && port <= range.last;
    });
}

std::size_t Pool::propose(const sdk::PortRequest& request, std::span<std::uint16_t> out) const {
    if (request.first > request.last) {
        throw sdk::Failure(STEWARD_E_INVALID,
                           "range: the first port " + std::to_string(request.first) +
                               " must be <= the last port " + std::to_string(request.last));
    }
    std::size_t count = 0;
    const auto offer = [&](std::uint16_t port) {
        if (count < out.size() && port >= request.first && port <= request.last &&
            !request.is_excluded(port)) {
            out[count++] = port;
        }
    };
    if (contains(request.base)) {
        offer(request.base);
    }
    for (const Range& range : ranges_) {
        // Wider than a port, or the loop would never leave 65535.
        for (unsigned port = range.first; port <= range.last && count < out.size(); ++port) {
            if (port != request.base) {
                offer(static_cast<std::uint16_t>(port));
            }
        }
    }
    if (count == 0) {
        throw sdk::Failure(STEWARD_E_EXHAUSTED, "no port of the pool " + sdk::printable(text_) +
                                                    " is left in " + std::to_string(request.first) +
                                                    " to " + std::to_string(request.last));
    }
    return count;
}

}  // namespace examples::port_pool
