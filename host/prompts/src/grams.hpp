// Which of many texts may contain another one, without reading them.
//
// Three bytes of a text are one of 4,096 bits of its slot. A text that contains another has all of
// its bits; of texts that do not, nine in ten are told by a bit that is missing.
//
// Thread rule: the caller's mutex.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace steward::prompts {

class GramTable {
  public:
    using Slot = std::uint32_t;

    [[nodiscard]] Slot add(std::string_view text);
    void remove(Slot slot);

    // A bit for each slot, 64 in a word: not set where the text cannot contain `part`.
    [[nodiscard]] std::vector<std::uint64_t> candidates(std::string_view part) const;

  private:
    static constexpr std::size_t kGrams = 4096;
    static constexpr std::size_t kSlots = 64;
    // For each gram the slots that have it.
    using Block = std::array<std::uint64_t, kGrams>;

    static std::size_t gram(const char* three) noexcept;

    std::vector<std::unique_ptr<Block>> blocks_;
    std::vector<Slot> free_;
};

}  // namespace steward::prompts
