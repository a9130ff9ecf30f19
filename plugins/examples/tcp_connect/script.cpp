#include "script.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <steward/sdk/guard.hpp>

namespace examples::tcp_connect {
namespace {

int hex_digit(char c) noexcept {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

std::string quoted(std::string_view text) {
    return '"' + sdk::printable(text) + '"';
}

Outcome unhealthy(steward_status status, std::string detail) {
    return {STEWARD_UNHEALTHY, status, std::move(detail)};
}

}  // namespace

std::string unescaped(std::string_view name, std::string_view text) {
    const auto refuse = [&] {
        throw sdk::SettingsError(
            name, "must have no escapes but \\r \\n \\t \\0 \\\\ \\xHH (got " + quoted(text) + ")");
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out.push_back(text[i]);
            continue;
        }
        const char kind = ++i < text.size() ? text[i] : ' ';
        if (const auto known = std::string_view("rnt0\\").find(kind); known != text.npos) {
            constexpr std::string_view kMeant("\r\n\t\0\\", 5);
            out.push_back(kMeant[known]);
            continue;
        }
        const int high = kind == 'x' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low < 0) {
            refuse();
        }
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return out;
}

std::optional<Outcome> judge(const Script& script, std::string_view peer,
                             std::string_view received) {
    const std::string start(peer);
    if (script.expect.empty()) {
        return Outcome{STEWARD_HEALTHY, STEWARD_OK, start + ": connected"};
    }
    const std::size_t compared = std::min(received.size(), script.expect.size());
    if (received.substr(0, compared) != std::string_view(script.expect).substr(0, compared)) {
        return unhealthy(STEWARD_OK, start + ": said " + quoted(received) + ", expected " +
                                         quoted(script.expect));
    }
    if (compared < script.expect.size()) {
        return std::nullopt;
    }
    return Outcome{STEWARD_HEALTHY, STEWARD_OK, start + ": said " + quoted(script.expect)};
}

Outcome judge_ending(const Script& script, std::string_view peer, std::string_view received,
                     Stage stage, Ending ending, sdk::Duration limit) {
    const bool late = ending == Ending::kDeadline;
    const std::string within =
        " within " + std::to_string(std::chrono::ceil<std::chrono::milliseconds>(limit).count()) +
        " ms";
    std::string detail(peer);
    switch (stage) {
        case Stage::kConnecting:
            detail += ": no connection" + within;
            break;
        case Stage::kSending:
            detail += ": connected, but took no data" + within;
            break;
        case Stage::kReading:
            detail += received.empty() ? ": connected, but said nothing"
                                       : ": said no more than " + quoted(received);
            detail += (late ? within : std::string(" and closed the connection")) + ", expected " +
                      quoted(script.expect);
            break;
    }
    return unhealthy(late ? STEWARD_E_TIMEOUT : STEWARD_E_IO, std::move(detail));
}

Outcome judge_errno(std::string_view peer, int error) {
    std::string start(peer);
    switch (error) {
        case ECONNREFUSED:
            return unhealthy(STEWARD_E_IO, start + ": connection refused");
        case ECONNRESET:
        case ECONNABORTED:
        case EPIPE:
            return unhealthy(STEWARD_E_IO, start + ": connection reset");
        case ETIMEDOUT:
            return unhealthy(STEWARD_E_TIMEOUT, start + ": connection timed out");
        case EHOSTUNREACH:
        case EHOSTDOWN:
            return unhealthy(STEWARD_E_IO, start + ": host unreachable");
        default:
            break;
    }
    const steward_status status = error == ENOMEM || error == ENOBUFS ? STEWARD_E_NOMEM
                                  : error == EAFNOSUPPORT             ? STEWARD_E_UNSUPPORTED
                                                                      : STEWARD_E_IO;
    // Not strerror: its text depends on the locale.
    const char* const text = strerrordesc_np(error);
    return not_probed(peer, status, text != nullptr ? text : "error " + std::to_string(error));
}

Outcome not_probed(std::string_view peer, steward_status status, std::string_view why) {
    return {STEWARD_UNKNOWN, status, std::string(peer).append(": not probed: ").append(why)};
}

}  // namespace examples::tcp_connect
