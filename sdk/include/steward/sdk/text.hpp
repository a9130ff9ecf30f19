// steward/sdk/text.hpp - strings across the ABI: views, error texts, UTF-8, numbers.
//
// Functions only, without state; any thread.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "../abi.h"

namespace steward::sdk {

// The bytes of `s`, valid as long as the other side says. Empty for a null pointer.
[[nodiscard]] constexpr std::string_view view(steward_str s) noexcept {
    return s.ptr == nullptr ? std::string_view{} : std::string_view{s.ptr, s.len};
}

// `text` as an argument or result of the ABI; it borrows, so `text` must outlive the use.
[[nodiscard]] constexpr steward_str str(std::string_view text) noexcept {
    return {text.data(), text.size()};
}

// The length of the well-formed UTF-8 sequence at the start of `text` (RFC 3629: no surrogates, no
// overlong forms, nothing above U+10FFFF), or 0 if there is none.
[[nodiscard]] constexpr std::size_t utf8_sequence(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto in = [](unsigned b, unsigned low, unsigned high) { return b >= low && b <= high; };
    const auto tail = [&](std::size_t i) { return in(byte(i), 0x80, 0xBF); };
    const unsigned b0 = byte(0);
    if (text.empty()) {
        return 0;
    }
    if (b0 < 0x80) {
        return 1;
    }
    if (in(b0, 0xC2, 0xDF)) {
        return tail(1) ? 2 : 0;
    }
    if (in(b0, 0xE0, 0xEF)) {
        const unsigned low = b0 == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = b0 == 0xED ? 0x9F : 0xBF;
        return in(byte(1), low, high) && tail(2) ? 3 : 0;
    }
    if (in(b0, 0xF0, 0xF4)) {
        const unsigned low = b0 == 0xF0 ? 0x90 : 0x80;
        const unsigned high = b0 == 0xF4 ? 0x8F : 0xBF;
        return in(byte(1), low, high) && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

[[nodiscard]] constexpr bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        const std::size_t length = utf8_sequence(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

// At most `limit` bytes of `text` that can be shown in one line: cut between characters (with "..."
// if cut), control characters and broken UTF-8 as '?'. For what somebody else wrote and an error
// text quotes.
[[nodiscard]] inline std::string printable(std::string_view text, std::size_t limit = 48) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = utf8_sequence(text);
        const bool plain = length > 1 || (length == 1 && text[0] >= ' ' && text[0] != '\x7f');
        if (out.size() + std::max<std::size_t>(length, 1) > limit) {
            return out + "...";
        }
        if (plain) {
            out.append(text.substr(0, length));
        } else {
            out.push_back('?');
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

// Puts `text` into the caller's error, cut between characters to what fits. Null is ignored.
inline void set_error(steward_error* error, std::string_view text, int sys_errno = 0) noexcept {
    if (error == nullptr) {
        return;
    }
    std::size_t used = 0;
    while (used < text.size()) {
        const std::size_t length = utf8_sequence(text.substr(used));
        const std::size_t step = length == 0 ? 1 : length;
        if (used + step > sizeof error->text - 1) {
            break;
        }
        for (std::size_t i = 0; i < step; ++i) {
            error->text[used + i] = length == 0 || text[used] == '\0' ? '?' : text[used + i];
        }
        used += step;
    }
    error->text[used] = '\0';
    error->sys_errno = sys_errno;
}

// Numbers as JSON and people read them; independent of the locale. Doubles in their shortest exact
// form.
[[nodiscard]] inline std::string number_text(std::int64_t value) {
    char buffer[24];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return {buffer, end};
}

[[nodiscard]] inline std::string number_text(double value) {
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return {buffer, end};
}

// Writes all of `data`; returns what the sink said, INVALID if there is none.
inline steward_status write(const steward_sink* sink, std::string_view data) noexcept {
    if (sink == nullptr || sink->write == nullptr) {
        return STEWARD_E_INVALID;
    }
    return sink->write(sink->ctx, data.data(), data.size());
}

}  // namespace steward::sdk
