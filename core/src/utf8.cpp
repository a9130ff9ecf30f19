#include "utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace steward::core {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

bool is_continuation(std::string_view text, std::size_t at) {
    return (byte_at(text, at) & 0xc0U) == 0x80U;
}

// By the first byte; 0 for a byte that begins nothing.
std::size_t announced_length(unsigned first) {
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        return 3;
    }
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

// The second byte decides about overlong forms, surrogates and the upper end.
bool second_fits(unsigned first, unsigned second) {
    switch (first) {
        case 0xe0:
            return second >= 0xa0;
        case 0xed:
            return second <= 0x9f;
        case 0xf0:
            return second >= 0x90;
        case 0xf4:
            return second <= 0x8f;
        default:
            return true;
    }
}

bool is_plain(unsigned byte) {
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t';
}

// Are these eight bytes of 0x20 to 0x7e? With all top bits clear no sum carries into the next byte.
bool are_plain(const char* at) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    constexpr std::uint64_t kTops = kOnes << 7U;
    std::uint64_t eight = 0;
    std::memcpy(&eight, at, sizeof eight);
    // Below 0x20 the first sum leaves a top bit clear; 0x7f sets one in the second.
    return (eight & kTops) == 0 && ((eight + 0x60 * kOnes) & ~(eight + kOnes) & kTops) == kTops;
}

// Sixteen bytes at once, where the processor can; both compilers know this.
using Lanes = unsigned char __attribute__((vector_size(16)));

Lanes lanes_at(const char* at) {
    Lanes lanes;
    std::memcpy(&lanes, at, sizeof lanes);
    return lanes;
}

bool are_all_plain(std::string_view text) {
    if (text.size() < sizeof(Lanes)) {
        return std::all_of(text.begin(), text.end(),
                           [](char c) { return is_plain(static_cast<unsigned char>(c)); });
    }
    const auto others = [&text](std::size_t at) {
        const Lanes lanes = lanes_at(text.data() + at);
        return (lanes - 0x20 > 0x7e - 0x20) & (lanes != '\t');
    };
    // The last ones, which overlap those before.
    auto found = others(text.size() - sizeof(Lanes));
    for (std::size_t at = 0; text.size() - at > sizeof(Lanes); at += sizeof(Lanes)) {
        found |= others(at);
    }
    std::uint64_t halves[2];
    std::memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

}  // namespace

std::size_t utf8_sequence(std::string_view text, std::size_t at) {
    const unsigned first = byte_at(text, at);
    const std::size_t length = announced_length(first);
    if (length == 0 || length > text.size() - at) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (!is_continuation(text, at + i)) {
            return 0;
        }
    }
    return length == 1 || second_fits(first, byte_at(text, at + 1)) ? length : 0;
}

std::size_t utf8_unfinished(std::string_view text) {
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
        const std::size_t at = text.size() - back;
        if (!is_continuation(text, at)) {
            return announced_length(byte_at(text, at)) > back ? back : 0;
        }
    }
    return 0;
}

char* escape_to(char* out, std::string_view text) {
    constexpr char kHex[] = "0123456789abcdef";
    if (are_all_plain(text)) {
        return std::copy(text.begin(), text.end(), out);
    }
    for (std::size_t at = 0;;) {
        std::size_t end = at;
        while (text.size() - end >= 8 && are_plain(text.data() + end)) {
            end += 8;
        }
        while (end < text.size() && is_plain(byte_at(text, end))) {
            ++end;
        }
        out = std::copy_n(text.data() + at, end - at, out);
        at = end;
        if (at == text.size()) {
            return out;
        }
        const std::size_t length = utf8_sequence(text, at);
        if (length > 1) {
            out = std::copy_n(text.data() + at, length, out);
            at += length;
            continue;
        }
        const unsigned byte = byte_at(text, at);
        *out++ = '\\';
        *out++ = 'x';
        *out++ = kHex[byte >> 4U];
        *out++ = kHex[byte & 15U];
        ++at;
    }
}

void append_escaped(std::string& out, std::string_view text) {
    const std::size_t begin = out.size();
    out.resize(begin + kMaxEscaped * text.size());
    char* const from = out.data() + begin;
    out.resize(static_cast<std::size_t>(escape_to(from, text) - out.data()));
}

std::string_view utf8_cut(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) {
        return text;
    }
    while (limit > 0 && is_continuation(text, limit)) {
        --limit;
    }
    return text.substr(0, limit);
}

}  // namespace steward::core
