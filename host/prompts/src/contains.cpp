#include "contains.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace steward::prompts {
namespace {

constexpr std::size_t kBlock = 16;  // what every x86-64 and ARM64 compares at once
using Block = std::uint8_t __attribute__((vector_size(kBlock)));

Block load(const char* from) noexcept {
    Block out;
    std::memcpy(&out, from, sizeof out);
    return out;
}

Block all(char value) noexcept {
    return Block{} + static_cast<std::uint8_t>(value);
}

static_assert(std::endian::native == std::endian::little);

// Whether `part` is at one of the places that are marked: one byte of `marks` for each.
bool is_at_one(std::uint64_t marks, const char* here, std::string_view part) noexcept {
    while (marks != 0) {
        const auto place = static_cast<unsigned>(std::countr_zero(marks)) / 8;
        if (std::memcmp(here + place, part.data(), part.size()) == 0) {
            return true;
        }
        marks &= ~(std::uint64_t{0xFF} << (place * 8));
    }
    return false;
}

}  // namespace

// Compares the first and the last byte of `part` at all places of a block at once; both fit at few
// places, and only there the whole is compared.
bool contains(std::string_view text, std::string_view part) noexcept {
    if (part.size() < 2 || text.size() < part.size()) {
        return text.find(part) != std::string_view::npos;
    }
    const std::size_t to_last = part.size() - 1;
    const std::size_t places = text.size() - to_last;
    const Block first = all(part.front());
    const Block last = all(part.back());
    std::size_t at = 0;
    for (; at + kBlock <= places; at += kBlock) {
        const char* const here = text.data() + at;
        const auto fits = (load(here) == first) & (load(here + to_last) == last);
        std::uint64_t marks[2];
        static_assert(sizeof marks == kBlock);
        std::memcpy(marks, &fits, sizeof marks);
        if ((marks[0] | marks[1]) != 0 &&
            (is_at_one(marks[0], here, part) || is_at_one(marks[1], here + kBlock / 2, part))) {
            return true;
        }
    }
    return text.substr(at).find(part) != std::string_view::npos;
}

}  // namespace steward::prompts
