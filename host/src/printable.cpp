#include "printable.hpp"

#include <fmt/format.h>

namespace steward::host {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

// A character of U+2000 to U+2FFF that is there; 0: another one.
unsigned punctuation_at(std::string_view text, std::size_t at) {
    const unsigned second = byte_at(text, at + 1);
    const unsigned third = byte_at(text, at + 2);
    const bool whole =
        byte_at(text, at) == 0xe2 && (second & 0xc0U) == 0x80 && (third & 0xc0U) == 0x80;
    return whole ? 0x2000U | (second & 0x3fU) << 6U | (third & 0x3fU) : 0;
}

// Marks of direction, and the ends of lines and paragraphs.
bool is_trouble(unsigned c) {
    return c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size(); ++at) {
        const unsigned byte = byte_at(text, at);
        // U+0080 to U+009F are control characters too; in UTF-8 they are C2 80 to C2 9F.
        if (byte == 0xc2 && (byte_at(text, at + 1) & 0xe0U) == 0x80) {
            out += fmt::format("\\x{:02x}", byte_at(text, ++at));
        } else if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
        } else if (const unsigned c = punctuation_at(text, at); is_trouble(c)) {
            out += fmt::format("\\u{:04x}", c);
            at += 2;
        } else {
            out += text[at];
        }
    }
    return out;
}

}  // namespace steward::host
