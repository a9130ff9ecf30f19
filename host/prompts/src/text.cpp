#include "text.hpp"

#include <Poco/Unicode.h>

#include "steward/mcp/json.hpp"

namespace steward::prompts {
namespace {

std::size_t sequence_length(unsigned char first) noexcept {
    if (first < 0xC0) {
        return 1;
    }
    if (first < 0xE0) {
        return 2;
    }
    return first < 0xF0 ? 3 : 4;
}

}  // namespace

char32_t next_code_point(std::string_view text, std::size_t& at) noexcept {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t length = sequence_length(first);
    if (length == 1 || text.size() - at < length) {
        ++at;
        return first;
    }
    char32_t code = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        code = (code << 6U) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
    }
    at += length;
    return code;
}

void append_utf8(std::string& out, char32_t code) {
    const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0U | (code >> 6U));
        put(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
        put(0xE0U | (code >> 12U));
        put(0x80U | ((code >> 6U) & 0x3FU));
        put(0x80U | (code & 0x3FU));
    } else {
        put(0xF0U | (code >> 18U));
        put(0x80U | ((code >> 12U) & 0x3FU));
        put(0x80U | ((code >> 6U) & 0x3FU));
        put(0x80U | (code & 0x3FU));
    }
}

std::size_t count_characters(std::string_view text) noexcept {
    std::size_t count = 0;
    for (const char c : text) {
        count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
    }
    return count;
}

// The same characters as Python's str.strip(), which the other program trims with.
bool is_space(char32_t c) noexcept {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

std::size_t count_words(std::string_view text) noexcept {
    std::size_t words = 0;
    bool inside = false;
    for (std::size_t at = 0; at < text.size();) {
        const bool space = is_space(next_code_point(text, at));
        words += !space && !inside ? 1U : 0U;
        inside = !space;
    }
    return words;
}

std::string_view trimmed(std::string_view text) noexcept {
    std::size_t first = 0;
    while (first < text.size()) {
        std::size_t next = first;
        if (!is_space(next_code_point(text, next))) {
            break;
        }
        first = next;
    }
    std::size_t last = text.size();
    while (last > first) {
        std::size_t begin = last - 1;
        while (begin > first && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U) {
            --begin;
        }
        std::size_t at = begin;
        if (!is_space(next_code_point(text, at))) {
            break;
        }
        last = begin;
    }
    return text.substr(first, last - first);
}

bool has_control(std::string_view text) noexcept {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            return true;
        }
    }
    return false;
}

void append_lower(std::string& out, std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte < 0x80) {
            out += byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 0x20) : text[at];
            ++at;
            continue;
        }
        const char32_t code = next_code_point(text, at);
        append_utf8(out, static_cast<char32_t>(Poco::Unicode::toLower(static_cast<int>(code))));
    }
}

std::string lower(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    append_lower(out, text);
    return out;
}

std::string quoted(std::string_view text, std::size_t max) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < max && at < text.size(); ++i) {
        static_cast<void>(next_code_point(text, at));
    }
    std::string out;
    mcp::append_json_string(
        out, at < text.size() ? std::string(text.substr(0, at)) + "…" : std::string(text));
    return out;
}

}  // namespace steward::prompts
