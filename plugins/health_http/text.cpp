#include "text.hpp"

#include <steward/sdk/text.hpp>

namespace steward::health_http {
namespace {

void append_hex(std::string& out, unsigned char byte) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += "\\x";
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 0x0FU];
}

void append_ascii(std::string& out, char c) {
    if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
    } else if (c == '\n') {
        out += "\\n";
    } else if (c == '\t') {
        out += "\\t";
    } else if (c < 0x20 || c == 0x7F) {
        append_hex(out, static_cast<unsigned char>(c));
    } else {
        out += c;
    }
}

}  // namespace

std::string quoted(std::string_view bytes, std::size_t limit) {
    std::string out = "\"";
    std::size_t at = 0;
    while (at < bytes.size() && at < limit) {
        const std::size_t length = sdk::utf8_sequence(bytes.substr(at));
        if (length == 0) {
            append_hex(out, static_cast<unsigned char>(bytes[at++]));
            continue;
        }
        const bool c1_control = length == 2 && static_cast<unsigned char>(bytes[at]) == 0xC2U &&
                                static_cast<unsigned char>(bytes[at + 1]) < 0xA0U;
        if (length == 1) {
            append_ascii(out, bytes[at]);
        } else if (c1_control) {
            append_hex(out, static_cast<unsigned char>(bytes[at + 1]));
        } else {
            out += bytes.substr(at, length);
        }
        at += length;
    }
    out += '"';
    if (at < bytes.size()) {
        out += "\u2026";
    }
    return out;
}

}  // namespace steward::health_http
