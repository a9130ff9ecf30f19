// Which ports to try: the whole policy of plugin_name, as one pure function.
//
// The port that the user wants comes first. Then the others of the range upwards, but those that
// browsers refuse to open ("ERR_UNSAFE_PORT", such as 5060 or 6000), and those in the setting
// `avoid`, only when no other is left: a page there is one that people cannot see, an interface for
// programs still works.
//
// It touches no socket: trying, binding and keeping a port is the host's work. Whatever the host
// finds taken is among the excluded when it asks again.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <steward/sdk.hpp>

namespace policy {

namespace sdk = steward::sdk;

// The default stands here, and only here; name and description in the table below. The host makes
// `steward plugins` and `--set plugin_name.avoid=8000,8080` of both.
struct Settings {
    std::string avoid;
};
inline constexpr std::array kFields{
    sdk::text("avoid", &Settings::avoid,
              "Ports to try only when no other is left, separated by commas, e.g. 8000,8080."),
};

// The "bad ports" of the Fetch Standard from 1024 on (https://fetch.spec.whatwg.org/#port-blocking);
// what is below needs a privilege anyway. Ascending.
inline constexpr std::array<std::uint16_t, 19> kRefusedByBrowsers{
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000,
    6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};

// The ports in a text such as "8000,8080"; throws what the host shows as
// "plugin_name.avoid: must be ...".
inline std::vector<std::uint16_t> parse_ports(std::string_view text) {
    std::vector<std::uint16_t> ports;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(','));
        std::uint16_t port = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
        if (error != std::errc{} || end != word.data() + word.size() || port == 0) {
            throw sdk::SettingsError("avoid",
                                     "must be ports from 1 to 65535, separated by commas (got \"" +
                                         sdk::printable(word) + "\")");
        }
        ports.push_back(port);
        text.remove_prefix(std::min(word.size() + 1, text.size()));
    }
    std::sort(ports.begin(), ports.end());
    return ports;
}

// `avoid` ascending.
inline bool is_last_resort(std::uint16_t port, std::span<const std::uint16_t> avoid) {
    return std::binary_search(kRefusedByBrowsers.begin(), kRefusedByBrowsers.end(), port) ||
           std::binary_search(avoid.begin(), avoid.end(), port);
}

// Fills `out` from its front, best first, and returns how many it wrote; 0 if nothing is left.
inline std::size_t propose(const sdk::PortRequest& request, std::span<const std::uint16_t> avoid,
                           std::span<std::uint16_t> out) {
    if (request.first > request.last) {
        throw sdk::Failure(STEWARD_E_INVALID,
                           "range: the first port " + std::to_string(request.first) +
                               " must be <= the last port " + std::to_string(request.last));
    }
    const auto wanted = [&](std::uint32_t port) { return port == request.base; };
    std::size_t count = 0;
    const auto add = [&](auto&& belongs) {
        const std::uint32_t ports = std::uint32_t{request.last} - request.first + 1;
        const bool inside = request.base >= request.first && request.base <= request.last;
        const std::uint32_t begin = inside ? request.base - request.first : 0;
        for (std::uint32_t i = 0; i < ports && count < out.size(); ++i) {
            const auto port = static_cast<std::uint16_t>(request.first + (begin + i) % ports);
            if (port != 0 && belongs(port) && !request.is_excluded(port)) {
                out[count++] = port;
            }
        }
    };
    add(wanted);
    add([&](std::uint16_t port) { return !wanted(port) && !is_last_resort(port, avoid); });
    add([&](std::uint16_t port) { return !wanted(port) && is_last_resort(port, avoid); });
    return count;
}

}  // namespace policy
