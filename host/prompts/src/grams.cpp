#include "grams.hpp"

#include <algorithm>
#include <cstring>

namespace steward::prompts {
namespace {

constexpr std::size_t kMaxParts = 64;  // of a text that is looked for; more tell little more

}  // namespace

std::size_t GramTable::gram(const char* three) noexcept {
    std::uint32_t code = 0;
    std::memcpy(&code, three, 3);
    return (code * 0x9E3779B1U >> 16U) % kGrams;
}

GramTable::Slot GramTable::add(std::string_view text) {
    if (free_.empty()) {
        const std::size_t first = blocks_.size() * kSlots;
        free_.reserve(first + kSlots);  // so that remove() needs no memory
        blocks_.push_back(std::make_unique<Block>());
        for (std::size_t i = kSlots; i > 0; --i) {
            free_.push_back(static_cast<Slot>(first + i - 1));
        }
    }
    const Slot slot = free_.back();
    free_.pop_back();
    Block& block = *blocks_[slot / kSlots];
    for (std::size_t at = 0; at + 3 <= text.size(); ++at) {
        block[gram(text.data() + at)] |= std::uint64_t{1} << (slot % kSlots);
    }
    return slot;
}

void GramTable::remove(Slot slot) {
    for (auto& slots : *blocks_[slot / kSlots]) {
        slots &= ~(std::uint64_t{1} << (slot % kSlots));
    }
    free_.push_back(slot);
}

std::vector<std::uint64_t> GramTable::candidates(std::string_view part) const {
    std::vector<std::uint64_t> out(blocks_.size(), ~std::uint64_t{0});
    for (std::size_t at = 0; at + 3 <= part.size() && at < kMaxParts; ++at) {
        const std::size_t wanted = gram(part.data() + at);
        std::transform(out.begin(), out.end(), blocks_.begin(), out.begin(),
                       [wanted](std::uint64_t slots, const std::unique_ptr<Block>& block) {
                           return slots & (*block)[wanted];
                       });
    }
    return out;
}

}  // namespace steward::prompts
