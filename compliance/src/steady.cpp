#include "steady.hpp"

#include <array>
#include <cstdint>

#include "process_look.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

constexpr int kStretches = 3;
constexpr std::int64_t kBytesForRound = 1024;
// A leak of one block in so many rounds is seen.
constexpr int kRoundsForBlock = 20;

#ifdef STEWARD_SANITIZED
constexpr bool kMemoryIsWatched = false;
#else
constexpr bool kMemoryIsWatched = true;
#endif

struct Memory {
    std::int64_t blocks = watch_live_blocks();
    std::int64_t bytes = static_cast<std::int64_t>(resident_bytes());
};

}  // namespace

std::string growth(int rounds, const std::function<void()>& round) {
    const int stretch = rounds / kStretches;
    for (int i = 0; i < rounds / 10 + 1; ++i) {
        round();
    }
    const auto descriptors = open_descriptors();
    const auto threads_before = threads();
    std::array<Memory, kStretches + 1> memory;
    memory[0] = Memory{};
    for (std::size_t part = 1; part <= kStretches; ++part) {
        for (int i = 0; i < stretch; ++i) {
            round();
        }
        memory[part] = Memory{};
    }
    if (const auto opened = opened_since(descriptors); !opened.empty()) {
        return "descriptors are left open: " + opened;
    }
    if (!has_only_threads(threads_before)) {
        return std::to_string(threads().size()) + " threads instead of " +
               std::to_string(threads_before.size());
    }
    if (!kMemoryIsWatched) {
        return {};
    }
    bool blocks = true;
    bool bytes = true;
    for (std::size_t part = 1; part <= kStretches; ++part) {
        blocks = blocks &&
                 memory[part].blocks - memory[part - 1].blocks >= stretch / kRoundsForBlock + 1;
        bytes = bytes && memory[part].bytes - memory[part - 1].bytes >= stretch * kBytesForRound;
    }
    if (blocks) {
        return std::to_string(memory[kStretches].blocks - memory[0].blocks) +
               " blocks of memory more after " + std::to_string(rounds) + " rounds";
    }
    if (bytes) {
        return std::to_string((memory[kStretches].bytes - memory[0].bytes) / 1024) +
               " KiB more after " + std::to_string(rounds) + " rounds";
    }
    return {};
}

}  // namespace steward::compliance
